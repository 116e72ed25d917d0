"""Labelled texts from a parquet file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.datasets.corpus import loader
from evalkit.datasets.table import Columns, Table, name_row
from evalkit.datasets.text_encoding import existing_file
from evalkit.errors import RequestError


def read(
    path: str, *, text_column: str = "text", label_column: str = "label", split_column: str | None = None
) -> Table:
    """The needed columns: texts must be strings, labels strings, numbers or booleans (dictionaries too)."""
    import pyarrow as arrow
    from pyarrow import parquet

    columns = Columns(text_column, label_column, split_column)
    file = existing_file(path)
    try:
        with parquet.ParquetFile(file) as source:
            schema = source.schema_arrow
            columns.check(schema.names, path)
            # A name with a dot would be taken for a path into a nested column.
            dotted = any("." in column for column in columns.needed.values())
            table = source.read(None if dotted else list(columns.needed.values()), use_threads=False)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a damaged name of a column
        reason = str(error).splitlines()[0]
        raise RequestError(f"{path} cannot be read as parquet ({reason}): choose its true format.") from None
    features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    classes = {column: feature.get("names") for column, feature in features.items()}
    texts, labels, *splits = column_texts(table, columns, path, classes)
    return Table(path, texts, labels, splits[0] if splits else None, name=file.stem)


load = loader("parquet", read)


def column_texts(
    table: Any, columns: Columns, source: str, classes: Mapping[str, Sequence[str] | None]
) -> list[list[str | None]]:
    """The needed columns of an arrow table as text; `classes` name the codes of ClassLabel columns."""
    texts = []
    for option, column in columns.needed.items():
        values, names = _column_text(table.column(column), option, column, source), classes.get(column)
        if names is not None:  # -1 is a withheld label
            values = [None if code is None or int(code) < 0 else names[int(code)] for code in values]
        texts.append(values)
    return texts


def _column_text(values: Any, option: str, column: str, source: str) -> list[str | None]:
    """An arrow column as text, None for null and for NaN."""
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
    if types.is_floating(kind):  # in its own precision: float32's 0.1 is not 0.10000000149011612
        plain = [None if value is None or math.isnan(value) else kind.to_pandas_dtype()(value) for value in plain]
    if types.is_boolean(kind):
        plain = [None if value is None else str(value).lower() for value in plain]
    return plain if textual else [None if value is None else str(value) for value in plain]


def _first_undecodable(values: Any) -> int:
    """Row of the first string that is not UTF-8."""
    for row, value in enumerate(values):
        try:
            value.as_py()
        except UnicodeDecodeError:
            return row
    raise AssertionError("every value can be decoded")
