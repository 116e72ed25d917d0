"""The files of a run's folder; record.json is written last, so that its presence means a finished run."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, EvaluationError
from evalkit.records import read_record, write_json, write_record, write_whole
from evalkit.runtime.atomic_write import temporary_folder
from evalkit.types import Record

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.pipeline.evaluate import Result
    from evalkit.plots.palette import Theme
    from evalkit.store import Store

__all__ = [
    "RECORDS",
    "UNTRACKED",
    "copy_run",
    "harmless",
    "keep_run",
    "neighbour_table",
    "write_csv",
    "write_failure",
    "write_run",
    "write_text",
]

RECORDS = "records"
"""Kind of the store's entries that hold finished runs."""

UNTRACKED = ".untracked"
"""In a job's folder: why the run is not in the tracker; the sweep's end reports it once for all processes."""

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that spreadsheets take for a formula."""

FIGURES = "%.9g"
"""Figures in CSV files have nine significant digits; the parquet and JSON files hold all."""


def harmless(text: str) -> str:
    """Return a cell that a spreadsheet shows and never runs: an apostrophe before what looks like a formula."""
    return "'" + text if text.startswith(DANGEROUS) else text


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for people and spreadsheets: UTF-8, rounded figures, no cell that is a formula."""
    safe = table.rename(columns=lambda name: harmless(str(name)))
    for name in safe.select_dtypes(exclude="number"):
        safe[name] = [harmless(cell) if isinstance(cell, str) else cell for cell in safe[name]]
    write_whole(path, lambda file: safe.to_csv(file, index=False, lineterminator="\n", float_format=FIGURES))


def write_text(text: str, path: Path) -> None:
    """Write a text file, whole or not at all."""
    write_whole(path, lambda file: file.write_text(text, encoding="utf-8", newline="\n"))


def write_run(result: Result, folder: Path, *, theme: Theme) -> None:
    """Write all files of a finished run; where one cannot be made, none of them remains."""
    try:
        with temporary_folder(folder) as pending:
            _fill(result, pending, theme=theme)
            for file in sorted(pending.iterdir()):
                file.replace(folder / file.name)
            write_record(result.record, folder)
    except OSError as error:
        raise EvaluationError(
            f"{folder} cannot be written ({error.strerror or error}): free some space or choose another folder."
        ) from error


def _fill(result: Result, folder: Path, *, theme: Theme) -> None:
    """Everything but record.json."""
    result.texts.to_parquet(folder / "texts.parquet", index=False)
    write_csv(result.labels, folder / "labels.csv")
    if any(score.name.startswith("hulls/") for score in result.record.scores):
        write_csv(result.pairs, folder / "pairs.csv")
    write_csv(result.confusion.rename_axis("label").reset_index(), folder / "confusion.csv")
    if result.record.queries:
        write_csv(neighbour_table(result.record), folder / "neighbours.csv")
    _draw(result, folder, theme=theme)


def neighbour_table(record: Record) -> pd.DataFrame:
    """Return a row a query and rank: query, rank, text, label, similarity."""
    import pandas as pd

    rows = [
        {"query": entry["query"], "rank": rank, **neighbour}
        for entry in record.queries
        for rank, neighbour in enumerate(entry["neighbours"], start=1)
    ]
    return pd.DataFrame(rows, columns=["query", "rank", "text", "label", "similarity"])


def _draw(result: Result, folder: Path, *, theme: Theme) -> None:
    """Draw the map, the confusion matrix and the queries' neighbours."""
    from evalkit.plots import confusion, neighbours
    from evalkit.plots import map as map_plot

    def files(name: str) -> dict[str, Path]:
        return {"out_png": folder / f"{name}.png", "out_svg": folder / f"{name}.svg"}

    record = result.record
    map_plot.draw(record, result.texts, theme=theme, **files("map"))
    confusion.draw(record, result.confusion, theme=theme, **files("confusion"))
    if record.queries:
        neighbours.draw(record, list(result.confusion.columns), theme=theme, **files("neighbours"))


def copy_run(source: Path, folder: Path, *, record: Record | None = None) -> Record:
    """Copy the files of a stored run into `folder`, record.json last; return the record."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name not in {"record.json", "entry.json"}:
            write_whole(folder / file.name, partial(shutil.copyfile, file))
    record = record or read_record(source)
    write_record(record, folder)
    return record


def keep_run(folder: Path, store: Store, key: str, identity: str) -> None:
    """Copy the files of a finished run into the store."""

    def fill(target: Path) -> None:
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                shutil.copyfile(file, target / file.name)
        # Renamed in place last in a run's folder; here the whole entry appears at once.
        if not (target / "record.json").is_file():
            raise EvalkitError(
                f"{folder} lost its record.json while it was kept: do not change a run's folder while it works."
            )

    store.write(RECORDS, key, fill, {"identity": identity})


def write_failure(folder: Path, *, kind: str, name: str, message: str, settings: object, trace: str | None) -> None:
    """Write error.json, which a failed run has instead of record.json."""
    data = {"error": kind, "name": name, "message": message, "settings": settings}
    write_json(data if trace is None else {**data, "traceback": trace.splitlines()}, folder / "error.json")
