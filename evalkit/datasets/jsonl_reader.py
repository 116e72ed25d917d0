"""Labelled texts from a file of one JSON object a line."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import Any, NoReturn

from evalkit.datasets.corpus import build_corpus
from evalkit.datasets.table import Columns, Table, named_after
from evalkit.datasets.text_encoding import check_text, existing_file
from evalkit.errors import RequestError
from evalkit.types import Corpus

__all__ = ["load", "read"]


def load(
    path: str,
    *,
    name: str = "jsonl",
    text_column: str = "text",
    label_column: str = "label",
    split_column: str | None = None,
    limit: int | None = None,
    conflicts: str = "first",
    drop_blank: bool = False,
    queries: Sequence[str] | None = None,
    sample_seed: int = 0,
) -> Corpus:
    """The corpus in the JSON Lines file at `path`; `build_corpus` says what the other options mean.

    Raises
    ------
    RequestError
        Where the file cannot be read right.
    """
    return build_corpus(
        read(path, Columns(text_column, label_column, split_column)),
        name=named_after(path, name, "jsonl"),
        limit=limit,
        conflicts=conflicts,
        drop_blank=drop_blank,
        queries=queries,
        sample_seed=sample_seed,
    )


class _Number(str):
    """A JSON number as it is written: the label 1.10 stays 1.10."""

    __slots__ = ()


def read(path: str, columns: Columns) -> Table:
    """The needed members of each object; a text must be a string, a label a string, number, true or false.

    Raises
    ------
    RequestError
        Names the row and line at fault.
    """
    file = existing_file(path)
    check_text(file, path, lambda line: f"line {line}")
    decoder = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant)
    found: dict[str, list[str | None]] = {option: [] for option in columns.needed}
    lines = array("q")

    def name_row(row: int) -> str:
        return f"row {row + 1} (line {lines[row]})"

    with file.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            lines.append(number)
            row = _parse(decoder, line.strip(), f"{name_row(len(lines) - 1)} of {path}")
            for option, column in columns.needed.items():
                if column not in row:
                    columns.check(list(row), f"{name_row(len(lines) - 1)} of {path}")
                value = row[column]
                found[option].append(
                    value if type(value) is str else _plain(value, option, column, path, name_row(len(lines) - 1))
                )
    texts, labels, *splits = found.values()
    return Table(path, texts, labels, splits[0] if splits else None, name_row)


def _parse(decoder: json.JSONDecoder, line: str, where: str) -> dict[str, Any]:
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
    raise json.JSONDecodeError(f"{name} is no JSON value", name, 0)


def _plain(value: Any, option: str, column: str, source: str, where: str) -> str | None:
    """Text of a value that is not a plain string; None for null."""
    if value is None:
        return None
    if option != "dataset.text_column":
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, _Number):
            return str(value)
    allowed = "a string" if option == "dataset.text_column" else "a string or a number"
    raise RequestError(
        f"{source} has {_kind(value)} as {column!r} in {where}, and {allowed} is meant: "
        f"write it so, or name another column with {option}."
    )


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, _Number):
        return f"the number {value}"
    return "a string" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"
