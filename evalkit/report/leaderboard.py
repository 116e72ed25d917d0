"""Tables over finished runs: leaderboard, paired comparisons, agreement between models, neighbouring topics.

Seeds and projections are replicates of the map, never more texts: scores are averaged over them first.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.metrics import model_agreement
from evalkit.records import HEADLINE_SCORES
from evalkit.report.load_runs import NO_POOLING, LoadedRun, unique
from evalkit.stats import paired_test as paired

ALPHA = 0.05
PSEUDO = ".pseudo"
BOUNDED = {"neighbours", "separation", "probe", "map"}
"""Evaluators whose paired scores have a known range: −1 … 1 for silhouettes, 0 … 1 for the others."""

COMPARISON_COLUMNS = (
    "score", "pooling", "model_a", "model_b", "value_a", "value_b", "difference", "ci_low", "ci_high",
    "p_value", "p_holm", "texts_needed", "verdict",
)  # fmt: skip
AGREEMENT_COLUMNS = (
    "model_a", "pooling_a", "model_b", "pooling_b", "cka", "cka_chance", "cka_p", "overlap", "overlap_chance",
    "overlap_p",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Entrant:
    """A model at a pooling, with all its runs."""

    model: str
    pooling: str
    runs: tuple[LoadedRun, ...]

    @property
    def label(self) -> str:
        return self.model if self.pooling == NO_POOLING else f"{self.model}·{self.pooling}"

    def pseudo(self, name: str) -> NDArray[np.float64] | None:
        """A score's pseudo-values averaged over the runs that have them."""
        found = [run.texts[name + PSEUDO].to_numpy(dtype=float) for run in self.runs if name + PSEUDO in run.texts]
        return np.mean(found, axis=0) if found else None

    def values(self, name: str, field: str = "value") -> list[float]:
        """A score's field, of the runs where it is defined."""
        scores = [score for run in self.runs if (score := run.score(name)) is not None]
        return [float(value) for score in scores if (value := getattr(score, field)) is not None]

    def mean(self, name: str, field: str = "value") -> float:
        """Mean of `values`; NaN where there is none."""
        found = self.values(name, field)
        return float(np.mean(found)) if found else float("nan")


def _entrants(runs: Sequence[LoadedRun]) -> list[_Entrant]:
    """The runs by model and resolved pooling."""
    groups: dict[tuple[str, str], list[LoadedRun]] = {}
    for run in unique(runs):
        groups.setdefault((run.model, run.pooling), []).append(run)
    return [_Entrant(model, pooling, tuple(group)) for (model, pooling), group in groups.items()]


def leaderboard(runs: Sequence[LoadedRun], rank_by: str) -> pd.DataFrame:
    """Return a row a model × pooling, the best first (`_row`).

    Two entrants are tied unless the paired test, Holm-corrected over all pairs, tells them apart; an entrant's rank is
    one more than the number of entrants that are ahead of it. Where `rank_by` has no paired test, ranks go by value
    alone and no entrants are tied.
    """
    entrants = _entrants(runs)
    higher = _higher_is_better(runs, rank_by)
    ahead, tied = _ahead_and_tied(entrants, rank_by, higher=higher)
    rows = []
    for place, entrant in enumerate(entrants):
        peers = [entrants[other].label for other in np.flatnonzero(tied[place])]
        rows.append(_row(entrant, 1 + int(ahead[:, place].sum()), peers, rank_by))
    rows.sort(key=lambda row: (row["rank"], -row[rank_by] if higher else row[rank_by], row["model"]))
    return pd.DataFrame(rows)


def _row(entrant: _Entrant, rank: int, tied: Sequence[str], rank_by: str) -> dict[str, Any]:
    """An entrant's row: means of the ranking and headline scores over its runs, and what the model costs."""
    row: dict[str, Any] = {"rank": rank, "model": entrant.model, "pooling": entrant.pooling}
    row |= {"tied_with": ", ".join(tied), "runs": len(entrant.runs)}
    spaces = {score.name: score.space for run in entrant.runs for score in run.record.scores}
    for name in dict.fromkeys((rank_by, *HEADLINE_SCORES)):
        if name not in spaces:
            continue
        row[name] = entrant.mean(name)
        for field in ("chance", "adjusted", "ci_low", "ci_high"):
            row[f"{name}.{field}"] = entrant.mean(name, field)
        if spaces[name] == "map":
            found = entrant.values(name)
            row[f"{name}.spread"] = float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")  # over the runs
    speeds = [run.record.encoder.get("texts_per_second") for run in entrant.runs]
    row["texts_per_second"] = next((speed for speed in speeds if speed is not None), None)
    for name in ("dimension", "parameters", "bytes_per_text"):
        row[name] = entrant.runs[0].record.encoder.get(name)
    return row


def _ahead_and_tied(
    entrants: Sequence[_Entrant], name: str, *, higher: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[a, b]: whether a is better than b, and whether the paired test cannot tell them apart."""
    sign = 1.0 if higher else -1.0
    ahead = np.zeros((len(entrants), len(entrants)), dtype=bool)
    known = [column for entrant in entrants if (column := entrant.pseudo(name)) is not None]
    if len(known) < len(entrants):
        values = sign * np.array([entrant.mean(name) for entrant in entrants])
        return values[:, None] > values, ahead
    pairs = list(itertools.combinations(range(len(entrants)), 2))
    found = [paired.compare(known[a], known[b]) for a, b in pairs]
    for (a, b), comparison, p in zip(pairs, found, paired.holm([each.p for each in found]), strict=True):
        if p <= ALPHA:
            ahead[(a, b) if sign * comparison.difference > 0 else (b, a)] = True
    return ahead, ~(ahead | ahead.T | np.eye(len(entrants), dtype=bool))


def comparisons(runs: Sequence[LoadedRun]) -> pd.DataFrame:
    """Compare every two models at the same requested pooling on every score that is a mean over texts.

    Holm's correction is over the models' pairs within a score and pooling.
    """
    scores = dict.fromkeys(str(column) for run in runs for column in run.texts.columns if str(column).endswith(PSEUDO))
    # A model without poolings competes at each of the others'.
    requested = dict.fromkeys(run.requested_pooling for run in runs if run.pooling != NO_POOLING) or {"native": None}
    rows = []
    for pooling in requested:
        entrants = _entrants([run for run in runs if run.pooling == NO_POOLING or run.requested_pooling == pooling])
        for name in (column.removesuffix(PSEUDO) for column in scores):
            able = [(entrant, column) for entrant in entrants if (column := entrant.pseudo(name)) is not None]
            pairs = list(itertools.combinations(able, 2))
            found = [_bounded(paired.compare(x, y), name) for (_, x), (_, y) in pairs]
            higher = _higher_is_better(runs, name)
            corrected = paired.holm([comparison.p for comparison in found]).tolist()
            for ((a, x), (b, _)), each, p in zip(pairs, found, corrected, strict=True):
                verdict = paired.verdict(a.model, b.model, each, n_texts=len(x), p=p, higher_is_better=higher)
                rows.append((
                    name, pooling, a.model, b.model, a.mean(name), b.mean(name), each.difference, each.ci_low,
                    each.ci_high, each.p, p, each.texts_needed, verdict,
                ))  # fmt: skip
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def _higher_is_better(runs: Sequence[LoadedRun], name: str) -> bool:
    return next((score.higher_is_better for run in runs if (score := run.score(name)) is not None), True)


def _bounded(comparison: paired.Comparison, name: str) -> paired.Comparison:
    """Cut a difference's interval at the width of the score's range, where evalkit knows it."""
    evaluator, _, kind = name.partition("/")
    if evaluator not in BOUNDED:
        return comparison
    widest = 2.0 if kind.startswith("silhouette") else 1.0
    return replace(comparison, ci_low=max(comparison.ci_low, -widest), ci_high=min(comparison.ci_high, widest))


def topics(runs: Sequence[LoadedRun]) -> pd.DataFrame:
    """Count in how many of the embeddings which other topic lies nearest to each.

    p_value is the median over the embeddings where the two are mutually nearest, against label permutation.
    """
    embeddings = unique(runs, "embedding")
    votes = [
        (row["label"], row["nearest"], bool(row.get("mutual")), row.get("p_value") if row.get("mutual") else None)
        for run in embeddings
        for row in run.record.topics
    ]
    table = pd.DataFrame(votes, columns=["topic", "nearest", "mutual", "p_value"]).astype({"p_value": float})
    found = table.groupby(["topic", "nearest"], sort=False, as_index=False).agg(
        runs=("mutual", "size"), share=("mutual", "size"), mutual_share=("mutual", "sum"), p_value=("p_value", "median")
    )
    found[["share", "mutual_share"]] = found[["share", "mutual_share"]].astype(float) / len(embeddings)
    return found.sort_values(["topic", "share"], ascending=[True, False], kind="stable", ignore_index=True)


def agreement(runs: Sequence[LoadedRun], vectors: Mapping[str, NDArray[np.float32]]) -> pd.DataFrame:
    """Measure how alike two models arrange the same texts: debiased linear CKA and mutual neighbours.

    `vectors` are (N, d) by embedding key; cells of embeddings that are missing stay empty.
    """
    rows = []
    for a, b in itertools.combinations(_entrants(runs), 2):
        row: dict[str, Any] = {"model_a": a.model, "pooling_a": a.pooling, "model_b": b.model, "pooling_b": b.pooling}
        first, second = (vectors.get(entrant.runs[0].embedding) for entrant in (a, b))
        if first is not None and second is not None:
            row |= model_agreement.compare(first, second, np.random.default_rng(0))
        rows.append(row)
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)
