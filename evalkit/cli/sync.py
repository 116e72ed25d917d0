"""``python -m evalkit.sync FOLDER…``: log every record that the tracking server does not have yet.

Used for runs that finished while the server was away, or with ``tracker=none``. Run twice, it adds nothing.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.sweep_plan import PLAN, read_plan
from evalkit.errors import EvalkitError, RequestError
from evalkit.records import find_records, read_record
from evalkit.report import terminal
from evalkit.runtime.signals import stoppable
from evalkit.runtime.surroundings import settle
from evalkit.tracking import RunContext, TrackerTrouble, sweep_identity

if TYPE_CHECKING:
    from evalkit.tracking import Tracker
    from evalkit.types import Record

LEVELS = 4  # folders above a run among which its sweep's folder is searched


@dataclass(slots=True)
class Outcome:
    """Counts of logged runs, of runs that were there, and of sweeps; a sentence for each failure."""

    added: int = 0
    there: int = 0
    sweeps: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.added} logged", f"{self.there} already there"]
        if self.sweeps:
            parts.append(f"{self.sweeps} sweep{'s' if self.sweeps > 1 else ''} brought up to date")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        return f"sync: {', '.join(parts)}."


def sync(folders: Sequence[Path], tracker: Tracker, *, log_texts: bool = True) -> Outcome:
    """Log the records at or below `folders` that the tracker lacks, and the run `sweep` of finished sweeps.

    Even where `log_texts` is True, the texts of a run that had ``tracker.log_texts=false`` are kept out of the tracker.
    """
    found = find_records(list(folders))
    if not found:
        raise RequestError(
            f"no record.json is in {', '.join(map(str, folders))}: give folders that `python -m evalkit.run` wrote."
        )
    outcome = Outcome()
    advised = folders[0] if len(folders) == 1 else None
    shown: dict[Path, bool] = {}  # run → whether its texts may be logged
    for folder in found:
        try:
            record = read_record(folder)
            shown[folder] = log_texts and _texts_allowed(record, folder)
            context = _context(_sweep_folder(folder), log_texts=shown[folder], sync_folder=advised)
            logged = tracker.log_run(record, folder, context)
        except (EvalkitError, OSError) as error:
            outcome.failures.append(str(error))
            continue
        if isinstance(logged, TrackerTrouble):
            outcome.failures.append(logged.sentence)
            return outcome  # the next ones would meet the same
        new = logged is not None and logged.new
        outcome.added, outcome.there = outcome.added + new, outcome.there + (not new)
    for sweep in _finished_sweeps(folders, found):
        texts = log_texts and all(allowed for run, allowed in shown.items() if sweep in run.absolute().parents)
        context = _context(sweep, log_texts=texts, sync_folder=sweep)
        try:
            logged = tracker.log_sweep(str(context.sweep), sweep, _summary_of(sweep), context)
        except EvalkitError as error:
            logged = TrackerTrouble(str(error))
        if isinstance(logged, TrackerTrouble):
            outcome.failures.append(logged.sentence)
            return outcome
        outcome.sweeps += 1
    return outcome


def _sweep_folder(run: Path) -> Path | None:
    """The folder of the sweep that a run belongs to (Hydra's subfolders may be nested); None for a single run."""
    return next((parent for parent in list(run.absolute().parents)[:LEVELS] if (parent / PLAN).is_file()), None)


def _context(sweep: Path | None, *, log_texts: bool, sync_folder: Path | None) -> RunContext:
    """The context that the run itself would have given to the tracker, as far as its folder holds it."""
    if sweep is None:
        return RunContext(log_texts=log_texts, sync_folder=sync_folder)
    # Where the plan is damaged, the records have what the sweep's id is made of.
    name = read_plan(sweep).sweep or sweep_identity(read_record(run).identity for run in find_records([sweep]))
    return RunContext(sweep=name, sweep_name=sweep.name, log_texts=log_texts, sync_folder=sync_folder)


def _texts_allowed(record: Record, folder: Path) -> bool:
    """False where the record or the run's own configuration keeps texts out of the tracker.

    The record may be a copy of an earlier run's with another setting: the stricter one counts.
    """
    tracker = record.settings.get("tracker")
    if isinstance(tracker, dict) and tracker.get("log_texts") is False:
        return False
    file = folder / ".hydra" / "config.yaml"
    if not file.is_file():
        return True
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        return OmegaConf.select(OmegaConf.load(file), "tracker.log_texts") is not False
    except (OmegaConfBaseException, YAMLError, OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"{file} cannot be read ({type(error).__name__}), so whether texts may be logged is unknown: "
            "restore it, or remove it if they may."
        ) from None


def _finished_sweeps(folders: Sequence[Path], found: Sequence[Path]) -> list[Path]:
    """Folders of sweeps at or below `folders` that have their leaderboard."""
    roots = [folder.absolute() for folder in folders]
    sweeps = dict.fromkeys(sweep for run in found if (sweep := _sweep_folder(run)) is not None)
    return [sweep for sweep in sweeps if any(sweep.is_relative_to(root) for root in roots) and _leaderboards(sweep)]


def _leaderboards(sweep: Path) -> list[Path]:
    """leaderboard.csv of the sweep, or of each corpus of a sweep over corpora."""
    return sorted([*sweep.glob("leaderboard.csv"), *sweep.glob("corpus-*/leaderboard.csv")])


def _summary_of(sweep: Path) -> dict[str, Any]:
    """The summary that `evalkit.run` logs at a sweep's end, read from the leaderboard."""
    with _leaderboards(sweep)[0].open(encoding="utf-8", newline="") as stream:
        board = list(csv.DictReader(stream))
    rank_by = read_plan(sweep).rank_by
    summary: dict[str, Any] = {"rows": len(board), "runs": len(find_records([sweep]))}
    if board and rank_by is not None and rank_by in board[0]:
        summary |= {"best": board[0].get("model"), "rank_by": rank_by, rank_by: float(board[0][rank_by])}
    return summary


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evalkit-sync",
        description="Log every finished run below the folders that the tracking server does not have yet.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folders of runs or sweeps")
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here"
    )
    parser.add_argument("--experiment", metavar="NAME", help="default: MLFLOW_EXPERIMENT_NAME, else evalkit")
    parser.add_argument("--no-texts", action="store_true", help="keep texts out of MLflow")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exits 0 where all is there, 1 where something could not be logged, 2 for a wrong request."""
    from evalkit.runtime.redaction import mask
    from evalkit.tracking.mlflow_tracker import MlflowTracker

    settle()
    arguments = _arguments(argv)
    try:
        tracker = MlflowTracker(arguments.tracking_uri, arguments.experiment)
        with stoppable("what was logged stays, and the same command goes on from there."):
            outcome = sync(arguments.folders, tracker, log_texts=not arguments.no_texts)
    except EvalkitError as error:
        terminal.warn(mask(str(error)))
        sys.exit(error.exit_status)
    for failure in outcome.failures:
        terminal.warn(mask(failure))
    terminal.say(str(outcome))
    if outcome.added or outcome.there:
        command = tracker.command()
        terminal.say(f"MLflow: {command + '; then open ' if command else ''}{tracker.address()}")
    sys.exit(1 if outcome.failures else 0)
