"""``python -m evalkit.report FOLDER… [--out DIR]``: records → leaderboard, comparisons, agreement, topics, gallery."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evalkit.errors import EvalkitError, RequestError
from evalkit.report.load_runs import RunView, collect, one_corpus, unique
from evalkit.runtime.signals import plainly

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Report", "main", "report_on", "write_report"]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What a report found.

    Attributes
    ----------
    views
        The runs, one an identity.
    board
        The leaderboard.
    comparisons
        Every two models, every paired score.
    rank_by
        The score that ranks.
    files
        What was written.
    """

    views: list[RunView]
    board: pd.DataFrame
    comparisons: pd.DataFrame
    rank_by: str
    files: list[Path]


def write_report(folders: Sequence[Path], out: Path, *, rank_by: str | None = None, theme: str = "light") -> Report:
    """Compare finished runs of one corpus and write leaderboard.csv/.md, comparisons.csv, … gallery.html into `out`.

    Raises
    ------
    RequestError
        Where there is no run, or the runs are of different corpora.
    """
    return report_on(collect(folders), out, rank_by=rank_by, theme=theme)


def report_on(every: Sequence[RunView], out: Path, *, rank_by: str | None = None, theme: str = "light") -> Report:
    """As `write_report`, of runs that were read already."""
    from evalkit.report import gallery, leaderboard, leaderboard_text
    from evalkit.report.run_folder import write_csv, write_text

    one_corpus(every)
    views = unique(every)
    ranked = rank_by or _rank_by(views)
    board = leaderboard.leaderboard(every, ranked)
    compared = leaderboard.comparisons(every)
    agreement = leaderboard.agreement(views, _vectors(views))
    topics = leaderboard.topics(views)
    out.mkdir(parents=True, exist_ok=True)
    tables = {"leaderboard.csv": board, "comparisons.csv": compared, "agreement.csv": agreement, "topics.csv": topics}
    for name, table in tables.items():
        write_csv(table, out / name)
    write_text(leaderboard_text.markdown(board, ranked), out / "leaderboard.md")
    look: Literal["auto", "light", "dark"] = "dark" if theme == "dark" else "auto"
    gallery.write(views, board, compared, agreement, topics, out=out / "gallery.html", theme=look, rank_by=ranked)
    files = [out / name for name in (*tables, "leaderboard.md", "gallery.html")]
    return Report(views=views, board=board, comparisons=compared, rank_by=ranked, files=files)


def _rank_by(views: Sequence[RunView]) -> str:
    """The score that the runs were asked to be ranked by; their first ranking score where they disagree."""
    asked = {str(view.record.settings.get("rank_by")) for view in views}
    if len(asked) == 1 and all(view.score(next(iter(asked))) is not None for view in views):
        return asked.pop()
    shared = set.intersection(*({score.name for score in view.record.scores} for view in views))
    for score in views[0].record.scores:
        if score.name in shared and score.ranks_models:
            return score.name
    raise RequestError("the runs have no score in common that ranks models: evaluate them with the same evaluators.")


def _vectors(views: Sequence[RunView]) -> dict[str, NDArray[np.float32]]:
    """Embedding key → vectors, of those that the runs' stores still hold."""
    from evalkit.pipeline.embed import stored_vectors
    from evalkit.store import Store

    found: dict[str, NDArray[np.float32]] = {}
    for view in views:
        key, folder = view.record.encoder.get("key"), Path(str(view.record.settings.get("store", "")))
        if key and key not in found and folder.is_dir():
            vectors = stored_vectors(Store(folder), str(key))
            if vectors is not None:
                found[str(key)] = vectors
    return found


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evalkit-report",
        description="Compare finished runs of one corpus: leaderboard, comparisons, agreement, topics, gallery.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="runs or sweeps, searched recursively")
    parser.add_argument("--out", type=Path, help="where to write (default: the folder, if one is given, else report)")
    parser.add_argument("--rank-by", help="score that ranks (default: the runs' own rank_by)")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exits 0, 1 or 2 as docs say."""
    from evalkit.report import terminal
    from evalkit.report.leaderboard_text import shown_columns

    arguments = _arguments(argv)
    out = arguments.out or (arguments.folders[0] if len(arguments.folders) == 1 else Path("report"))
    try:
        with plainly("the same command writes the report anew."):
            report = write_report(arguments.folders, out, rank_by=arguments.rank_by, theme=arguments.theme)
    except EvalkitError as error:
        terminal.warn(str(error))
        sys.exit(error.exit_status)
    terminal.leaderboard_table(report.board, shown_columns(report.board, report.rank_by))
    terminal.say(f"report: {out / 'gallery.html'}")


if __name__ == "__main__":
    main()
