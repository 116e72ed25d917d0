"""Labelled texts from a parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.datasets.corpus import build_corpus
from evalkit.datasets.table import Columns, Table, name_row, named_after
from evalkit.datasets.text_encoding import existing_file
from evalkit.errors import RequestError
from evalkit.types import Corpus

__all__ = ["column_text", "load", "read"]


def load(
    path: str,
    *,
    name: str = "parquet",
    text_column: str = "text",
    label_column: str = "label",
    split_column: str | None = None,
    limit: int | None = None,
    conflicts: str = "first",
    drop_blank: bool = False,
    queries: Sequence[str] | None = None,
    sample_seed: int = 0,
) -> Corpus:
    """The corpus in the parquet file at `path`; `build_corpus` says what the other options mean.

    Raises
    ------
    RequestError
        Where the file cannot be read right.
    """
    return build_corpus(
        read(path, Columns(text_column, label_column, split_column)),
        name=named_after(path, name, "parquet"),
        limit=limit,
        conflicts=conflicts,
        drop_blank=drop_blank,
        queries=queries,
        sample_seed=sample_seed,
    )


def read(path: str, columns: Columns) -> Table:
    """The needed columns: texts must be strings, labels strings, numbers or booleans (dictionaries too).

    Raises
    ------
    RequestError
        Names the column or row at fault.
    """
    import pyarrow as arrow
    from pyarrow import parquet

    existing = existing_file(path)
    try:
        with parquet.ParquetFile(existing) as file:
            names = file.schema_arrow.names
            columns.check(names, path)
            # By position: a name with a dot would be taken for a path into a nested column.
            table = file.read(use_threads=False) if _dotted(columns) else file.read(list(columns.needed.values()))
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a damaged name of a column
        reason = str(error).splitlines()[0]
        raise RequestError(
            f"{path} cannot be read as parquet ({reason}): write it anew, or choose its true format."
        ) from None
    found = [column_text(table.column(column), option, column, path) for option, column in columns.needed.items()]
    return Table(path, found[0], found[1], found[2] if len(found) > 2 else None)


def _dotted(columns: Columns) -> bool:
    return any("." in column for column in columns.needed.values())


def column_text(values: Any, option: str, column: str, source: str) -> list[str | None]:
    """An arrow column as text, None for null.

    Raises
    ------
    RequestError
        Where the column holds something else, or bytes that are no UTF-8.
    """
    from pyarrow import types

    kind = values.type.value_type if types.is_dictionary(values.type) else values.type
    textual = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    if not textual and not (numeric and option != "dataset.text_column"):
        allowed = "strings" if option == "dataset.text_column" else "strings or numbers"
        raise RequestError(
            f"{source} holds {kind} in the column {column!r}, and {allowed} are meant: "
            f"convert it, or name another column with {option}."
        )
    try:
        plain: list[Any] = values.to_pylist()
    except UnicodeDecodeError:
        raise RequestError(
            f"{source} is not UTF-8 in the column {column!r}, {name_row(_first_undecodable(values))}: write it anew."
        ) from None
    if textual:
        return plain
    if types.is_boolean(kind):
        return [None if value is None else str(value).lower() for value in plain]
    return [None if value is None else str(value) for value in plain]


def _first_undecodable(values: Any) -> int:
    for row, value in enumerate(values):
        try:
            value.as_py()
        except UnicodeDecodeError:
            return row
    raise AssertionError("every value can be decoded")
