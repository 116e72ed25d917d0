"""Finished runs → the tables and the gallery of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evalkit.errors import RequestError
from evalkit.report.load_runs import LoadedRun, collect, one_corpus, unique

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Report", "compare", "report_on", "write_report"]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The content of a report.

    Attributes
    ----------
    runs
        One an identity.
    board
        The leaderboard.
    comparisons
        Every two models, every paired score.
    rank_by
        The score that ranks.
    files
        What was written; the gallery is the last.
    """

    runs: list[LoadedRun]
    board: pd.DataFrame
    comparisons: pd.DataFrame
    rank_by: str
    files: list[Path]


def write_report(folders: Sequence[Path], out: Path, *, rank_by: str | None = None, theme: str = "light") -> Report:
    """Load the finished runs in `folders` and write their report into `out` (`report_on`)."""
    return report_on(collect(folders), out, rank_by=rank_by, theme=theme)


def report_on(runs: Sequence[LoadedRun], out: Path, *, rank_by: str | None = None, theme: str = "light") -> Report:
    """Compare finished runs of one corpus: leaderboard.csv and .md, comparisons.csv, agreement.csv, … gallery.html.

    Parameters
    ----------
    runs
        At least one.
    out
        Folder to write into; made where it is missing.
    rank_by
        Score that ranks; by default the runs' own ``rank_by``, or where they disagree their first ranking score.
    theme
        ``dark`` fixes the gallery's look; otherwise it follows the reader's system.

    Raises
    ------
    RequestError
        Where the runs are of different corpora or have no ranking score in common.
    """
    from evalkit.report import gallery, leaderboard_text
    from evalkit.report.run_folder import write_csv, write_text

    one_corpus(runs)
    once = unique(runs)
    ranked = rank_by or _rank_by(once)
    tables = compare(runs, ranked, _stored_vectors(once))
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_csv(table, out / f"{name}.csv")
    write_text(leaderboard_text.markdown(tables["leaderboard"], ranked), out / "leaderboard.md")
    look: Literal["dark", "auto"] = "dark" if theme == "dark" else "auto"
    gallery.write(once, *tables.values(), out=out / "gallery.html", theme=look, rank_by=ranked)
    files = [out / name for name in (*(f"{name}.csv" for name in tables), "leaderboard.md", "gallery.html")]
    return Report(once, tables["leaderboard"], tables["comparisons"], ranked, files)


def compare(
    runs: Sequence[LoadedRun], rank_by: str, vectors: Mapping[str, NDArray[np.float32]]
) -> dict[str, pd.DataFrame]:
    """Return the leaderboard, comparisons, agreement and topics tables of runs of one corpus (`report.leaderboard`)."""
    from evalkit.report import leaderboard

    return {
        "leaderboard": leaderboard.leaderboard(runs, rank_by),
        "comparisons": leaderboard.comparisons(runs),
        "agreement": leaderboard.agreement(runs, vectors),
        "topics": leaderboard.topics(runs),
    }


def _rank_by(runs: Sequence[LoadedRun]) -> str:
    """The runs' own ranking score; their first common one where they disagree."""
    requested = {str(run.record.settings.get("rank_by")) for run in runs}
    if len(requested) == 1 and all(run.score(next(iter(requested))) is not None for run in runs):
        return requested.pop()
    shared = set.intersection(*({score.name for score in run.record.scores} for run in runs))
    for score in runs[0].record.scores:
        if score.name in shared and score.ranks_models:
            return score.name
    raise RequestError("the runs have no score in common that ranks models: evaluate them with the same evaluators.")


def _stored_vectors(runs: Sequence[LoadedRun]) -> dict[str, NDArray[np.float32]]:
    """Embedding key → vectors, where the run's store still holds them."""
    from evalkit.pipeline.embed import stored_vectors
    from evalkit.store import Store

    found: dict[str, NDArray[np.float32]] = {}
    for run in runs:
        folder = Path(str(run.record.settings.get("store", "")))
        if run.embedding not in found and folder.is_dir():
            vectors = stored_vectors(Store(folder), run.embedding)
            if vectors is not None:
                found[run.embedding] = vectors
    return found
