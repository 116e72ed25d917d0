"""Finished runs → leaderboard, paired comparisons, agreement between models, neighbouring topics.

Seeds and projections are replicates of the map, never more texts: they are averaged over first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.report.load_runs import RunView, unique
from evalkit.stats import paired_test as paired

__all__ = ["MAIN_SCORES", "agreement", "comparisons", "leaderboard", "topics"]

ALPHA = 0.05

MAIN_SCORES = (
    "neighbours/map_at_r_macro",
    "neighbours/precision_at_1",
    "neighbours/precision_at_5",
    "probe/accuracy",
    "separation/centroid_accuracy",
    "separation/silhouette",
    "clustering/ami",
    "map/silhouette",
    "hulls/overlap",
    "faithfulness/trustworthiness_at_10",
    "faithfulness/label_continuity",
)


PSEUDO = ".pseudo"


@dataclass(frozen=True, slots=True, eq=False)
class _Entrant:
    """A model at a pooling, with all its runs."""

    model: str
    pooling: str
    views: tuple[RunView, ...]

    @property
    def label(self) -> str:
        return self.model if self.pooling == "none" else f"{self.model}·{self.pooling}"

    def column(self, name: str) -> NDArray[np.float64] | None:
        """A texts.parquet column averaged over the runs that have it."""
        found = [view.texts[name].to_numpy(dtype=float) for view in self.views if name in view.texts]
        return np.mean(found, axis=0) if found else None

    def mean(self, name: str, field: str = "value") -> float:
        """A score's field averaged over the runs; NaN where none has it."""
        scores = [score for view in self.views if (score := view.score(name)) is not None]
        found = [getattr(score, field) for score in scores if getattr(score, field) is not None]
        return float(np.mean(found)) if found else float("nan")

    def spread(self, name: str) -> float:
        """Standard deviation of a score over the runs (seeds and projections)."""
        found = [s.value for view in self.views if (s := view.score(name)) is not None and s.value is not None]
        return float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")


def _entrants(views: Sequence[RunView]) -> list[_Entrant]:
    groups: dict[tuple[str, str], list[RunView]] = {}
    for view in unique(views):
        groups.setdefault((view.model, view.pooling), []).append(view)
    return [_Entrant(model, pooling, tuple(runs)) for (model, pooling), runs in groups.items()]


def leaderboard(views: Sequence[RunView], rank_by: str) -> pd.DataFrame:
    """A row a model × pooling, the best first.

    Two entrants are tied unless the paired test, Holm-corrected over all pairs, tells them apart; an
    entrant's rank is one more than the number of entrants that are ahead of it for certain.

    Returns
    -------
    DataFrame
        rank, model, pooling, tied_with, runs; the ranking score and the main scores, each with ``.chance``,
        ``.adjusted``, ``.ci_low``, ``.ci_high`` and, for map scores, ``.spread``; texts_per_second,
        dimension, parameters, bytes_per_text.
    """
    entrants = _entrants(views)
    higher = _higher_is_better(views, rank_by)
    ahead, tested = _ahead(entrants, rank_by, higher=higher)
    rows = []
    for number, entrant in enumerate(entrants):
        if tested:
            rank = 1 + int(ahead[:, number].sum())
        else:
            mine = entrant.mean(rank_by)
            better = [other.mean(rank_by) > mine if higher else other.mean(rank_by) < mine for other in entrants]
            rank = 1 + sum(better)
        tied = [
            other.label
            for place, other in enumerate(entrants)
            if tested and place != number and not ahead[place, number] and not ahead[number, place]
        ]
        rows.append(_row(entrant, rank, tied, rank_by))
    board = pd.DataFrame(rows)
    order = sorted(
        range(len(rows)),
        key=lambda n: (rows[n]["rank"], -rows[n][rank_by] if higher else rows[n][rank_by], rows[n]["model"]),
    )
    return board.iloc[order].reset_index(drop=True)


def _row(entrant: _Entrant, rank: int, tied: Sequence[str], rank_by: str) -> dict[str, Any]:
    encoder = entrant.views[0].record.encoder
    row: dict[str, Any] = {
        "rank": rank,
        "model": entrant.model,
        "pooling": entrant.pooling,
        "tied_with": ", ".join(tied),
        "runs": len(entrant.views),
    }
    present = {score.name: score for view in entrant.views for score in view.record.scores}
    for name in dict.fromkeys((rank_by, *MAIN_SCORES)):
        if name not in present:
            continue
        row[name] = entrant.mean(name)
        for field in ("chance", "adjusted", "ci_low", "ci_high"):
            row[f"{name}.{field}"] = entrant.mean(name, field)
        if present[name].space == "map":
            row[f"{name}.spread"] = entrant.spread(name)
    speeds = [view.record.encoder.get("texts_per_second") for view in entrant.views]
    row["texts_per_second"] = next((speed for speed in speeds if speed is not None), None)
    for name in ("dimension", "parameters", "bytes_per_text"):
        row[name] = encoder.get(name)
    return row


def _higher_is_better(views: Sequence[RunView], name: str) -> bool:
    return next((s.higher_is_better for view in views if (s := view.score(name)) is not None), True)


def _ahead(entrants: Sequence[_Entrant], name: str, *, higher: bool) -> tuple[NDArray[np.bool_], bool]:
    """ahead[a, b]: a is better than b beyond doubt; and whether the score allows such a test."""
    count = len(entrants)
    ahead = np.zeros((count, count), dtype=bool)
    columns = [entrant.column(name + PSEUDO) for entrant in entrants]
    if any(column is None for column in columns):
        return ahead, False
    pairs = list(itertools.combinations(range(count), 2))
    found = [paired.compare(columns[a], columns[b]) for a, b in pairs]  # type: ignore[arg-type]
    corrected = paired.holm([comparison.p for comparison in found])
    for (a, b), comparison, p in zip(pairs, found, corrected, strict=True):
        if p <= ALPHA:
            better = (comparison.difference > 0) == higher
            ahead[(a, b) if better else (b, a)] = True
    return ahead, True


def comparisons(views: Sequence[RunView]) -> pd.DataFrame:
    """Every two models at the same asked pooling, every score that is a mean over texts.

    Returns
    -------
    DataFrame
        score, pooling, model_a, model_b, value_a, value_b, difference, ci_low, ci_high, p_value, p_holm,
        texts_needed, verdict. Holm's correction is over the models' pairs within a score and pooling.
    """
    rows: list[dict[str, Any]] = []
    for pooling, entrants in _by_asked_pooling(views).items():
        for name in _paired_scores(views):
            columns = [(entrant, entrant.column(name + PSEUDO)) for entrant in entrants]
            able = [(entrant, column) for entrant, column in columns if column is not None]
            pairs = [(a, b, x, y) for (a, x), (b, y) in itertools.combinations(able, 2)]
            found = [paired.compare(x, y) for _, _, x, y in pairs]
            corrected = paired.holm([comparison.p for comparison in found])
            for (a, b, x, _), comparison, p_holm in zip(pairs, found, corrected, strict=True):
                rows.append(_comparison_row(name, pooling, a, b, comparison, float(p_holm), len(x)))
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


COMPARISON_COLUMNS = [
    "score", "pooling", "model_a", "model_b", "value_a", "value_b", "difference", "ci_low", "ci_high",
    "p_value", "p_holm", "texts_needed", "verdict",
]  # fmt: skip


def _comparison_row(
    name: str, pooling: str, a: _Entrant, b: _Entrant, comparison: paired.Comparison, p_holm: float, n: int
) -> dict[str, Any]:
    return {
        "score": name,
        "pooling": pooling,
        "model_a": a.model,
        "model_b": b.model,
        "value_a": a.mean(name),
        "value_b": b.mean(name),
        "difference": comparison.difference,
        "ci_low": comparison.ci_low,
        "ci_high": comparison.ci_high,
        "p_value": comparison.p,
        "p_holm": p_holm,
        "texts_needed": comparison.texts_needed,
        "verdict": paired.verdict(a.model, b.model, comparison, n_texts=n, p=p_holm),
    }


def _by_asked_pooling(views: Sequence[RunView]) -> dict[str, list[_Entrant]]:
    """Asked pooling → the models' entrants at it; a model without poolings competes at each."""
    asked = list(dict.fromkeys(view.asked_pooling for view in views if view.pooling != "none")) or ["native"]
    groups: dict[str, list[_Entrant]] = {}
    for pooling in asked:
        models: dict[str, dict[str, RunView]] = {}
        for view in views:
            if view.asked_pooling == pooling or view.pooling == "none":
                models.setdefault(view.model, {}).setdefault(view.record.identity, view)
        groups[pooling] = [_Entrant(m, next(iter(v.values())).pooling, tuple(v.values())) for m, v in models.items()]
    return groups


def _paired_scores(views: Iterable[RunView]) -> list[str]:
    names: dict[str, None] = {}
    for view in views:
        for column in view.texts.columns:
            if str(column).endswith(PSEUDO):
                names[str(column).removesuffix(PSEUDO)] = None
    return list(names)


def topics(views: Sequence[RunView]) -> pd.DataFrame:
    """Which other topic lies nearest to each, over models, poolings and seeds.

    Returns
    -------
    DataFrame
        topic, nearest, runs (embeddings that say so), share, mutual_share, p_value (the median over the
        embeddings where the two are mutually nearest, against label permutation; NaN elsewhere).
    """
    seen: dict[str, RunView] = {}
    for view in unique(views):
        seen.setdefault(str(view.record.encoder.get("key", view.record.identity)), view)
    votes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for view in seen.values():
        for row in view.record.topics:
            votes.setdefault((row["label"], row["nearest"]), []).append(dict(row))
    rows = []
    for (topic, nearest), found in votes.items():
        probabilities = [row["p_value"] for row in found if row.get("mutual") and row.get("p_value") is not None]
        rows.append(
            {
                "topic": topic,
                "nearest": nearest,
                "runs": len(found),
                "share": len(found) / len(seen),
                "mutual_share": sum(bool(row.get("mutual")) for row in found) / len(seen),
                "p_value": float(np.median(probabilities)) if probabilities else float("nan"),
            }
        )
    table = pd.DataFrame(rows, columns=["topic", "nearest", "runs", "share", "mutual_share", "p_value"])
    return table.sort_values(["topic", "share"], ascending=[True, False], kind="stable", ignore_index=True)


def agreement(
    views: Sequence[RunView], vectors: dict[str, NDArray[np.float32]], *, permutations: int = 99, seed: int = 0
) -> pd.DataFrame:
    """How differently two models arrange the same texts: debiased linear CKA and mutual neighbours.

    Parameters
    ----------
    vectors
        Embedding key → (N, d) vectors, for the embeddings that are at hand; the others' cells stay empty.
    permutations, seed
        Of the rows, for the chance level and p-value.

    Returns
    -------
    DataFrame
        model_a, pooling_a, model_b, pooling_b, cka, cka_chance, cka_p, overlap, overlap_chance, overlap_p.
    """
    from evalkit.metrics import model_agreement as kernel

    entrants = _entrants(views)
    rows = []
    for a, b in itertools.combinations(entrants, 2):
        row: dict[str, Any] = {"model_a": a.model, "pooling_a": a.pooling, "model_b": b.model, "pooling_b": b.pooling}
        first, second = (vectors.get(str(e.views[0].record.encoder.get("key"))) for e in (a, b))
        if first is not None and second is not None:
            row.update(kernel.compare(first, second, np.random.default_rng(seed), permutations=permutations))
        rows.append(row)
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


AGREEMENT_COLUMNS = [
    "model_a", "pooling_a", "model_b", "pooling_b", "cka", "cka_chance", "cka_p", "overlap", "overlap_chance",
    "overlap_p",
]  # fmt: skip
