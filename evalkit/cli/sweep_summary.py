"""The end of a sweep: leaderboard and pictures, the sweep's own run in the tracker, and what failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from evalkit.cli.behind import behind
from evalkit.cli.jobs import read_plan, run_context
from evalkit.config import build as settings
from evalkit.report import terminal
from evalkit.report.build_report import Report, report_on
from evalkit.report.leaderboard_text import terminal_columns, untested
from evalkit.report.load_runs import LoadedRun, collect
from evalkit.report.run_folder import UNTRACKED
from evalkit.runtime.atomic_write import remove_pending
from evalkit.tracking import LoggedRun, RunContext, Tracker, TrackerTrouble

__all__ = ["close_sweep"]


def close_sweep(folder: Path, config: DictConfig) -> int:
    """Sum up the sweep in `folder`; the exit status: 0, or 1 where an evaluation failed."""
    remove_pending(folder)
    failures = _failures(folder)
    reports = _reports(folder, config) if any(folder.rglob("record.json")) else []
    for report in reports:
        _show(report)
    _say_untracked(folder)
    tracker = _track(folder, config, reports)
    if tracker is not None:
        terminal.say(f"MLflow: {tracker.command()}\n        then open {tracker.address()}")
    if failures:
        terminal.warn(f"{len(failures)} of the sweep's evaluations failed; the others are done:")
        for message, runs in _by_message(failures).items():
            more = f" and {len(runs) - 1} more" if runs[1:] else ""
            terminal.note(f"  {runs[0]}{more}: {message}")
    lost = _lost(folder, len(failures))
    if lost:
        terminal.warn(f"{lost} of the sweep's evaluations left nothing: not begun, killed, or still at work.")
    return 1 if failures or lost else 0


def _say_untracked(folder: Path) -> None:
    """What kept jobs of other processes out of the tracker, each reason once."""
    for file in sorted(folder.rglob(UNTRACKED)):
        terminal.warn_once(file.read_text(encoding="utf-8"))
        file.unlink(missing_ok=True)


def _failures(folder: Path) -> list[tuple[str, str]]:
    found = []
    for file in sorted(folder.rglob("error.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        found.append((f"{file.parent.relative_to(folder)} ({data.get('name', '?')})", str(data.get("message"))))
    return found


def _by_message(failures: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """What went wrong → the runs it went wrong in: a model that is not there fails at every seed alike."""
    grouped: dict[str, list[str]] = {}
    for run, message in failures:
        grouped.setdefault(message, []).append(run)
    return grouped


def _lost(folder: Path, failed: int) -> int:
    """How many jobs of the plan left nothing: their process was killed, or their launcher gave up before."""
    plan = read_plan(folder)
    done = sum(1 for _ in folder.rglob("record.json"))
    return max(0, plan.total - done - failed) if plan.sweep is not None else 0


def _reports(folder: Path, config: DictConfig) -> list[Report]:
    """One report, or one a corpus where the sweep is over corpora: their scores cannot be compared."""
    by_corpus: dict[str, list[LoadedRun]] = {}
    for view in collect([folder]):
        by_corpus.setdefault(str(view.record.corpus["fingerprint"]), []).append(view)
    return [
        report_on(
            views,
            folder if len(by_corpus) == 1 else folder / f"corpus-{fingerprint[:8]}",
            rank_by=config.rank_by,
            theme=config.theme,
        )
        for fingerprint, views in by_corpus.items()
    ]


def _show(report: Report) -> None:
    corpus = report.runs[0].record.corpus
    terminal.say("")
    terminal.print_table(
        f"{corpus['name']}: {corpus['texts']} texts, {corpus['labels']} labels, ranked by {report.rank_by}",
        terminal_columns(report.board, report.rank_by),
    )
    alone = untested(report.board, report.rank_by)
    for line in _verdicts(report) or ([alone] if alone else []):
        terminal.say(f"  {line}")
    warnings: dict[str, list[str]] = {}
    for view in report.runs:
        for warning in view.record.warnings:
            warnings.setdefault(warning, []).append(view.name)
    for warning, names in warnings.items():
        which = (
            ""
            if len(names) == len(report.runs)
            else f" [{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}]"
        )
        terminal.warn(warning + which)
    terminal.say(f"gallery: {report.files[-1]}")


def _verdicts(report: Report, most: int = 6) -> Sequence[str]:
    """What the paired test says of every two models on the ranking score."""
    table = report.comparisons
    chosen = table[table["score"] == report.rank_by]
    told = []
    for _, row in chosen.iterrows():
        where = f"pooling {row['pooling']}: " if chosen["pooling"].nunique() > 1 else ""
        who = f"{row['model_a']} and {row['model_b']} are " if str(row["verdict"]).startswith("tied") else ""
        told.append(where + who + str(row["verdict"]))
    return list(dict.fromkeys(told))[:most]


def _track(folder: Path, config: DictConfig, reports: Sequence[Report]) -> Tracker | None:
    """Log the sweep's own run; None where nothing is tracked or the tracker is out of reach."""
    plan = read_plan(folder)
    choice = settings.build_tracker(config)
    tracker: Tracker = choice.create()
    if not reports or plan.sweep is None:
        return None
    report = reports[0]
    best = report.board.iloc[0]
    summary = {
        "rows": len(report.board),
        "runs": sum(len(entry.runs) for entry in reports),
        "best": str(best["model"]),
        "rank_by": report.rank_by,
        report.rank_by: float(best[report.rank_by]),
    }
    context = run_context(plan, log_texts=choice.log_texts, folder=folder)
    # Where the runs were logged by another process, that one has the tracking library loaded.
    logged, tracker = behind.ask(partial(_log_sweep, tracker, plan.sweep, folder, summary, context))
    if isinstance(logged, TrackerTrouble):
        terminal.warn_once(logged.sentence)
        return None
    return tracker if logged is not None else None


def _log_sweep(
    tracker: Tracker, sweep: str, folder: Path, summary: Mapping[str, Any], context: RunContext
) -> tuple[LoggedRun | TrackerTrouble | None, Tracker]:
    """What came of it, and the tracker, which has learnt its experiment's address."""
    return tracker.log_sweep(sweep, folder, summary, context), tracker
