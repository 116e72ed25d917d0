"""Claims about a study, checked against its runs: what was said, what was measured, whether it holds.

A claim about a model that has not run stays open: an empty cell, never a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from evalkit.errors import RequestError
from evalkit.report.load_runs import RunView

__all__ = ["ABOUT", "COLUMNS", "check", "read"]

COLUMNS = ["model", "about", "subject", "claimed"]

OPEN = ("", "open")
"""What stands in the cells of a model that has not run."""


def read(path: Path) -> pd.DataFrame:
    """The claims of a study: a CSV file with the columns model, about, subject, claimed.

    Raises
    ------
    RequestError
        Where the file has other columns, or a claim is about something that nothing here measures.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        raise RequestError(
            f"{path} has the columns {', '.join(table.columns)}: a file of claims has {', '.join(COLUMNS)}."
        )
    for about in table["about"]:
        if about not in ABOUT:
            raise RequestError(f"{path} has a claim about {about!r}: it can be about {', '.join(ABOUT)}.")
    return table


def check(claims: pd.DataFrame, views: Sequence[RunView]) -> pd.DataFrame:
    """Put beside each claim what the runs show.

    Parameters
    ----------
    claims
        As `read` returns them.
    views
        The study's runs.

    Returns
    -------
    DataFrame
        The claims' columns, then measured (empty where the model has not run) and holds: yes, no, open, or
        how much of it does.
    """
    found = []
    for row in claims.itertuples(index=False):
        runs = [view for view in views if view.model == row.model]
        found.append(ABOUT[str(row.about)](runs, str(row.subject), str(row.claimed)) if runs else OPEN)
    checked = claims.copy()
    checked["measured"] = [measured for measured, _ in found]
    checked["holds"] = [holds for _, holds in found]
    return checked


def _overlap(runs: Sequence[RunView], _: str, claimed: str) -> tuple[str, str]:
    """Which pairs of topics overlap on the maps: `claimed` is none, all, or pairs like ``animals+fruits``."""
    count = runs[0].record.corpus["labels"]
    every = count * (count - 1) // 2
    maps = [_pairs(view) for view in runs]
    met = [
        len(pairs) == every if claimed == "all" else pairs == _listed(claimed) - {"none"}
        for pairs in maps
    ]  # fmt: skip
    if not any(maps):
        measured = f"none in {len(maps)} of {len(maps)} maps"
    elif sum(map(len, maps)) > every * len(maps) / 2:
        measured = f"{', '.join(str(len(pairs)) for pairs in maps)} of {every} pairs, map by map"
    else:
        times = Counter(pair for pairs in maps for pair in pairs)
        measured = ", ".join(f"{pair} in {times[pair]} of {len(maps)} maps" for pair in sorted(times))
    if all(met) or not any(met):
        return measured, "yes" if all(met) else "no"
    return measured, f"in {sum(met)} of {len(met)} maps"


def _pairs(view: RunView) -> set[str]:
    table = pd.read_csv(view.folder / "pairs.csv", dtype={"label_a": str, "label_b": str}, keep_default_na=False)
    rows = table[table["intersection"] > 0]
    return {"+".join(sorted(pair)) for pair in zip(rows["label_a"], rows["label_b"], strict=True)}


def _listed(text: str) -> set[str]:
    return {entry.strip() for entry in text.split(",")}


def _nearest_topic(runs: Sequence[RunView], subject: str, claimed: str) -> tuple[str, str]:
    """Whether two topics are each other's nearest by their centroids in the embedding."""
    nearest = {entry["label"]: entry["nearest"] for entry in runs[0].record.topics}
    pair = ((subject, claimed), (claimed, subject))
    measured = ", ".join(f"{one} → {nearest.get(one, '?')}" for one, _ in pair)
    met = [nearest.get(one) == other for one, other in pair]
    return measured, "yes" if all(met) else "one way" if any(met) else "no"


def _nearest_words(runs: Sequence[RunView], subject: str, claimed: str) -> tuple[str, str]:
    """A query's nearest texts in their order."""
    lists = {entry["query"]: [near["text"] for near in entry["neighbours"]] for entry in runs[0].record.queries}
    if subject not in lists:
        return OPEN
    wanted = [entry.strip() for entry in claimed.split(",")]
    found = lists[subject][: len(wanted)]
    if found == wanted:
        return ", ".join(found), "yes"
    shared = len(set(found) & set(wanted))
    return ", ".join(found), "another order" if shared == len(wanted) else f"{shared} of {len(wanted)}"


def _score(runs: Sequence[RunView], subject: str, claimed: str) -> tuple[str, str]:
    """A score to the four decimals that were published."""
    score = runs[0].score(subject)
    if score is None or score.value is None:
        return OPEN
    measured = f"{score.value:.4f}"
    return measured, "yes" if measured == f"{float(claimed):.4f}" else "no"


ABOUT: dict[str, Callable[[Sequence[RunView], str, str], tuple[str, str]]] = {
    "overlapping topics": _overlap,
    "neighbouring topics": _nearest_topic,
    "nearest words": _nearest_words,
    "score": _score,
}
"""What a claim can be about, and what checks it."""
