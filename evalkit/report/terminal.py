"""What a person sees while a run works, and when it is done. stderr shows progress, stdout results."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from evalkit.types import Record, Score

__all__ = ["Progress", "leaderboard_table", "note", "record_table", "run_line", "say", "warn", "warn_once"]

SHOWN = (
    "neighbours/map_at_r_macro",
    "neighbours/precision_at_1",
    "neighbours/precision_at_5",
    "neighbours/precision_at_10",
    "neighbours/r_precision",
    "separation/silhouette",
    "separation/centroid_accuracy",
    "clustering/ami",
    "probe/accuracy",
    "map/silhouette",
    "hulls/overlap",
    "faithfulness/trustworthiness_at_10",
    "faithfulness/label_continuity",
)
"""The end-of-run table: what one reads first, in order; all scores are in record.json."""

WIDE = 160

_warned: set[str] = set()

LABELS = {"encode": "encoding", "project": "drawing the map"}


def _console(*, error: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    # A pipe or a log has no width of its own: rich's 80 columns would break tables that nobody is squeezed by.
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(stderr=error, highlight=False, markup=False, width=width)


def say(text: str) -> None:
    """Print a line of results."""
    _console(error=False).print(text, soft_wrap=True)


def note(text: str) -> None:
    """Print a line beside the results (stderr)."""
    _console(error=True).print(text, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning (stderr)."""
    _console(error=True).print(f"evalkit: {text}", style="yellow", soft_wrap=True)


def warn_once(text: str) -> None:
    """Print a warning that this process has not printed yet: a sweep's jobs and its end meet the same trouble."""
    if text not in _warned:
        _warned.add(text)
        warn(text)


class Progress:
    """Stages of a run as one line on a terminal; nothing where nobody looks (a pipe, a log)."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._live = sys.stderr.isatty()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a stage; a bar where the total is known."""
        if not self._live:
            yield lambda _: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
        columns += [BarColumn(), MofNCompleteColumn()] if total else []
        with Bars(*columns, TimeElapsedColumn(), console=_console(error=True), transient=True) as bars:
            task = bars.add_task(f"{self._title}  {LABELS.get(name, name)}", total=total)
            yield lambda count: bars.advance(task, count)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _probability(score: Score) -> str:
    if score.p_value is None:
        return "–"
    return f"{score.p_value:.3f}" if score.p_value >= 0.001 else "< 0.001"


def _interval(score: Score) -> str:
    if score.ci_low is None or score.ci_high is None:
        return ""
    return f"{score.ci_low:.3f} – {score.ci_high:.3f}"


def record_table(record: Record, folder: Path) -> None:
    """The small table at the end of a run: score, value, interval, chance, adjusted, p."""
    from rich.table import Table

    by_name = {score.name: score for score in record.scores}
    shown = [by_name[name] for name in SHOWN if name in by_name] or list(record.scores)
    table = Table(title=title_of(record), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading, side in (("score", "left"), ("value", "right"), ("95 % interval", "right"), ("chance", "right")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    table.add_column("adjusted", justify="right")
    table.add_column("p", justify="right")
    for score in shown:
        arrow = "" if score.higher_is_better else " ↓"
        table.add_row(
            score.name + arrow, _figure(score.value), _interval(score), _figure(score.chance), _figure(score.adjusted),
            _probability(score),
        )  # fmt: skip
    console = _console(error=False)
    console.print(table)
    for warning in record.warnings:
        warn(warning)
    console.print(f"adjusted: 0 is chance, 1 is perfect; ↓ lower is better.  Files: {folder}")


def title_of(record: Record) -> str:
    """``model·pooling·projection·seed`` on the corpus."""
    from evalkit.records import run_name

    corpus = record.corpus
    return f"{run_name(record)}  on {corpus['name']} ({corpus['texts']} texts, {corpus['labels']} labels)"


def run_line(record: Record, rank_by: str, seconds: float, *, reused: bool) -> str:
    """One line a finished run of a sweep."""
    from evalkit.records import run_name

    score = next((entry for entry in record.scores if entry.name == rank_by), None)
    value = "" if score is None else f"{rank_by} {_figure(score.value)} (chance {_figure(score.chance)})"
    how = "found finished" if reused else f"{seconds:.1f} s"
    return f"  {run_name(record):<34}  {value}  {how}"


def leaderboard_table(board: pd.DataFrame, columns: Sequence[tuple[str, str]], title: str = "leaderboard") -> None:
    """The leaderboard at the end of a sweep.

    Parameters
    ----------
    columns
        (column of `board`, heading), in order.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for name, heading in columns:
        worded = name in {"model", "pooling", "tied_with"}
        table.add_column(heading, justify="left" if worded else "right", no_wrap=name == "model")
    for _, row in board.iterrows():
        table.add_row(*(_cell(row[name]) for name, _ in columns))
    _console(error=False).print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3f}"  # noqa: PLR0124  # NaN is the value that differs from itself
    return str(value)
