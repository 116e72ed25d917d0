"""Scores of a ranking under judgments, where tied documents stand in every order: the compiled loops.

References
----------
McSherry & Najork 2008, "Computing information retrieval performance measures efficiently in the presence of tied
scores", ECIR.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.retrieval.types import Hits, Judgments
from evalkit.runtime.compiled import compiled_exactly

__all__ = ["KINDS", "discount_sums", "ideal_gains", "pair_scorer", "parse_names", "tie_groups"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KINDS = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")
NDCG, RECALL, PRECISION, HIT_RATE, MRR, MAP = range(6)


def tie_groups(hits: Hits) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(Q, K) number of documents before the tie group of each place, and size of that group, unlisted ones included."""
    q, k = hits.documents.shape
    fresh = np.ones((q, k), dtype=np.bool_)
    fresh[:, 1:] = hits.scores[:, 1:] != hits.scores[:, :-1]
    places = np.broadcast_to(np.arange(k, dtype=np.int32), (q, k))
    starts = np.maximum.accumulate(np.where(fresh, places, 0), axis=1)
    last = np.ones((q, k), dtype=np.bool_)
    last[:, :-1] = fresh[:, 1:]
    ends = np.minimum.accumulate(np.where(last, places + 1, k)[:, ::-1], axis=1)[:, ::-1]
    unlisted = np.zeros((q, 1), dtype=np.int64)
    unlisted[hits.ties.rows, 0] = hits.ties.counts
    sizes = ends - starts + np.where(starts == starts[:, -1:], unlisted, 0)
    return starts.astype(np.int32), sizes.astype(np.int32)


def _for_loops(hits: Hits) -> tuple[Any, ...]:
    """Documents sorted by number, their places, tie groups, and the ties across the last place."""
    order = np.argsort(hits.documents, axis=1, kind="stable")
    tie_rows = np.full(hits.documents.shape[0], -1, dtype=np.int64)
    tie_rows[hits.ties.rows] = np.arange(hits.ties.rows.size)
    documents = np.take_along_axis(hits.documents, order, axis=1)
    ties = hits.ties
    return documents, order, *tie_groups(hits), tie_rows, ties.starts, ties.members, ties.complement


def parse_names(names: Sequence[str]) -> tuple[Integers, Integers]:
    """Kind and K of each score's name."""
    parts = [name.removeprefix("retrieval/").rsplit("_at_", 1) for name in names]
    return np.array([KINDS.index(kind) for kind, _ in parts]), np.array([int(k) for _, k in parts])


def discount_sums(k: int) -> Floats:
    """Sum of 1 / log2(i + 1) over the first 0 … k ranks."""
    return np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])


def ideal_gains(judgments: Judgments, k: int) -> Floats:
    """(Q, k + 1) discounted gain of the ideal order at each depth."""
    ideal = np.zeros((judgments.starts.size - 1, k + 1))
    discounts = np.diff(discount_sums(k))
    for row, (start, stop) in enumerate(itertools.pairwise(judgments.starts)):
        best = -np.sort(-judgments.gains[start:stop])[:k]
        ideal[row, 1 : best.size + 1] = best * discounts[: best.size]
    return np.cumsum(ideal, axis=1)


@compiled_exactly
def _group_of(ranking: Any, row: int, document: int) -> int:
    """Number of documents before the document's tie group in a ranking; −1 where the ranking does not hold it."""
    documents, places, starts = ranking[0][row], ranking[1][row], ranking[2][row]
    found = np.searchsorted(documents, document)
    if found < documents.size and documents[found] == document:
        return int(starts[places[found]])
    tie = ranking[4][row]
    if tie < 0:
        return -1
    members = ranking[6][ranking[5][tie] : ranking[5][tie + 1]]
    place = np.searchsorted(members, document)
    listed = place < members.size and members[place] == document
    return int(starts[-1]) if listed != ranking[7][tie] else -1


@compiled_exactly
def _score_pairs(
    ranking: Any, judged: Any, rows: Any, columns: Any, kinds: Any, ks: Any, discounts: Any, ideal: Any, out: Any
) -> None:
    """Scores of ranking rows[m] under the judgments of query columns[m], into the zeroed out[m]."""
    sizes = ranking[3]
    offsets, judged_documents, gains = judged
    depth = sizes.shape[1]
    relevant, gained = np.zeros(depth, dtype=np.int64), np.zeros(depth)
    for m in range(rows.size):
        row, column = rows[m], columns[m]
        total, left = 0, 0
        relevant[:] = 0
        gained[:] = 0.0
        for entry in range(offsets[column], offsets[column + 1]):
            if gains[entry] > 0:
                total += 1
                group = _group_of(ranking, row, judged_documents[entry])
                if group >= 0:
                    left += 1
                    relevant[group] += 1
                    gained[group] += gains[entry]
        before, group = 0, 0
        while left > 0 and group < depth:
            n, r = sizes[row, group], relevant[group]
            if r > 0:
                for s in range(kinds.size):
                    gain, so_far = gained[group], out[m, s]
                    out[m, s] += _part(kinds[s], ks[s], group, n, r, gain, before, discounts, so_far)
                before += r
                left -= r
            group += n
        for s in range(kinds.size):
            if kinds[s] == NDCG:
                out[m, s] /= max(ideal[column, ks[s]], 1e-300)
            elif kinds[s] == RECALL or kinds[s] == MAP:
                out[m, s] /= max(total, 1)
            elif kinds[s] == PRECISION:
                out[m, s] /= ks[s]


@compiled_exactly
def _part(kind: int, k: int, a: int, n: int, r: int, gain: float, before: int, discounts: Any, so_far: float) -> float:
    """What a tie group of ranks a + 1 … a + n with r relevant documents adds to a score's expectation."""
    inside = min(max(k - a, 0), n)
    if inside == 0:
        return 0.0
    if kind == NDCG:
        return float(gain * (discounts[a + inside] - discounts[a]) / n)
    if kind in (RECALL, PRECISION):
        return r * inside / n
    missed = 1.0
    if kind == HIT_RATE:
        for i in range(inside):
            missed *= max(n - r - i, 0) / (n - i)
        return (1.0 - missed) * (1.0 - so_far)
    added = 0.0
    if kind == MRR:
        if before > 0:
            return 0.0
        for x in range(1, min(inside, n - r + 1) + 1):
            added += missed * r / (n - x + 1) / (a + x)
            missed *= (n - r - x + 1) / (n - x + 1)
        return added
    for x in range(1, inside + 1):
        added += r / n * (before + 1 + (x - 1) * (r - 1) / max(n - 1, 1)) / (a + x)
    return added


def pair_scorer(hits: Hits, judgments: Judgments, names: Sequence[str]) -> Callable[[Integers, Integers], Floats]:
    """Function of (M,) rows and columns: (M, S) scores of those rankings under those queries' judgments.

    Raises
    ------
    EvaluationError
        The hits are shallower than a score's K, or not of the judged queries.
    """
    kinds, ks = parse_names(names)
    deepest = int(ks.max())
    if hits.documents.shape[1] < min(deepest, hits.size):
        raise EvaluationError(
            f"scores at {deepest} need as many documents a query, found {hits.documents.shape[1]}: search deeper."
        )
    if hits.documents.shape[0] != judgments.starts.size - 1:
        raise EvaluationError(
            f"{hits.documents.shape[0]} rankings were given for {judgments.starts.size - 1} judged queries: "
            "rank every query once."
        )
    ranking = _for_loops(hits)
    judged = judgments.starts, judgments.documents, judgments.gains
    discounts, ideal = discount_sums(max(deepest, hits.documents.shape[1])), ideal_gains(judgments, deepest)

    def score(rows: Integers, columns: Integers) -> Floats:
        out = np.zeros((rows.size, kinds.size))
        _score_pairs(ranking, judged, rows, columns, kinds, ks, discounts, ideal, out)
        return out

    return score
