"""Finished runs → the tables and the gallery of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.pipeline.embed import stored_vectors
from evalkit.report import leaderboard, leaderboard_text
from evalkit.report.gallery.page import write_gallery
from evalkit.report.load_runs import LoadedRun, one_corpus, unique
from evalkit.report.run_folder import write_csv, write_text
from evalkit.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What was compared, and what was written about it."""

    runs: list[LoadedRun]  # one an identity
    board: pd.DataFrame
    comparisons: pd.DataFrame
    rank_by: str
    gallery: Path


def report_on(runs: Sequence[LoadedRun], out: Path, *, rank_by: str | None = None, theme: str = "light") -> Report:
    """Compare finished runs of one corpus: leaderboard.csv and .md, comparisons.csv, agreement.csv, … gallery.html.

    Without `rank_by`, the runs' own ranking score ranks, or where they disagree the first that they share. The theme
    ``dark`` fixes the gallery's look; otherwise it follows the reader's system.
    """
    one_corpus(runs)
    once = unique(runs)
    ranked = _rank_by(once, rank_by)
    tables = compare(runs, ranked, _stored_vectors(once))
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_csv(table, out / f"{name}.csv")
    write_text(leaderboard_text.markdown(tables["leaderboard"], ranked), out / "leaderboard.md")
    page = out / "gallery.html"
    write_gallery(once, tables, out=page, rank_by=ranked, theme="dark" if theme == "dark" else "auto")
    return Report(once, tables["leaderboard"], tables["comparisons"], ranked, page)


def compare(
    runs: Sequence[LoadedRun], rank_by: str, vectors: Mapping[str, NDArray[np.float32]]
) -> dict[str, pd.DataFrame]:
    """Return the leaderboard, comparisons, agreement and topics tables of runs of one corpus (`report.leaderboard`)."""
    return {
        "leaderboard": leaderboard.leaderboard(runs, rank_by),
        "comparisons": leaderboard.comparisons(runs),
        "agreement": leaderboard.agreement(runs, vectors),
        "topics": leaderboard.topics(runs),
    }


def _rank_by(runs: Sequence[LoadedRun], requested: str | None) -> str:
    """The requested score, else the runs' own ranking score, or the first that they share where they disagree."""
    shared = set.intersection(*({score.name for score in run.record.scores} for run in runs))
    ranking = [score.name for score in runs[0].record.scores if score.name in shared and score.ranks_models]
    if not ranking:
        raise RequestError("the runs share no score that ranks models: evaluate them with the same evaluators.")
    if requested is not None and requested not in shared:
        raise RequestError(f"not every run has the score {requested}: rank by one that all have, such as {ranking[0]}.")
    own = {str(run.record.settings.get("rank_by")) for run in runs}
    return requested or (own.pop() if len(own) == 1 and own <= shared else ranking[0])


def _stored_vectors(runs: Sequence[LoadedRun]) -> dict[str, NDArray[np.float32]]:
    """Embedding key → vectors, where the run's store still holds them."""
    found: dict[str, NDArray[np.float32]] = {}
    for run in runs:
        folder = Path(str(run.record.settings.get("store", "")))
        if run.embedding in found or not folder.is_dir():
            continue
        if (vectors := stored_vectors(Store(folder), run.embedding)) is not None:
            found[run.embedding] = vectors
    return found
