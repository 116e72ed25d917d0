"""What a run leaves in its folder; record.json is written last, so that its presence means a finished run."""

from __future__ import annotations

import csv
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import EvaluationError
from evalkit.records import record_from_json, record_to_json, write_json, write_record
from evalkit.types import Record

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.pipeline.evaluate import Result
    from evalkit.plots.palette import Theme

__all__ = [
    "UNTRACKED",
    "copy_run",
    "harmless",
    "remove_pending",
    "write_csv",
    "write_failure",
    "write_run",
    "write_text",
]

UNTRACKED = ".untracked"
"""In a job's folder: why the tracker has not got it, for the sweep's end to say once for all its processes."""

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that spreadsheets take for a formula."""

PENDING = re.compile(r"\.(.+\.)?[0-9a-f]{32}(\..+)?")
"""Names of what is being written and not yet renamed (here and by `records.write_json`)."""

FIGURES = "%.9g"
"""Figures in CSV files have nine significant digits; the parquet and JSON files hold all."""


def harmless(text: str) -> str:
    """A cell that a spreadsheet shows and never runs: an apostrophe before what looks like a formula."""
    return "'" + text if text.startswith(DANGEROUS) else text


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for people and spreadsheets: UTF-8, rounded figures, no cell that is a formula."""
    columns = [_cells(table[name]) for name in table.columns]
    heads = [harmless(str(name)) for name in table.columns]

    def write(target: Path) -> None:
        with target.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([heads, *zip(*columns, strict=True)])

    _whole(path, write)


def _cells(column: pd.Series) -> list[Any]:
    """A column's cells as a CSV file has them; nothing for what is missing."""
    import pandas as pd

    whole = list(zip(column.tolist(), column.isna().tolist(), strict=True))
    if pd.api.types.is_float_dtype(column):
        return ["" if missing else FIGURES % value for value, missing in whole]
    return ["" if missing else harmless(cell) if isinstance(cell, str) else cell for cell, missing in whole]


def write_text(text: str, path: Path) -> None:
    """Write a text file, whole or not at all."""
    _whole(path, lambda target: target.write_text(text, encoding="utf-8"))


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then rename it: the whole file or none."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EvaluationError(
            f"{path} cannot be written ({error.strerror or error}): free some space or choose another folder."
        ) from error


def remove_pending(folder: Path) -> None:
    """Remove what a process that was killed had begun to write in `folder`: nobody reads it, nor ever will."""
    for left in folder.iterdir():
        if PENDING.fullmatch(left.name) is None:
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def write_run(result: Result, folder: Path, *, theme: Theme) -> None:
    """All files of a finished run; where one cannot be made, none of them remains."""
    folder.mkdir(parents=True, exist_ok=True)
    pending = folder / f".{uuid.uuid4().hex}"
    pending.mkdir()
    try:
        _fill(result, pending, theme=theme)
        for file in sorted(pending.iterdir()):
            file.replace(folder / file.name)
        write_record(result.record, folder)
    except OSError as error:
        raise EvaluationError(
            f"{folder} cannot be written ({error.strerror or error}): free some space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(pending, ignore_errors=True)


def _fill(result: Result, folder: Path, *, theme: Theme) -> None:
    """Everything but record.json."""
    result.texts.to_parquet(folder / "texts.parquet", index=False)
    write_csv(result.labels, folder / "labels.csv")
    if any(score.name.startswith("hulls/") for score in result.record.scores):
        write_csv(result.pairs, folder / "pairs.csv")
    write_csv(result.confusion.rename_axis("label").reset_index(), folder / "confusion.csv")
    if result.record.queries:
        write_csv(neighbour_table(result.record), folder / "neighbours.csv")
    draw(result, folder, theme=theme)


def neighbour_table(record: Record) -> pd.DataFrame:
    """A row a query and rank: query, rank, text, label, similarity."""
    import pandas as pd

    rows = [
        {"query": entry["query"], "rank": rank, **neighbour}
        for entry in record.queries
        for rank, neighbour in enumerate(entry["neighbours"], start=1)
    ]
    return pd.DataFrame(rows, columns=["query", "rank", "text", "label", "similarity"])


def draw(result: Result, folder: Path, *, theme: Theme) -> None:
    """The pictures: the map, which topic is taken for which, and the queries' neighbours."""
    from evalkit.plots import confusion, neighbours
    from evalkit.plots import map as map_plot

    def files(name: str) -> dict[str, Path]:
        return {"out_png": folder / f"{name}.png", "out_svg": folder / f"{name}.svg"}

    record = result.record
    map_plot.draw(record, result.texts, theme=theme, **files("map"))
    meaning = "share of the 10 nearest texts"
    confusion.draw(record, result.confusion, meaning=meaning, theme=theme, **files("confusion"))
    if record.queries:
        neighbours.draw(record, list(result.confusion.columns), theme=theme, **files("neighbours"))


def copy_run(source: Path, folder: Path, *, record: Record | None = None) -> Record:
    """Copy a kept run's files into `folder`, record.json last; returns the record."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name not in {"record.json", "entry.json"}:
            _whole(folder / file.name, lambda target, file=file: shutil.copyfile(file, target))  # type: ignore[misc]
    if record is None:
        record = record_from_json(json.loads((source / "record.json").read_text(encoding="utf-8")), str(source))
    write_json(record_to_json(record), folder / "record.json")
    return record


def write_failure(folder: Path, *, kind: str, name: str, message: str, settings: object, trace: str | None) -> None:
    """error.json, instead of record.json."""
    data = {"error": kind, "name": name, "message": message, "settings": settings}
    write_json(data if trace is None else {**data, "traceback": trace.splitlines()}, folder / "error.json")
