"""Labelled texts from a CSV file (RFC 4180 and its habits)."""

from __future__ import annotations

import contextlib
import csv
import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from evalkit.datasets.corpus import build_corpus
from evalkit.datasets.table import Columns, Table, named_after
from evalkit.datasets.text_encoding import check_text, existing_file
from evalkit.errors import RequestError
from evalkit.types import Corpus

__all__ = ["load", "read"]

SEPARATORS = (",", ";", "\t", "|")
SPELLINGS = {"tab": "\t", "\\t": "\t"}


def load(
    path: str,
    *,
    name: str = "csv",
    text_column: str = "text",
    label_column: str = "label",
    split_column: str | None = None,
    separator: str | None = None,
    limit: int | None = None,
    conflicts: str = "first",
    drop_blank: bool = False,
    queries: Sequence[str] | None = None,
    sample_seed: int = 0,
) -> Corpus:
    """The corpus in the CSV file at `path`; `build_corpus` says what the other options mean.

    Raises
    ------
    RequestError
        Where the file cannot be read right.
    """
    table = read(path, Columns(text_column, label_column, split_column), separator=separator)
    return build_corpus(
        table,
        name=named_after(path, name, "csv"),
        limit=limit,
        conflicts=conflicts,
        drop_blank=drop_blank,
        queries=queries,
        sample_seed=sample_seed,
    )


def read(path: str, columns: Columns, *, separator: str | None = None) -> Table:
    """The needed columns of a CSV file with a header, exactly as written.

    UTF-8 with or without a byte order mark; lines end in LF, CRLF or CR; a field in double quotes may hold
    separators, newlines and doubled quotes. Every field is text: ``NA``, ``null`` and ``01`` stay what they are.
    Lines without any character are no rows.

    Parameters
    ----------
    separator
        One character (``tab`` for a tab); None finds it: of comma, semicolon, tab and bar the one that makes
        the header hold the needed columns.

    Raises
    ------
    RequestError
        Names the row and line at fault.
    """
    file = existing_file(path)
    separator = _checked(separator) if separator is not None else _sniff(file, columns)
    check_text(file, path, lambda line: _row_at(file, line, separator))
    with _unlimited_fields(), _open(file) as stream:
        return _read(stream, path, columns, separator)


def _read(stream: TextIO, source: str, columns: Columns, separator: str) -> Table:
    texts: list[str] = []
    labels: list[str] = []
    splits: list[str] = []
    lines = array("q")

    def name_row(row: int) -> str:
        return f"row {row + 1} (line {lines[row]})"

    reader = csv.reader(stream, delimiter=separator, strict=True)
    start = 1
    try:
        header = next((record for record in reader if record), [])
        columns.check(header, source)
        width = len(header)
        text, label = header.index(columns.text), header.index(columns.label)
        split = None if columns.split is None else header.index(columns.split)
        start = reader.line_num + 1
        for record in reader:
            if record:
                lines.append(start)
                if len(record) != width:
                    raise RequestError(_ragged(source, name_row(len(texts)), len(record), width, separator))
                texts.append(record[text])
                labels.append(record[label])
                if split is not None:
                    splits.append(record[split])
            start = reader.line_num + 1
    except csv.Error as error:
        raise RequestError(_misquoted(source, len(texts), start, error)) from None
    return Table(source, texts, labels, None if split is None else splits, name_row)


def _ragged(source: str, row: str, found: int, width: int, separator: str) -> str:
    return (
        f"{source} has {found} {'field' if found == 1 else 'fields'} in {row}, and its header has {width}: put a text "
        f"that holds the separator {separator!r} in double quotes, or name the right one with dataset.separator."
    )


def _misquoted(source: str, row: int, line: int, error: csv.Error) -> str:
    where = f"row {row + 1} (line {line})" if line > 1 else "the header"
    if "unexpected end of data" in str(error):
        return f"{source} ends inside a quoted field that begins in {where}: close it with a double quote."
    return (
        f"{source} has a double quote inside a quoted field in {where}: "
        'write it twice ("") there, or close the field right before the separator.'
    )


def _open(file: Path, errors: str = "strict") -> TextIO:
    return file.open(encoding="utf-8-sig", errors=errors, newline="")


@contextlib.contextmanager
def _unlimited_fields() -> Iterator[None]:
    """The csv module refuses fields above 128 KiB unless told otherwise, for the whole process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _checked(separator: str) -> str:
    separator = SPELLINGS.get(separator, separator)
    if len(separator) != 1 or separator in '"\r\n':
        raise RequestError(
            f"dataset.separator must be one character and no quote or newline, and {separator!r} was given: "
            "write for example dataset.separator=';' or dataset.separator=tab."
        )
    return separator


def _sniff(file: Path, columns: Columns) -> str:
    """The separator that makes the header hold most of the needed columns, then most columns."""

    def rank(separator: str) -> tuple[int, int]:
        # The encoding has not been checked yet: the row of a wrong byte can only be named by the right separator.
        with _unlimited_fields(), _open(file, errors="surrogateescape") as stream:
            try:
                header = next((record for record in csv.reader(stream, delimiter=separator, strict=True) if record), [])
            except csv.Error:
                return -1, 0
        return sum(column in header for column in columns.needed.values()), len(header)

    return max(SEPARATORS, key=rank)


def _row_at(file: Path, line: int, separator: str) -> str:
    """What to call the row on line `line` of a file that may be no UTF-8."""
    rows = -1  # the header
    with _unlimited_fields(), _open(file, errors="surrogateescape") as stream, contextlib.suppress(csv.Error):
        reader = csv.reader(stream, delimiter=separator)
        for record in reader:
            rows += bool(record)
            if reader.line_num >= line:
                break
    return f"row {rows} (line {line})" if rows > 0 else f"the header (line {line})"
