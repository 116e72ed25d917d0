"""Unjudged documents in the rankings: how much they leave open, and which judgments would settle most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evalkit.retrieval.expectations import discount_sums
from evalkit.retrieval.scores import NAMES, per_query
from evalkit.retrieval.types import Hits, Judgments

__all__ = ["ToJudge", "score_bounds", "to_judge"]

FIRST = 10
"""Places whose documents are looked at: those of the headline scores."""


@dataclass(frozen=True, slots=True)
class ToJudge:
    """An unjudged pair.

    Attributes
    ----------
    query, document
        Their numbers in the corpus.
    effect
        Sum over pairs of models of the change of their difference in mean ndcg_at_10, were the document relevant.
    ranks
        Rank of the document by model, from 1; None beyond 10.
    """

    query: int
    document: int
    effect: float
    ranks: Mapping[str, int | None]


def _row(judgments: Judgments, query: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    part = slice(judgments.starts[query], judgments.starts[query + 1])
    return judgments.documents[part], judgments.gains[part]


def _unjudged(hits: Hits, judgments: Judgments) -> list[NDArray[np.int32]]:
    """The unjudged documents among the first ten of each query, in the order of their ranks."""
    first = hits.documents[:, :FIRST]
    return [row[(row >= 0) & ~np.isin(row, _row(judgments, query)[0])] for query, row in enumerate(first)]


def score_bounds(hits: Hits, judgments: Judgments, names: Sequence[str] = NAMES) -> dict[str, tuple[float, float]]:
    """Lowest and highest mean score that judging each query's first ten documents could lead to.

    The lower bound takes every unjudged document as not relevant, which is the score itself. The upper bound takes,
    query by query, the first 0 to 10 unjudged documents as relevant with the highest gain of the data, whichever number
    gives the highest score: each of them also joins the ideal order.

    Returns
    -------
    dict
        name → (low, high).
    """
    values = per_query(hits, judgments, names)
    highest = dict(values)
    unjudged = _unjudged(hits, judgments)
    for count in range(1, max((row.size for row in unjudged), default=0) + 1):
        more = _with_relevant(judgments, [row[:count] for row in unjudged])
        for name, each in per_query(hits, more, names).items():
            highest[name] = np.maximum(highest[name], each)
    return {name: (float(values[name].mean()), float(highest[name].mean())) for name in names}


def _with_relevant(judgments: Judgments, added: Sequence[NDArray[np.int32]]) -> Judgments:
    """The judgments, with more relevant documents of each query."""
    documents, gains, counts = [], [], [0]
    for query, extra in enumerate(added):
        judged, gained = _row(judgments, query)
        together = np.concatenate([judged, extra])
        order = np.argsort(together, kind="stable")
        documents.append(together[order])
        gains.append(np.concatenate([gained, np.full(extra.size, judgments.gains.max())])[order])
        counts.append(together.size)
    return Judgments(np.cumsum(counts), np.concatenate(documents).astype(np.int32), np.concatenate(gains))


def to_judge(models: Mapping[str, Hits], judgments: Judgments, count: int = 50) -> list[ToJudge]:
    """The unjudged pairs whose judgment would change the differences between the models most.

    Parameters
    ----------
    models
        Name → rankings of the same queries.
    judgments
        What is judged so far.
    count
        Pairs at most.

    Returns
    -------
    list
        Largest effect first; equal effects in the order of query and document.

    References
    ----------
    Carterette, Allan & Sitaraman 2006, "Minimal test collections for retrieval evaluation", SIGIR: a document is worth
    judging as far as it tells two systems apart; here summed over the pairs of models, for ndcg_at_10.
    """
    name = f"retrieval/ndcg_at_{FIRST}"
    before = np.stack([per_query(hits, judgments, [name])[name] for hits in models.values()])
    discounts = np.diff(discount_sums(FIRST))
    gain = float(judgments.gains.max())
    found = []
    for query in range(judgments.starts.size - 1):
        gains = _row(judgments, query)[1]
        ideal = _ideal(gains, discounts)
        with_one_more = _ideal(np.append(gains, gain), discounts)
        tops = [hits.documents[query, :FIRST] for hits in models.values()]
        for document in np.setdiff1d(np.concatenate(tops), np.append(_row(judgments, query)[0], -1)):
            places = [np.flatnonzero(top == document) for top in tops]
            earned = np.array([discounts[place[0]] if place.size else 0.0 for place in places])
            change = (before[:, query] * ideal + gain * earned) / with_one_more - before[:, query]
            effect = sum(abs(a - b) for a, b in combinations(change, 2)) / before.shape[1]
            ranks = {
                model: int(place[0]) + 1 if place.size else None for model, place in zip(models, places, strict=True)
            }
            found.append(ToJudge(query, int(document), float(effect), ranks))
    return sorted(found, key=lambda pair: (-pair.effect, pair.query, pair.document))[:count]


def _ideal(gains: NDArray[np.float64], discounts: NDArray[np.float64]) -> float:
    best = -np.sort(-gains)[: discounts.size]
    return float(best @ discounts[: best.size])
