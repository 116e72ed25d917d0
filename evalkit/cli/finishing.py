"""A job's second half: its files, what of it the store keeps, its log. In the process behind, where there is one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, EvaluationError
from evalkit.pipeline.evaluate import Result
from evalkit.report.run_folder import copy_run, write_run
from evalkit.store import Entry, Store
from evalkit.tracking import LoggedRun, RunContext, Tracker, TrackerTrouble
from evalkit.types import Record

if TYPE_CHECKING:
    from evalkit.plots.palette import Theme

__all__ = ["KIND", "Unfinished", "finish", "load_pictures", "put_files", "ready_tracker", "write_files"]

KIND = "records"
"""Of the store's entries that hold finished runs."""


@dataclass(frozen=True, slots=True, eq=False)
class Unfinished:
    """A job whose numbers are there, its files not yet; picklable.

    Attributes
    ----------
    record
        In this request's words.
    result
        Record and tables; None where the run was found finished in the store.
    folder
        Where the files belong.
    store, key
        The store's folder, and the key under which the finished run is kept there.
    theme
        Of the pictures.
    seconds
        How long it took so far.
    """

    record: Record
    result: Result | None
    folder: Path
    store: str
    key: str
    theme: Theme
    seconds: float


def finish(left: Unfinished, tracker: Tracker, context: RunContext) -> LoggedRun | TrackerTrouble | None:
    """Write a run's files, and log it."""
    write_files(left)
    return tracker.log_run(left.record, left.folder, context)


def write_files(left: Unfinished) -> None:
    """Write or copy a run's files, and keep what is new in the store."""
    store = Store(Path(left.store))
    with store.lock(KIND, left.key):
        # An entry: found finished, or another process was at the same evaluation meanwhile.
        put_files(left, store, store.find(KIND, left.key))


def put_files(left: Unfinished, store: Store, entry: Entry | None) -> None:
    """As `write_files`, for who holds the lock on the run's key: from its `entry`, or where there is none, made.

    Raises
    ------
    EvaluationError
        The run was found finished, and is gone.
    """
    if entry is not None:
        copy_run(entry.folder, left.folder, record=left.record)
        return
    if left.result is None:
        raise EvaluationError(f"{store.folder} lost a finished run meanwhile: start the same command again.")
    write_run(left.result, left.folder, theme=left.theme)
    identity = {"identity": left.record.identity}
    store.write(KIND, left.key, lambda target: _copy_files(left.folder, target), identity)


def _copy_files(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            shutil.copyfile(file, target / file.name)
    # Renamed in place last in a run's folder; here the whole entry appears at once.
    if not (target / "record.json").is_file():
        raise EvalkitError(
            f"{source} lost its record.json while it was kept: do not change a run's folder while it works."
        )


def load_pictures() -> None:
    """Load what draws and writes, while the first job is evaluated elsewhere."""
    from importlib import import_module

    pictures = ("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg")
    for name in (*pictures, "shapely", "pyarrow.parquet"):
        import_module(name)

    from evalkit.plots import style

    with style.applied("light"):
        style.clean("x", 1)


def ready_tracker(tracker: Tracker, method: str) -> None:
    """Call the tracker's `load` or `open`, where it has one: both take a library seconds, and change no result."""
    ready = getattr(tracker, method, None)
    if ready is not None:
        ready()
