"""Output for people: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from evalkit.types import Record, Score

MORE_SCORES = ("neighbours/precision_at_10", "neighbours/r_precision")  # shown beside the headline scores
WIDE = 160  # columns of a pipe or a log, which has no width: rich's default of 80 would only narrow the tables
GAP = 2
STAGES = {"encode": "encoding", "project": "drawing the map"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table on the terminal."""

    heading: str
    cells: Sequence[str]
    importance: int = 0  # 0: always shown; of the others, lower numbers first where the terminal is narrow
    words: bool = False  # words may be wrapped, figures never are


def _console(*, error: bool) -> Console:
    """A console on stdout or stderr that prints whatever the stream's encoding: a finished result is never lost."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(file=stream, highlight=False, markup=False, width=width)


def say(text: str) -> None:
    """Print a line of results."""
    _console(error=False).print(text, soft_wrap=True)


def note(text: str) -> None:
    """Print a line beside the results (stderr)."""
    _console(error=True).print(text, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning (stderr)."""
    _console(error=True).print(f"evalkit: {text}", style="yellow", soft_wrap=True)


class Progress:
    """Stages of a run as one line on a terminal; nothing where stderr is a pipe or a file."""

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
            task = bars.add_task(f"{self._title}  {STAGES.get(name, name)}", total=total)
            yield lambda count: bars.advance(task, count)


def print_table(title: str, columns: Sequence[Column]) -> None:
    """Print the columns that the terminal has room for, the most important first; figures are never cut."""
    from rich.table import Table

    console = _console(error=False)
    shown, needed = _fitting(columns, console.width)
    console.width = max(console.width, needed)  # a line too long is wrapped by the terminal, which loses nothing
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), title=title)
    table.title_justify, table.title_style = "left", "bold"
    for column in shown:
        side = "left" if column.words else "right"
        table.add_column(column.heading, justify=side, no_wrap=not column.words, overflow="fold")  # type: ignore[arg-type]
    for row in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*row)
    console.print(table)


def _fitting(columns: Sequence[Column], width: int) -> tuple[list[Column], int]:
    """The columns that fit `width` characters, in their order, and the characters that they need."""
    from rich.cells import cell_len

    needed, kept = -GAP, []
    for column in sorted(columns, key=lambda column: column.importance):
        natural = max(cell_len(text) for text in (column.heading, *column.cells))
        least = GAP + (min(natural, 3 * width // 10) if column.words else natural)
        if column.importance > 0 and needed + least > width:
            break
        needed += least
        kept.append(column)
    return [column for column in columns if column in kept], needed


def record_table(record: Record, folder: Path) -> None:
    """Print the table at the end of a run: score, value, interval, chance, adjusted, p."""
    from evalkit.records import HEADLINE_SCORES, run_name  # late, as numpy: --help shows no record

    by_name = {score.name: score for score in record.scores}
    shown = [by_name[name] for name in (*HEADLINE_SCORES, *MORE_SCORES) if name in by_name] or list(record.scores)
    corpus = record.corpus
    print_table(
        f"{run_name(record)}  on {corpus['name']} ({corpus['texts']} texts, {corpus['labels']} labels)",
        [
            Column("score", [score.name + ("" if score.higher_is_better else " ↓") for score in shown], words=True),
            Column("value", [figure(score.value) for score in shown]),
            Column("95 % interval", [_interval(score) for score in shown], importance=1),
            Column("chance", [figure(score.chance) for score in shown], importance=2),
            Column("adjusted", [figure(score.adjusted) for score in shown], importance=4),
            Column("p", [_probability(score) for score in shown], importance=3),
        ],
    )
    for warning in record.warnings:
        warn(warning)
    say(f"adjusted: 0 is chance, 1 is perfect; ↓ lower is better.  Files: {folder}")


def run_line(record: Record, rank_by: str, seconds: float, *, reused: bool) -> str:
    """Return the line of a finished run of a sweep."""
    from evalkit.records import run_name

    score = next((entry for entry in record.scores if entry.name == rank_by), None)
    value = "" if score is None else f"{rank_by} {figure(score.value)} (chance {figure(score.chance)})"
    how = "found finished" if reused else f"{seconds:.1f} s"
    return f"  {run_name(record):<34}  {value}  {how}"


def figure(value: float | None) -> str:
    """Return a score with three decimals, a dash where there is none (None or NaN)."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def _probability(score: Score) -> str:
    return "< 0.001" if score.p_value is not None and score.p_value < 0.001 else figure(score.p_value)


def _interval(score: Score) -> str:
    return "" if score.ci_low is None or score.ci_high is None else f"{score.ci_low:.3f} – {score.ci_high:.3f}"
