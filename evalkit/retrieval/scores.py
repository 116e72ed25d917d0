"""Scores of rankings against judgments, with chance, p-value and interval.

Where documents are tied, a score is its expectation over the order of the tied, so it does not depend on the
order of the documents in a file.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.retrieval.expectations import (
    MAP,
    MRR,
    NDCG,
    PRECISION,
    RECALL,
    discount_sums,
    ideal_gains,
    pair_scorer,
    parse_names,
    tie_groups,
)
from evalkit.retrieval.intervals import mean_interval
from evalkit.retrieval.types import Hits, Judgments
from evalkit.stats.permutation import build_score
from evalkit.types import Evaluation, Score

__all__ = ["NAMES", "PERMUTATIONS", "curve", "evaluate", "first_relevant", "judged_share", "per_query", "tied_across"]

Floats = NDArray[np.float64]

NAMES = (
    *(f"retrieval/ndcg_at_{k}" for k in (1, 10)),
    *(f"retrieval/recall_at_{k}" for k in (1, 5, 10, 100)),
    *(f"retrieval/precision_at_{k}" for k in (1, 5, 10)),
    *(f"retrieval/hit_rate_at_{k}" for k in (1, 5, 10)),
    "retrieval/mrr_at_10",
    "retrieval/map_at_100",
)
JUDGED = "retrieval/judged_at_10"
PERMUTATIONS = 999


def per_query(hits: Hits, judgments: Judgments, names: Sequence[str] = NAMES) -> dict[str, Floats]:
    """Scores of each query: name → (Q,) float64.

    Parameters
    ----------
    hits
        Rankings as deep as the deepest score, or of all documents.
    judgments
        Of the same queries, each with a relevant document.
    names
        ``retrieval/KIND_at_K``; KIND is ndcg, recall, precision, hit_rate, mrr or map.

    References
    ----------
    McSherry & Najork 2008, "Computing information retrieval performance measures efficiently in the presence of
    tied scores", ECIR.
    """
    rows = np.arange(judgments.starts.size - 1)
    values = pair_scorer(hits, judgments, names)(rows, rows)
    return {name: values[:, column].copy() for column, name in enumerate(names)}


def curve(hits: Hits, judgments: Judgments, kind: str) -> Floats:
    """(Q, depth) score of one kind (``recall``, ``ndcg``, …) at every K from 1 to the depth of the hits."""
    names = [f"retrieval/{kind}_at_{k}" for k in range(1, hits.documents.shape[1] + 1)]
    return np.stack(list(per_query(hits, judgments, names).values()), axis=1)


def first_relevant(hits: Hits, judgments: Judgments) -> Floats:
    """(Q,) expected rank of the first relevant document within its tie group; NaN where the hits hold none."""
    starts, sizes = tie_groups(hits)
    ranks = np.full(hits.documents.shape[0], np.nan)
    for row, (start, stop) in enumerate(itertools.pairwise(judgments.starts)):
        wanted = judgments.documents[start:stop][judgments.gains[start:stop] > 0]
        places = np.flatnonzero(np.isin(hits.documents[row], wanted))
        if places.size:
            group = starts[row] == starts[row, places[0]]
            count = int(np.count_nonzero(group[places]))
            ranks[row] = starts[row, places[0]] + (sizes[row, places[0]] + 1) / (count + 1)
    return ranks


def tied_across(hits: Hits, k: int) -> float:
    """Share of queries in which a group of tied documents lies across place `k`: only some of it is counted."""
    if k >= hits.size or k > hits.documents.shape[1]:
        return 0.0
    starts, sizes = tie_groups(hits)
    across = (starts[:, k - 1] + sizes[:, k - 1] > k) & (hits.documents[:, k - 1] >= 0)
    return float(np.mean(across))


def _described(name: str, judgments: Judgments, n: int) -> tuple[Floats, Floats]:
    """(Q,) best value and expectation of a random order of the n documents, query by query."""
    (kind,), (k,) = parse_names([name])
    k = int(k)
    rows = np.repeat(np.arange(judgments.starts.size - 1), np.diff(judgments.starts))
    relevant = np.bincount(rows, judgments.gains > 0, judgments.starts.size - 1)
    ranked = min(k, n)
    ones = np.ones(relevant.size)
    if kind == NDCG:
        gains = np.bincount(rows, judgments.gains, relevant.size)
        return ones, gains / n * discount_sums(ranked)[-1] / ideal_gains(judgments, k)[:, k]
    if kind == RECALL:
        return np.minimum(1, k / relevant), np.full(relevant.size, ranked / n)
    if kind == PRECISION:
        return np.minimum(1, relevant / k), relevant / n * ranked / k
    if kind == MAP:
        steps = np.arange(ranked)
        pairs = (1 + np.outer(relevant - 1, steps) / max(n - 1, 1)) / (steps + 1)
        return np.minimum(1, k / relevant), pairs.sum(axis=1) / n
    missed, reciprocal = ones.copy(), np.zeros(relevant.size)
    for rank in range(1, ranked + 1):
        reciprocal += missed * relevant / (n - rank + 1) / rank
        missed *= np.maximum(n - relevant - rank + 1, 0) / (n - rank + 1)
        missed[relevant >= n - rank + 1] = 0.0
    return ones, reciprocal if kind == MRR else 1 - missed


def evaluate(
    hits: Hits,
    judgments: Judgments,
    rng: np.random.Generator,
    *,
    groups: NDArray[np.int32] | None = None,
    permutations: int = PERMUTATIONS,
) -> Evaluation:
    """All ranking scores of one model.

    Parameters
    ----------
    hits
        Rankings of all queries, 100 deep or of all documents.
    judgments
        Judgments of the same queries.
    rng
        Draws the queries that judgments are dealt to.
    groups
        (Q,) group codes for cluster-robust intervals, or None.
    permutations
        B: how often the judgments are dealt to the queries anew for the p-values.

    Returns
    -------
    Evaluation
        ``per_text`` holds each score's (Q,) values under its name. Higher is better throughout.

    Raises
    ------
    EvaluationError
        The hits are too shallow, or not of the judged queries.
    """
    score = pair_scorer(hits, judgments, NAMES)
    rows = np.arange(judgments.starts.size - 1)
    values = score(rows, rows)
    dealt = [score(rows, rng.permutation(rows)).mean(axis=0) for _ in range(permutations)]
    null = np.array(dealt).reshape(-1, len(NAMES))
    scores: list[Score] = []
    for column, name in enumerate(NAMES):
        k = int(name.rsplit("_", 1)[1])
        best, chance = (part.mean() for part in _described(name, judgments, hits.size))
        ceiling = _described(name, judgments, hits.size)[0].max()
        interval = mean_interval(values[:, column], best=float(best), ceiling=float(ceiling), groups=groups)
        scores.append(
            build_score(
                name,
                "ranking",
                float(values[:, column].mean()),
                best=float(best),
                chance=float(chance),
                null=null[:, column],
                interval=interval,
                parameters={"K": k, "queries": rows.size, "tied_across_k": tied_across(hits, k)}
                | ({} if groups is None else {"groups": int(np.unique(groups).size)}),
            )
        )
    judged = judged_share(hits, judgments)
    scores.append(
        build_score(JUDGED, "ranking", float(judged.mean()), best=None, ranks_models=False, parameters={"K": 10})
    )
    per_text = {name: values[:, column].copy() for column, name in enumerate(NAMES)}
    return Evaluation(scores=tuple(scores), per_text={**per_text, JUDGED: judged})


def judged_share(hits: Hits, judgments: Judgments, k: int = 10) -> Floats:
    """(Q,) share of each query's first `k` documents that are judged at all."""
    anything = Judgments(judgments.starts, judgments.documents, np.ones(judgments.gains.size))
    return per_query(hits, anything, [f"retrieval/precision_at_{k}"])[f"retrieval/precision_at_{k}"] * (
        k / min(k, hits.size)
    )
