"""Vectors that were made elsewhere: row i of the file belongs to row i of the data."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders import Advance
from evalkit.errors import RequestError
from evalkit.types import EncoderIdentity, Encoding, Vectors

__all__ = ["PrecomputedEncoder"]

BLOCK = 65_536
"""Rows checked at once, so that a file larger than memory can be read."""

UNREADABLE = (
    ValueError, TypeError, EOFError, OSError, OverflowError, MemoryError, SyntaxError, TokenError,
)  # fmt: skip
"""What `numpy.load` raises: it reads the header as a Python literal, which may be none, or promise any shape."""

_digests: dict[Path, tuple[tuple[int, int], str]] = {}


class PrecomputedEncoder:
    """Vectors in a .npy file (memory-mapped, never unpickled) or a .parquet file.

    A parquet file has either one column of lists, or numbers in all columns.

    Parameters
    ----------
    name
        What records call the vectors; ``precomputed`` stands for the file's name.
    path
        (rows of the data, d) vectors of any float or integer type.
    query_path
        (queries, d) vectors of the queries, in their order.

    Raises
    ------
    RequestError
        A file is missing or of another kind.
    """

    def __init__(self, name: str = "precomputed", *, path: str, query_path: str | None = None) -> None:
        self.path = _existing(path, "model.path")
        self.query_path = None if query_path is None else _existing(query_path, "model.query_path")
        self.name = self.path.name if name == "precomputed" else name
        self._checked: dict[Path, NDArray[Any]] = {}

    @property
    def can_encode_queries(self) -> bool:
        """Whether vectors of queries were given."""
        return self.query_path is not None

    def identify(self, pooling: str) -> EncoderIdentity:
        """See `evalkit.encoders.Encoder.identify`; the revision is the digest of the file."""
        del pooling  # there are no tokens to pool
        vectors = self._vectors(self.path)
        queries = None if self.query_path is None else "sha256:" + _digest(self.query_path)
        return EncoderIdentity(
            kind="precomputed",
            name=self.name,
            revision="sha256:" + _digest(self.path),
            pooling="none",
            native_pooling="none",
            normalised=False,
            dimension=int(vectors.shape[1]),
            details={} if queries is None else {"queries": queries},
        )

    def encode_rows(self, rows: NDArray[np.int64], source_rows: int) -> Encoding:
        """Vectors of some rows of the data.

        Parameters
        ----------
        rows
            (n,) row numbers, counted from 0 before anything was dropped.
        source_rows
            Rows that the data has; the file must have as many.

        Returns
        -------
        Encoding
            (n, d) float32 vectors; the memory-mapped file itself where all of its rows are asked for.

        Raises
        ------
        RequestError
            Another number of rows, or a value that is not finite.
        """
        started = time.perf_counter()
        vectors = self._vectors(self.path)
        if len(vectors) != source_rows:
            raise RequestError(
                f"{self.path.name} has {len(vectors)} rows and the data have {source_rows}: "
                "row i of the vectors must belong to row i of the data, before anything is dropped."
            )
        whole = len(rows) == source_rows and bool(np.array_equal(rows, np.arange(source_rows)))
        chosen = _finite(vectors, self.path, None if whole else rows)
        return Encoding(vectors=chosen, seconds=time.perf_counter() - started)

    def encode(self, texts: Sequence[str], poolings: Sequence[str], advance: Advance) -> dict[str, Encoding]:
        """All rows of the file, of which there must be as many as `texts`."""
        encoding = self.encode_rows(np.arange(len(texts)), len(texts))
        advance(len(texts))
        return dict.fromkeys(poolings, encoding)

    def encode_queries(
        self, texts: Sequence[str], poolings: Sequence[str], corpus_texts: Sequence[str], advance: Advance
    ) -> dict[str, Encoding]:
        """The vectors of model.query_path, of which there must be as many as queries.

        Raises
        ------
        RequestError
            There are none, or another number, or of another length.
        """
        del corpus_texts
        if self.query_path is None:
            raise RequestError(
                f"there {_count(len(texts))}, and {self.path.name} holds no vectors of them: "
                "give their vectors as model.query_path, or leave the queries out (queries=[])."
            )
        started = time.perf_counter()
        vectors, own = self._vectors(self.query_path), self._vectors(self.path)
        if len(vectors) != len(texts):
            raise RequestError(
                f"{self.query_path.name} has {len(vectors)} rows and there {_count(len(texts))}: give one row a query."
            )
        if vectors.shape[1] != own.shape[1]:
            raise RequestError(
                f"the vectors of {self.query_path.name} have {vectors.shape[1]} dimensions and those of "
                f"{self.path.name} {own.shape[1]}: make both with one model."
            )
        encoding = Encoding(vectors=_finite(vectors, self.query_path, None), seconds=time.perf_counter() - started)
        advance(len(texts))
        return dict.fromkeys(poolings, encoding)

    def _vectors(self, path: Path) -> NDArray[Any]:
        if path not in self._checked:
            vectors = _read_parquet(path) if path.suffix == ".parquet" else _read_npy(path)
            if vectors.ndim != 2 or vectors.size == 0 or vectors.dtype.kind not in "fiu":
                raise RequestError(
                    f"{path.name} holds an array of shape {vectors.shape} and type {vectors.dtype}: "
                    "give numbers in two dimensions, one row a text."
                )
            self._checked[path] = vectors
        return self._checked[path]


def _count(queries: int) -> str:
    return "is 1 query" if queries == 1 else f"are {queries} queries"


def _existing(path: str, option: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise RequestError(f"{option}={path} is no file: name a .npy or .parquet file of vectors.")
    if found.suffix not in {".npy", ".parquet"}:
        raise RequestError(f"{option}={path} is neither .npy nor .parquet: save the vectors as one of those.")
    return found.resolve()


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as stream:
            if stream.read(2) == b"PK":  # numpy would open it as an archive, and leave it open where it is none
                raise ValueError("it is a zip archive, as numpy.savez makes")
        return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except UNREADABLE as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise RequestError(
            f"{path.name} cannot be read as an array of numbers ({said}): save it with numpy.save."
        ) from None


def _read_parquet(path: Path) -> NDArray[Any]:
    import pyarrow
    from pyarrow import parquet, types

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"{path.name} cannot be read as parquet ({str(error).splitlines()[0]}): write it anew."
        ) from None
    lists = [name for name in table.column_names if _is_list(table.schema.field(name).type)]
    numbers = [
        name
        for name in table.column_names
        if types.is_integer(kind := table.schema.field(name).type) or types.is_floating(kind)
    ]
    if any(table.column(name).null_count for name in (*lists, *numbers)):
        raise RequestError(f"{path.name} has rows without a value: give every row a whole vector.")
    if len(lists) == 1 and len(table.column_names) == 1:
        column = table.column(lists[0]).combine_chunks()
        lengths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False))
        if len(lengths) != 1:
            raise RequestError(
                f"the vectors in {path.name} have lengths from {lengths[0]} to {lengths[-1]}: give all the same."
            )
        flat = column.flatten()
        if flat.null_count or not (types.is_integer(flat.type) or types.is_floating(flat.type)):
            raise RequestError(
                f"the lists in {path.name} do not hold numbers throughout ({flat.type}): give vectors of numbers."
            )
        return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), -1)
    if numbers and len(numbers) == len(table.column_names):
        return np.column_stack([table.column(name).to_numpy() for name in numbers])
    raise RequestError(
        f"{path.name} has the columns {', '.join(table.column_names[:8])}: "
        "give either one column of lists or numbers in all columns."
    )


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _finite(vectors: NDArray[Any], path: Path, rows: NDArray[np.int64] | None) -> Vectors:
    """The chosen rows as float32, checked block by block; float32 that needs no copy stays where it is."""
    as_it_is = rows is None and vectors.dtype == np.float32 and vectors.flags.c_contiguous
    count = len(vectors) if rows is None else len(rows)
    out = vectors if as_it_is else np.empty((count, vectors.shape[1]), dtype=np.float32)
    for start in range(0, count, BLOCK):
        chosen = slice(start, start + BLOCK) if rows is None else rows[start : start + BLOCK]
        with np.errstate(over="ignore"):  # what leaves float32's range becomes inf, and is refused below
            block = np.asarray(vectors[chosen], dtype=np.float32)
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            place = start + int(np.argmin(finite))
            row = place if rows is None else int(rows[place])
            raise RequestError(
                f"row {row} of {path.name} (counted from 0) has a value that is not finite in float32: "
                "mend or drop that row."
            )
        if not as_it_is:
            out[start : start + len(block)] = block
    return out


def _digest(path: Path) -> str:
    """Hex SHA-256 of a file, kept while its size and time stay the same."""
    stat = path.stat()
    stamp = (stat.st_size, stat.st_mtime_ns)
    known = _digests.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    with path.open("rb") as stream:
        value = hashlib.file_digest(stream, "sha256").hexdigest()
    _digests[path] = (stamp, value)
    return value
