"""Claims about a study, checked against its runs: what was claimed, what was measured, whether it holds.

A claim about a model that has not run stays open, its measured cell empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from evalkit.errors import RequestError
from evalkit.report.load_runs import LoadedRun

COLUMNS = ["model", "about", "subject", "claimed"]
OPEN = ("", "open")  # measured and holds of a claim that nothing was measured for


def read(path: Path) -> pd.DataFrame:
    """Read a study's claims from a CSV file with the `COLUMNS`; refuse those about what nothing here measures."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        raise RequestError(
            f"{path} has the columns {', '.join(table.columns)}: a file of claims has {', '.join(COLUMNS)}."
        )
    for about in table["about"]:
        if about not in ABOUT:
            raise RequestError(f"{path} has a claim about {about!r}: it can be about {', '.join(ABOUT)}.")
    return table


def check(claims: pd.DataFrame, runs: Sequence[LoadedRun]) -> pd.DataFrame:
    """Return the claims with two more columns: measured, and holds (yes, no, open, or how much of the claim holds)."""
    found = []
    for row in claims.itertuples(index=False):
        own = [run for run in runs if run.model == row.model]
        found.append(ABOUT[str(row.about)](own, str(row.subject), str(row.claimed)) if own else OPEN)
    return claims.assign(measured=[measured for measured, _ in found], holds=[holds for _, holds in found])


def _overlap(runs: Sequence[LoadedRun], _: str, claimed: str) -> tuple[str, str]:
    """Which pairs of topics overlap on the maps: `claimed` is none, all, or pairs like ``animals+fruits``."""
    count = runs[0].record.corpus["labels"]
    every = count * (count - 1) // 2
    maps = [_overlapping_pairs(run) for run in runs]
    expected = {entry.strip() for entry in claimed.split(",")} - {"none"}
    met = [len(pairs) == every if claimed == "all" else pairs == expected for pairs in maps]
    if not any(maps):
        measured = f"none in {len(maps)} of {len(maps)} maps"
    elif sum(map(len, maps)) > every * len(maps) / 2:
        measured = f"{', '.join(str(len(pairs)) for pairs in maps)} of {every} pairs, map by map"
    else:
        times = Counter(pair for pairs in maps for pair in pairs)
        measured = ", ".join(f"{pair} in {times[pair]} of {len(maps)} maps" for pair in sorted(times))
    partly = f"in {sum(met)} of {len(met)} maps" if any(met) else "no"
    return measured, "yes" if all(met) else partly


def _overlapping_pairs(run: LoadedRun) -> set[str]:
    """The pairs of topics whose hulls overlap on the run's map, as ``animals+fruits``."""
    table = pd.read_csv(run.folder / "pairs.csv", dtype={"label_a": str, "label_b": str}, keep_default_na=False)
    rows = table[table["intersection"] > 0]
    return {"+".join(sorted(pair)) for pair in zip(rows["label_a"], rows["label_b"], strict=True)}


def _nearest_topic(runs: Sequence[LoadedRun], subject: str, claimed: str) -> tuple[str, str]:
    """Whether two topics are each other's nearest by their centroids in the embedding."""
    nearest = {entry["label"]: entry["nearest"] for entry in runs[0].record.topics}
    pair = ((subject, claimed), (claimed, subject))
    measured = ", ".join(f"{one} → {nearest.get(one, '?')}" for one, _ in pair)
    met = [nearest.get(one) == other for one, other in pair]
    return measured, "yes" if all(met) else "one way" if any(met) else "no"


def _nearest_words(runs: Sequence[LoadedRun], subject: str, claimed: str) -> tuple[str, str]:
    """A query's nearest texts in their order."""
    lists = {entry["query"]: [near["text"] for near in entry["neighbours"]] for entry in runs[0].record.queries}
    if subject not in lists:
        return OPEN
    wanted = [entry.strip() for entry in claimed.split(",")]
    found = lists[subject][: len(wanted)]
    shared = len(set(found) & set(wanted))
    partly = "another order" if shared == len(wanted) else f"{shared} of {len(wanted)}"
    return ", ".join(found), "yes" if found == wanted else partly


def _score(runs: Sequence[LoadedRun], subject: str, claimed: str) -> tuple[str, str]:
    """A score to the four decimals that were published."""
    score = runs[0].score(subject)
    if score is None or score.value is None:
        return OPEN
    measured = f"{score.value:.4f}"
    return measured, "yes" if measured == f"{float(claimed):.4f}" else "no"


ABOUT: dict[str, Callable[[Sequence[LoadedRun], str, str], tuple[str, str]]] = {
    "overlapping topics": _overlap,
    "neighbouring topics": _nearest_topic,
    "nearest words": _nearest_words,
    "score": _score,
}
"""What a claim can be about, and what checks it."""
