"""Labelled texts from a file of one JSON object a line.

Python's json module reads it line by line: pandas turns the label 1.10 into 1.1, and no reader of whole files gives the
line of a row.
"""

from __future__ import annotations

import json
from array import array
from typing import Any, NoReturn

from evalkit.datasets.corpus import loader
from evalkit.datasets.table import Columns, Table
from evalkit.datasets.text_encoding import check_text, existing_file
from evalkit.errors import RequestError


class _Number(str):
    """A JSON number as written: the label 1.10 stays 1.10."""

    __slots__ = ()


def read(
    path: str, *, text_column: str = "text", label_column: str = "label", split_column: str | None = None
) -> Table:
    """The needed members of each object; a text must be a string, a label a string, number, true or false."""
    file = existing_file(path)
    check_text(file, path, lambda line: f"line {line}")
    columns = Columns(text_column, label_column, split_column)
    decoder = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant)
    values: dict[str, list[str | None]] = {option: [] for option in columns.needed}
    lines = array("q")

    def name_row(row: int) -> str:
        return f"row {row + 1} (line {lines[row]})"

    with file.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            lines.append(number)
            where = name_row(len(lines) - 1)
            row = _parse(decoder, line.strip(), f"{where} of {path}")
            for option, column in columns.needed.items():
                if column not in row:
                    columns.check(list(row), f"{where} of {path}")
                values[option].append(_text(row[column], option, column, path, where))
    texts, labels, *splits = values.values()
    return Table(path, texts, labels, splits[0] if splits else None, name_row, file.stem)


load = loader("jsonl", read)


def _parse(decoder: json.JSONDecoder, line: str, where: str) -> dict[str, Any]:
    """One line as an object."""
    try:
        row = decoder.decode(line)
    except json.JSONDecodeError as error:
        raise RequestError(
            f"{where} is no JSON ({error.msg}, character {error.pos + 1}): write one object a line."
        ) from None
    except RecursionError:
        raise RequestError(f"{where} is nested too deeply to be read: write one flat object a line.") from None
    if not isinstance(row, dict):
        raise RequestError(f"{where} is {_kind(row)}, and an object is meant: write one object a line.")
    return row


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity, which Python's json would read."""
    raise json.JSONDecodeError(f"{name} is no JSON value", name, 0)


def _text(value: Any, option: str, column: str, source: str, where: str) -> str | None:
    """A value as text; None for null."""
    is_text = option == "dataset.text_column"
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool | _Number) and not is_text:
        return str(value).lower() if isinstance(value, bool) else str(value)
    allowed = "a string" if is_text else "a string or a number"
    raise RequestError(
        f"{source} has {_kind(value)} as {column!r} in {where}, and {allowed} is meant: "
        f"write it so, or name another column with {option}."
    )


def _kind(value: Any) -> str:
    """The JSON type of a value, in words."""
    if isinstance(value, _Number):
        return f"the number {value}"
    words = {str: "a string", bool: "true or false", list: "a list", dict: "an object"}
    return words.get(type(value), "null")
