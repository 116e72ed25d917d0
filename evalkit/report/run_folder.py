"""The files of a run's folder; record.json is written last, so that its presence means a finished run."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import EvalkitError, EvaluationError
from evalkit.records import REPORT_FILES, write_json, write_record, write_whole
from evalkit.runtime.atomic_write import temporary_folder
from evalkit.types import Record

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.pipeline.evaluate import Result
    from evalkit.plots.palette import Theme
    from evalkit.store import Store

RECORDS = "records"  # kind of the store's entries that hold finished runs
UNTRACKED = ".untracked"  # file that says why a run is not in the tracker; the sweep's end reports it once
RUN_FILES = (
    "record.json", "error.json", UNTRACKED,
    "texts.parquet", "labels.csv", "pairs.csv", "confusion.csv", "neighbours.csv",
    *(f"{picture}.{ending}" for picture in ("map", "confusion", "neighbours") for ending in ("png", "svg")),
)  # fmt: skip
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # first characters that spreadsheets take for a formula


def clear(*folders: Path) -> None:
    """Remove what former runs and reports left in folders that are used again; files of others stay."""
    for folder in folders:
        for file in (folder / name for name in (*RUN_FILES, *REPORT_FILES)):
            if file.is_file():  # a folder in its place is met, and said, by what writes the file
                file.unlink()


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for people and spreadsheets: UTF-8, figures of nine digits, no cell that is a formula."""

    def harmless(cell: Any) -> Any:
        return "'" + cell if isinstance(cell, str) and cell.startswith(DANGEROUS) else cell

    safe = table.rename(columns=lambda name: harmless(str(name)))
    for name in safe.select_dtypes(exclude="number"):
        safe[name] = [harmless(cell) for cell in safe[name]]
    write_whole(path, lambda file: safe.to_csv(file, index=False, lineterminator="\n", float_format="%.9g"))


def write_text(text: str, path: Path) -> None:
    """Write a text file, whole or not at all."""
    write_whole(path, lambda file: file.write_text(text, encoding="utf-8", newline="\n"))


def write_run(result: Result, folder: Path, *, theme: Theme) -> None:
    """Write all files of a finished run; where one cannot be made, none of them remains."""
    try:
        with temporary_folder(folder) as pending:
            _fill(result, pending, theme)
            for file in sorted(pending.iterdir()):
                file.replace(folder / file.name)
            write_record(result.record, folder)
    except OSError as error:
        raise EvaluationError(
            f"{folder} cannot be written ({error.strerror or error}): free some space or choose another folder."
        ) from error


def _fill(result: Result, folder: Path, theme: Theme) -> None:
    """Everything but record.json."""
    from evalkit.plots import confusion, neighbours
    from evalkit.plots import map as map_plot

    record = result.record
    result.texts.to_parquet(folder / "texts.parquet", index=False)
    write_csv(result.labels, folder / "labels.csv")
    if any(score.name.startswith("hulls/") for score in record.scores):
        write_csv(result.pairs, folder / "pairs.csv")
    write_csv(result.confusion.rename_axis("label").reset_index(), folder / "confusion.csv")
    map_plot.draw(record, result.texts, folder / "map", theme)
    confusion.draw(record, result.confusion, folder / "confusion", theme)
    if record.queries:
        write_csv(neighbour_table(record), folder / "neighbours.csv")
        neighbours.draw(record, list(result.confusion.columns), folder / "neighbours", theme)


def neighbour_table(record: Record) -> pd.DataFrame:
    """Return a row a query and rank: query, rank, text, label, similarity."""
    import pandas as pd

    rows = [
        {"query": entry["query"], "rank": rank, **neighbour}
        for entry in record.queries
        for rank, neighbour in enumerate(entry["neighbours"], start=1)
    ]
    return pd.DataFrame(rows, columns=["query", "rank", "text", "label", "similarity"])


def copy_run(source: Path, folder: Path, record: Record) -> None:
    """Copy the files of a stored run into `folder`, and write its record last."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name not in {"record.json", "entry.json"}:
            write_whole(folder / file.name, partial(shutil.copyfile, file))
    write_record(record, folder)


def keep_run(folder: Path, store: Store, key: str, identity: str) -> None:
    """Copy the files of a finished run into the store."""

    def fill(target: Path) -> None:
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                shutil.copyfile(file, target / file.name)
        if not (target / "record.json").is_file():
            raise EvalkitError(f"{folder} lost its record.json: do not change a run's folder while it works.")

    store.write(RECORDS, key, fill, {"identity": identity})


def write_failure(folder: Path, *, kind: str, name: str, message: str, settings: object, trace: str | None) -> None:
    """Write error.json, which a failed run has instead of record.json."""
    data = {"error": kind, "name": name, "message": message, "settings": settings}
    write_json(data if trace is None else {**data, "traceback": trace.splitlines()}, folder / "error.json")
