"""The end of a sweep: leaderboard and gallery, the sweep's own run in the tracker, and the failures."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from evalkit.cli.jobs import run_context
from evalkit.cli.sweep_plan import Plan, read_plan
from evalkit.cli.sweep_state import SweepState, current
from evalkit.config.build import build_tracker
from evalkit.report import terminal
from evalkit.report.build_report import Report, report_on
from evalkit.report.leaderboard_text import terminal_columns, untested
from evalkit.report.load_runs import LoadedRun, collect
from evalkit.report.run_folder import UNTRACKED
from evalkit.runtime.atomic_write import remove_pending
from evalkit.tracking import Tracker, TrackerTrouble

VERDICTS = 6
"""Sentences of the paired test that the terminal shows."""


def close_sweep(folder: Path, config: DictConfig) -> int:
    """Sum up the sweep in `folder`; the exit status: 0, or 1 where an evaluation failed."""
    remove_pending(folder)
    plan, state = read_plan(folder), current() or SweepState()
    done = len(list(folder.rglob("record.json")))
    reports = _reports(folder, config) if done else []
    for report in reports:
        _show(report)
    for file in sorted(folder.rglob(UNTRACKED)):  # why jobs of other processes were not logged
        state.warn_once(file.read_text(encoding="utf-8"))
        file.unlink(missing_ok=True)
    if reports and plan.sweep is not None:
        _track(folder, config, plan, reports, state)
    failures = _failures(folder)
    if failures:
        terminal.warn(f"{len(failures)} of the sweep's evaluations failed; the others are done:")
        for message, runs in _grouped(failures).items():
            terminal.note(f"  {_first_of(runs)}: {message}")
    lost = max(0, plan.total - done - len(failures))
    if lost:
        terminal.warn(f"{lost} of the sweep's evaluations left nothing: not begun, killed, or still at work.")
    return 1 if failures or lost else 0


def _failures(folder: Path) -> list[tuple[str, str]]:
    """Message and run of every error.json."""
    files = sorted(folder.rglob("error.json"))
    data = {file.parent.relative_to(folder): json.loads(file.read_text(encoding="utf-8")) for file in files}
    return [(str(error.get("message")), f"{run} ({error.get('name', '?')})") for run, error in data.items()]


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """Message → the runs that have it: a model that is not there fails at every seed alike."""
    grouped: dict[str, list[str]] = {}
    for message, run in pairs:
        grouped.setdefault(message, []).append(run)
    return grouped


def _first_of(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if names[1:] else names[0]


def _reports(folder: Path, config: DictConfig) -> list[Report]:
    """One report, or one a corpus in a sweep over corpora: their scores cannot be compared."""
    by_corpus: dict[str, list[LoadedRun]] = {}
    for run in collect([folder]):
        by_corpus.setdefault(str(run.record.corpus["fingerprint"]), []).append(run)
    places = [folder] if len(by_corpus) == 1 else [folder / f"corpus-{name[:8]}" for name in by_corpus]
    return [
        report_on(runs, place, rank_by=config.rank_by, theme=config.theme)
        for runs, place in zip(by_corpus.values(), places, strict=True)
    ]


def _show(report: Report) -> None:
    corpus = report.runs[0].record.corpus
    terminal.say("")
    terminal.print_table(
        f"{corpus['name']}: {corpus['texts']} texts, {corpus['labels']} labels, ranked by {report.rank_by}",
        terminal_columns(report.board, report.rank_by),
    )
    for line in _verdicts(report) or filter(None, [untested(report.board, report.rank_by)]):
        terminal.say(f"  {line}")
    pairs = [(warning, run.name) for run in report.runs for warning in run.record.warnings]
    for warning, names in _grouped(pairs).items():
        terminal.warn(warning if len(names) == len(report.runs) else f"{warning} [{_first_of(names)}]")
    terminal.say(f"gallery: {report.gallery}")


def _verdicts(report: Report) -> Sequence[str]:
    """What the paired test finds of every two models on the ranking score."""
    table = report.comparisons
    chosen = table[table["score"] == report.rank_by]
    sentences = []
    for _, row in chosen.iterrows():
        where = f"pooling {row['pooling']}: " if chosen["pooling"].nunique() > 1 else ""
        models = f"{row['model_a']} and {row['model_b']} are " if str(row["verdict"]).startswith("tied") else ""
        sentences.append(where + models + str(row["verdict"]))
    return list(dict.fromkeys(sentences))[:VERDICTS]


def _track(folder: Path, config: DictConfig, plan: Plan, reports: Sequence[Report], state: SweepState) -> None:
    """Log the sweep's own run, and say where it is or why it is not."""
    choice = build_tracker(config)
    tracker: Tracker = choice.create()
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
    logged = tracker.log_sweep(str(plan.sweep), folder, summary, context)
    if isinstance(logged, TrackerTrouble):
        state.warn_once(logged.sentence)
    elif logged is not None:
        terminal.say(f"MLflow: {tracker.command()}\n        then open {tracker.address()}")
