"""Vectors that were made elsewhere: row i of the file belongs to row i of the data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders import Advance, Encoder
from evalkit.errors import RequestError
from evalkit.runtime.file_digest import known_digest
from evalkit.types import EncoderIdentity, Encoding, Vectors

UNREADABLE = (
    ValueError, TypeError, EOFError, OSError, OverflowError, MemoryError, SyntaxError, TokenError,
)  # fmt: skip
"""What `numpy.load` raises: it reads the header as a Python literal, which may be none, or promise any shape."""
NO_DIMENSION = frozenset({"text", "label", "labels", "id", "index", "split", "class", "target", "topic", "cluster"})
"""Names of columns that are taken for a part of a vector only where model.columns says so."""


class PrecomputedEncoder(Encoder):
    """Vectors in a .npy file (memory-mapped, never unpickled) or a .parquet file.

    Of a parquet file, the only column of lists is taken; else all columns, where they are of one floating type and
    none has a name like ``label``; else `column` or `columns` must say which. An index that pandas wrote is left out.

    Parameters
    ----------
    name
        Name in records; ``precomputed`` stands for the file's name.
    path, query_path
        (rows of the data, d) vectors of any float or integer type; (queries, d) vectors of the queries, in their order.
    column, columns
        Of a parquet file: the column of lists; or number columns, by their names or the beginning of their names.
    """

    def __init__(
        self,
        name: str = "precomputed",
        *,
        path: str,
        query_path: str | None = None,
        column: str | None = None,
        columns: str | Sequence[str] | None = None,
    ) -> None:
        self.path = _existing(path, "model.path")
        self.query_path = None if query_path is None else _existing(query_path, "model.query_path")
        self.name = self.path.name if name == "precomputed" else name
        self.column = column
        self.columns = columns if columns is None or isinstance(columns, str) else list(columns)
        self._checked: dict[Path, NDArray[Any]] = {}
        if column is not None and columns is not None:
            raise RequestError("model.column names lists and model.columns numbers: leave one of them out.")
        if (column or columns) and self.path.suffix != ".parquet":
            raise RequestError(f"{self.path.name} has no columns: leave model.column and model.columns out.")

    def identify(self, pooling: str) -> EncoderIdentity:
        """See `evalkit.encoders.Encoder.identify`; the revision is the digest of the file."""
        del pooling  # there are no tokens to pool
        details: dict[str, Any] = {}
        if self.query_path is not None:
            details["queries"] = "sha256:" + known_digest(self.query_path)
        if self.column or self.columns:
            details["columns"] = self.column or self.columns
        return EncoderIdentity(
            kind="precomputed",
            name=self.name,
            revision="sha256:" + known_digest(self.path),
            dimension=int(self._vectors(self.path).shape[1]),
            details=details,
        )

    def encode_rows(self, rows: NDArray[np.int64], source_rows: int) -> Encoding:
        """(n, d) vectors of some rows of the data: the memory-mapped file itself where they are all, in order.

        `rows` are row numbers, counted from 0 before anything was dropped; the file must have `source_rows` rows.
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
        """The vectors of model.query_path, of which there must be as many as queries."""
        del corpus_texts
        path, count = self.query_path, "is 1 query" if len(texts) == 1 else f"are {len(texts)} queries"
        if path is None:
            raise RequestError(
                f"there {count}, and {self.path.name} holds no vectors of them: "
                "give their vectors as model.query_path, or leave the queries out (queries=[])."
            )
        started = time.perf_counter()
        vectors, own = self._vectors(path), self._vectors(self.path)
        if len(vectors) != len(texts):
            raise RequestError(f"{path.name} has {len(vectors)} rows and there {count}: give one row a query.")
        if vectors.shape[1] != own.shape[1]:
            raise RequestError(
                f"the vectors of {path.name} have {vectors.shape[1]} dimensions and those of "
                f"{self.path.name} {own.shape[1]}: make both with one model."
            )
        encoding = Encoding(vectors=_finite(vectors, path, None), seconds=time.perf_counter() - started)
        advance(len(texts))
        return dict.fromkeys(poolings, encoding)

    def _vectors(self, path: Path) -> NDArray[Any]:
        """The file as a matrix of numbers, opened once."""
        if path not in self._checked:
            parquet = path.suffix == ".parquet"
            vectors = _read_parquet(path, self.column, self.columns) if parquet else _read_npy(path)
            if vectors.ndim != 2 or vectors.size == 0 or vectors.dtype.kind not in "fiu":
                raise RequestError(
                    f"{path.name} holds an array of shape {vectors.shape} and type {vectors.dtype}: "
                    "give numbers in two dimensions, one row a text."
                )
            self._checked[path] = vectors
        return self._checked[path]


def _existing(path: str, option: str) -> Path:
    """`path`, where it is a file of a known kind."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise RequestError(f"{option}={path} is no file: name a .npy or .parquet file of vectors.")
    if file.suffix not in {".npy", ".parquet"}:
        raise RequestError(f"{option}={path} is neither .npy nor .parquet: save the vectors as one of those.")
    return file.resolve()


def _read_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file, memory-mapped."""
    try:
        with path.open("rb") as stream:
            if stream.read(2) == b"PK":  # numpy would open it as an archive, and leave it open where it is none
                raise ValueError("it is a zip archive, as numpy.savez makes")
        return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RequestError(f"{path.name} cannot be read as an array of numbers ({reason}): use numpy.save.") from None


def _read_parquet(path: Path, column: str | None, columns: str | Sequence[str] | None) -> NDArray[Any]:
    """The vectors of a parquet file."""
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"{path.name} cannot be read as parquet ({str(error).splitlines()[0]}): write it anew."
        ) from None
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    kinds = {field.name: field.type for field in table.schema if field.name not in index}
    table = table.select(_chosen(path, kinds, column, columns))
    if any(values.null_count for values in table.columns):
        raise RequestError(f"{path.name} has rows without a value: give every row a whole vector.")
    values = table.column(0).combine_chunks()
    if not _is_list(values.type):
        return np.column_stack([column.to_numpy() for column in table.columns])
    lengths = np.unique(values.value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) != 1:
        raise RequestError(f"vectors of {path.name} have lengths from {lengths[0]} to {lengths[-1]}: give one length.")
    flat = values.flatten()
    if flat.null_count or not _is_number(flat.type):
        raise RequestError(f"lists of {path.name} do not hold numbers throughout ({flat.type}): give numbers.")
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(values), -1)


def _chosen(path: Path, kinds: dict[str, Any], column: str | None, columns: str | Sequence[str] | None) -> list[str]:
    """The columns that hold the vectors: one of lists, or some of numbers."""
    from pyarrow import types

    lists = [name for name, kind in kinds.items() if _is_list(kind)]
    if column is not None:
        chosen, fit = [column], column in lists
    elif columns is not None:
        chosen = [name for name in kinds if name.startswith(columns)] if isinstance(columns, str) else list(columns)
        fit = bool(chosen) and all(name in kinds and _is_number(kinds[name]) for name in chosen)
    elif len(lists) == 1:
        chosen, fit = lists, True
    else:
        chosen = list(kinds)
        one_type = len(set(kinds.values())) == 1 and all(map(types.is_floating, kinds.values()))
        fit = one_type and not any(name.casefold() in NO_DIMENSION for name in kinds)
    if not fit:
        names = ", ".join(list(kinds)[:8]) + (", …" if len(kinds) > 8 else "")
        raise RequestError(
            f"{path.name} has the columns {names}, and which of them are vectors is not clear: name the column of "
            "lists with model.column, or the columns of numbers with model.columns (their names, or how these begin)."
        )
    return chosen


def _is_list(kind: Any) -> bool:
    """Whether an arrow type is a list."""
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_number(kind: Any) -> bool:
    """Whether an arrow type is an integer or a float."""
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind))


def _finite(vectors: NDArray[Any], path: Path, rows: NDArray[np.int64] | None) -> Vectors:
    """The chosen rows as float32, all finite; float32 that needs no copy stays where it is."""
    with np.errstate(over="ignore"):  # what leaves float32's range becomes inf, and is refused below
        chosen: Vectors = np.asanyarray(vectors if rows is None else vectors[rows], dtype=np.float32, order="C")
    finite = np.isfinite(chosen).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite)) if rows is None else int(rows[np.argmin(finite)])
        raise RequestError(f"row {row} of {path.name} (from 0) is not finite in float32: mend or drop that row.")
    return chosen
