"""Columns of text from CSV, TSV, JSON Lines, parquet and TREC files."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import RequestError

__all__ = ["Table", "read_judgments", "read_table", "text_lines"]

SEPARATORS = (",", ";", "\t", "|")
QRELS = ("query-id", "corpus-id", "score")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns by name, every value a string (missing ones empty).

    Attributes
    ----------
    source
        The path as the user wrote it.
    columns
        Name → one value a row.
    """

    source: str
    columns: dict[str, list[str]]

    def column(self, option: str, name: str | None, usual: Sequence[str]) -> list[str]:
        """The column called `name`, or the first of the `usual` names that there is.

        Raises
        ------
        RequestError
            There is none; names those found and the option that names one.
        """
        wanted = usual if name is None else (name,)
        for each in wanted:
            if each in self.columns:
                return self.columns[each]
        raise RequestError(
            f"{self.source} has no column {' or '.join(map(repr, wanted))}, only {', '.join(map(repr, self.columns))}: "
            f"name one of them with {option}."
        )

    def optional(self, option: str, name: str | None, usual: Sequence[str]) -> list[str] | None:
        """As `column`; None where `name` is None and no usual name is there."""
        if name is None and not any(each in self.columns for each in usual):
            return None
        return self.column(option, name, usual)


def _existing(path: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        kind = "is a folder, and a file is meant" if file.is_dir() else "does not exist"
        raise RequestError(f"{path} {kind}: check the path.")
    return file


def text_lines(path: str) -> Iterator[tuple[int, str]]:
    """Number (from 1) and content of the lines that are not blank.

    Raises
    ------
    RequestError
        The file is missing, cannot be read, or is not UTF-8.
    """
    try:
        with _existing(path).open(encoding="utf-8-sig", newline=None) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{path} is not UTF-8 (byte 0x{error.object[error.start]:02X}): save the file as UTF-8."
        ) from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror}): check its permissions.") from None


def read_table(path: str) -> Table:
    """All columns of a file with named columns; its ending tells the format (.csv, .tsv, .jsonl, .parquet).

    Raises
    ------
    RequestError
        Names the line at fault.
    """
    ending = Path(path).suffix.lower()
    if ending in {".jsonl", ".json", ".ndjson"}:
        table = _read_jsonl(path)
    elif ending in {".parquet", ".pq"}:
        table = _read_parquet(path)
    elif ending in {".csv", ".tsv", ".txt"}:
        table = _read_csv(path)
    else:
        raise RequestError(f"{path} ends in none of .csv, .tsv, .jsonl and .parquet: save it as one of them.")
    if not any(table.columns.values()):
        raise RequestError(f"{path} has no rows: check the file.")
    return table


def _read_csv(path: str) -> Table:
    lines = [line for _, line in text_lines(path)][:1]
    header = lines[0] if lines else ""
    separator = "\t" if path.lower().endswith(".tsv") else max(SEPARATORS, key=header.count)
    limit = csv.field_size_limit(sys.maxsize)
    try:
        names, columns = _csv_columns(path, separator)
    finally:
        csv.field_size_limit(limit)
    if len(set(names)) < len(names):
        raise RequestError(f"{path} has a column name twice ({', '.join(map(repr, names))}): rename all but one.")
    return Table(path, dict(zip(names, columns, strict=True)))


def _csv_columns(path: str, separator: str) -> tuple[list[str], list[list[str]]]:
    with _existing(path).open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, delimiter=separator, strict=True)
        try:
            names = next(reader, [])
            columns: list[list[str]] = [[] for _ in names]
            for record in reader:
                if record and len(record) != len(names):
                    raise RequestError(
                        f"line {reader.line_num} of {path} has {len(record)} fields and the header {len(names)}: "
                        f"put a text that holds {separator!r} in double quotes."
                    )
                for column, value in zip(columns, record, strict=False):
                    column.append(value)
        except csv.Error as error:
            raise RequestError(
                f"line {reader.line_num} of {path} cannot be read ({error}): check its quotes."
            ) from None
    return names, columns


def _read_jsonl(path: str) -> Table:
    rows = []
    for number, line in text_lines(path):
        try:
            row = json.loads(line, parse_int=str, parse_float=str)
        except ValueError as error:
            raise RequestError(f"line {number} of {path} is no JSON ({error}): write one object a line.") from None
        if not isinstance(row, dict):
            raise RequestError(f"line {number} of {path} is no object: write one object a line.")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(path, {name: [_text(row.get(name)) for row in rows] for name in names})


def _read_parquet(path: str) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        content = parquet.read_table(_existing(path))
    except (pa.ArrowInvalid, OSError) as error:
        raise RequestError(f"{path} is no parquet file ({error}): check the path.") from None
    return Table(path, {name: [_text(value) for value in content[name].to_pylist()] for name in content.column_names})


def _text(value: object) -> str:
    """Value as text: 3 and 3.0 are the id ``3``."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def read_judgments(path: str) -> Table:
    """Judgments with the columns of BEIR's qrels: a table, or TREC's four columns (query, iteration, document, grade).

    TREC's have no header; they are known by four fields in the first line, the last a number.

    Raises
    ------
    RequestError
        Names the line that has not four fields.
    """
    if Path(path).suffix.lower() not in {".jsonl", ".json", ".ndjson", ".parquet", ".pq"}:
        lines = text_lines(path)
        first = next(lines, (0, ""))[1].split()
        lines.close()  # type: ignore[attr-defined]
        if len(first) == 4 and first[3].lstrip("-").replace(".", "", 1).isdigit():
            return _read_trec(path)
    return read_table(path)


def _read_trec(path: str) -> Table:
    columns: dict[str, list[str]] = {name: [] for name in QRELS}
    for number, line in text_lines(path):
        fields = line.split()
        if len(fields) != 4:
            raise RequestError(
                f"line {number} of {path} has {len(fields)} fields, and TREC's judgments have four (query, iteration, "
                "document, grade): correct it."
            )
        for name, value in zip(QRELS, (fields[0], fields[2], fields[3]), strict=True):
            columns[name].append(value)
    return Table(path, columns)
