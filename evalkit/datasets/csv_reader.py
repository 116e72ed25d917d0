"""Labelled texts from a CSV file (RFC 4180 and its habits).

Python's csv module reads it: pandas and pyarrow accept a quote within quotes, an unclosed quote and a short row, and
neither says on which line a row stands.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import itertools
import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit.datasets.corpus import loader
from evalkit.datasets.table import Columns, Table, counted
from evalkit.datasets.text_encoding import check_text, existing_file
from evalkit.errors import RequestError

SEPARATORS = ",;\t|"
SPELLINGS = {"tab": "\t", "\\t": "\t"}
QUOTING: dict[str, Literal[0, 3]] = {"minimal": csv.QUOTE_MINIMAL, "none": csv.QUOTE_NONE}
_Record = tuple[int, int, list[str]]
"""First line, last line, fields."""
EXCEL = re.compile(r"sep=([^\r\n]?)")
"""The first line by which Excel names the separator."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a file is to be split into rows and fields."""

    separator: str
    quoting: str
    comment: str | None
    header: bool


def read(
    path: str,
    *,
    text_column: str = "text",
    label_column: str = "label",
    split_column: str | None = None,
    separator: str | None = None,
    quoting: str = "minimal",
    comment: str | None = None,
    header: bool = True,
) -> Table:
    """The needed columns of a CSV file, exactly as written.

    UTF-8 with or without a byte order mark; lines end in LF, CRLF or CR; a field in double quotes may hold
    separators, newlines and doubled quotes. Every field is text: ``NA``, ``null`` and ``01`` stay as they are.
    Empty lines are no rows.

    Parameters
    ----------
    separator
        One character (``tab`` for a tab). None takes that of Excel's first line ``sep=;``, else the one of comma,
        semicolon, tab and bar that makes the first row hold the needed columns.
    quoting
        ``minimal``, or ``none`` where double quotes are characters like any other.
    comment
        Lines that begin with it are no rows.
    header
        False for a file without a header; its columns are then called 0, 1, ….
    """
    file = existing_file(path)
    columns = Columns(text_column, label_column, split_column)
    if quoting not in QUOTING:
        raise RequestError(f"dataset.quoting={quoting} is neither minimal nor none: choose one of them.")
    dialect = _Dialect("" if separator is None else _checked(separator), quoting, comment, header)
    if separator is None:
        dialect = _sniff(file, columns, dialect)
    check_text(file, path, lambda line: _row_at(file, line, dialect))
    names, rows = _names_and_rows(file, path, dialect)
    columns.check(names, path)
    places = [names.index(column) for column in columns.needed.values()]
    found: list[list[str]] = [[] for _ in places]
    lines, several_lines = array("q"), array("q")
    for start, end, record in rows:
        if end > start:
            several_lines.append(len(lines))
        lines.append(start)
        if len(record) != len(names):
            raise RequestError(_ragged(path, f"row {len(lines)} (line {start})", len(record), len(names), dialect))
        for values, place in zip(found, places, strict=True):
            values.append(record[place])
    texts, labels, *splits = found
    marks = splits[0] if splits else None
    table = Table(path, texts, labels, marks, lambda row: f"row {row + 1} (line {lines[row]})", file.stem)
    return dataclasses.replace(table, warnings=_swallowed(table, several_lines, places, len(names), dialect.separator))


load = loader("csv", read)


def _names_and_rows(file: Path, source: str, dialect: _Dialect) -> tuple[list[str], Iterator[_Record]]:
    """Names of the columns, and the rows without the header."""
    rows = _records(file, source, dialect)
    first = next(rows, (1, 1, []))
    if dialect.header:
        return first[2], rows
    return [str(number) for number in range(len(first[2]))], itertools.chain([first], rows)


def _records(file: Path, source: str, dialect: _Dialect) -> Iterator[_Record]:
    """Every row, the header included."""
    before = csv.field_size_limit(sys.maxsize)  # the csv module refuses fields above 128 KiB otherwise
    start, count = 1, 0
    try:
        # The encoding is checked later: the row of a wrong byte can only be named by the right separator.
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            reader = csv.reader(stream, delimiter=dialect.separator, quoting=QUOTING[dialect.quoting], strict=True)
            for record in reader:
                remark = dialect.comment and record and record[0].startswith(dialect.comment)
                excel = start == 1 and EXCEL.fullmatch("".join(record))
                if record and not remark and not excel:
                    yield start, reader.line_num, record
                    count += 1
                start = reader.line_num + 1
    except csv.Error as error:
        row = count if dialect.header else count + 1
        where = f"row {row} (line {start})" if row else "the header"
        raise RequestError(_misquoted(source, where, error)) from None
    finally:
        csv.field_size_limit(before)


def _ragged(source: str, row: str, fields: int, width: int, dialect: _Dialect) -> str:
    """A row has more or fewer fields than the first one."""
    return (
        f"{source} has {counted(fields, 'field')} in {row}, and its {'header' if dialect.header else 'first row'} has "
        f"{width}: put a text that holds the separator {dialect.separator!r} in double quotes, or name the right one "
        "with dataset.separator."
    )


def _misquoted(source: str, where: str, error: csv.Error) -> str:
    """A quoted field is not closed, or closed in the wrong place."""
    cure = "or set dataset.quoting=none where quotes are plain characters"
    if "unexpected end of data" in str(error):
        return f"{source} ends inside a quoted field that begins in {where}: close it with a double quote, {cure}."
    return (
        f"{source} has a double quote inside a quoted field in {where}: "
        f'write it twice ("") there, or close the field right before the separator, {cure}.'
    )


def _swallowed(table: Table, rows: Sequence[int], places: list[int], width: int, separator: str) -> list[str]:
    """A warning where a quoted text over several lines looks like several rows."""
    text, label = places[:2]
    known = set(table.labels)

    def looks_like_rows(row: int) -> bool:
        parts = [line.split(separator) for line in str(table.texts[row]).splitlines()[:2]]
        if label > text:  # the first line would end the row that it begins
            return bool(parts) and len(parts[0]) == width - text and parts[0][label - text] in known
        # the second line would begin a row
        return len(parts) > 1 and len(parts[1]) > text and parts[1][label] in known

    suspects = list(filter(looks_like_rows, rows))
    if not suspects:
        return []
    more = f" and {len(suspects) - 1} more" if len(suspects) > 1 else ""
    return [
        f"the quoted text of {table.name_row(suspects[0])}{more} runs over several lines that look like rows of their "
        "own; set dataset.quoting=none if quotes are plain characters in this file."
    ]


def _checked(separator: str) -> str:
    """`separator` as one character."""
    separator = SPELLINGS.get(separator, separator)
    if len(separator) != 1 or separator in '"\r\n':
        raise RequestError(
            f"dataset.separator must be one character and no quote or newline, and {separator!r} was given: "
            "write for example dataset.separator=';' or dataset.separator=tab."
        )
    return separator


def _sniff(file: Path, columns: Columns, dialect: _Dialect) -> _Dialect:
    """The dialect with the separator that Excel's first line names, or that gives most of the needed columns."""

    def rank(candidate: _Dialect) -> tuple[int, int]:
        try:
            names, _ = _names_and_rows(file, "", candidate)
        except RequestError:
            return -1, 0
        return sum(column in names for column in columns.needed.values()), len(names)

    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        excel = EXCEL.match(stream.readline(8))
    separators = excel[1] if excel and excel[1] else SEPARATORS
    return max((dataclasses.replace(dialect, separator=separator) for separator in separators), key=rank)


def _row_at(file: Path, line: int, dialect: _Dialect) -> str:
    """How messages name the row on line `line` of a file that may not be UTF-8."""
    row = -1 if dialect.header else 0
    with contextlib.suppress(RequestError):
        for _, end, _ in _records(file, "", dialect):
            row += 1
            if end >= line:
                break
    return f"row {row} (line {line})" if row > 0 else f"the header (line {line})"
