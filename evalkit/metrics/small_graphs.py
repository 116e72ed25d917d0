"""Neighbour scores of a small corpus, by plain arrays over all places: nothing to compile, nothing to import.

The same scores as `evalkit.metrics.relevance` and `evalkit.metrics.deletion` (the tests hold them against
each other), in O(N²) memory and O(N³) time for the jackknife, which really leaves every text out once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.values import Codes

__all__ = ["complete_lists", "delete_each", "score_rows", "untied_depth"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


def complete_lists(arrays: tuple[NDArray[Any], ...], queries: Numbers, n: int) -> tuple[Numbers, Numbers]:
    """Every row's N − 1 other texts and the number of the tied group that each is in.

    What lies beyond the listed and their ties is one last group: no score looks there.
    """
    indices, joined, tie_of, starts, members, complement, _ = arrays
    order = np.empty((queries.size, n - 1), dtype=np.int64)
    groups = np.empty((queries.size, n - 1), dtype=np.int64)
    for row, text in enumerate(queries):
        listed = indices[row]
        numbers = np.cumsum(~joined[row])
        rest = np.setdiff1d(np.arange(n), np.append(listed, text))
        tied = np.zeros(rest.size, dtype=np.bool_)
        if tie_of[row] >= 0:
            t = tie_of[row]
            tied = np.isin(rest, members[starts[t] : starts[t + 1]]) ^ bool(complement[t])
        order[row] = np.concatenate([listed, rest[tied], rest[~tied]])
        last = numbers[-1]
        groups[row] = np.concatenate([numbers, np.full(tied.sum(), last), np.full((~tied).sum(), last + 1)])
    return order, groups


def untied_depth(groups: Numbers, ks: Numbers, deepest: int) -> int | None:
    """How many places the scores look at, where each of them holds one text in every row; None where some are tied.

    Parameters
    ----------
    groups
        (Q, J) number of the tied group at each place, ascending.
    ks, deepest
        K of precision at K, and the largest R.
    """
    depth = min(max(deepest, *ks.tolist(), 0), groups.shape[1])
    tied: NDArray[np.bool_] = groups[:, 1 : depth + 1] == groups[:, : groups[:, 1 : depth + 1].shape[1]]
    return None if tied.any() else depth


def score_rows(relevant: NDArray[np.bool_], groups: Numbers, places: Numbers, ks: Numbers) -> Floats:
    """Precision at each K, R-precision and MAP@R of every row, in expectation over the order of the tied.

    Parameters
    ----------
    relevant
        (P, Q, J) whether the text at a place bears the row's label, under each of P labellings.
    groups
        (Q, J) number of the tied group at each place, ascending.
    places
        (P, Q) R of each row; 0 gives R-scores of 0.
    ks
        K of precision at K; where K exceeds J, precision among the J.

    Returns
    -------
    ndarray
        (len(ks) + 2, P, Q) float64.
    """
    length = groups.shape[1]
    if length == 0:
        return np.zeros((ks.size + 2, *relevant.shape[:2]))
    depth = untied_depth(groups, ks, int(places.max(initial=0)))
    if depth is not None:
        return _score_untied(relevant[:, :, :depth], places, ks)
    place = np.arange(length)
    fresh = np.ones(groups.shape, dtype=np.bool_)
    fresh[:, 1:] = groups[:, 1:] != groups[:, :-1]
    start = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    ending = np.roll(fresh, -1, axis=1)
    end = np.minimum.accumulate(np.where(ending, place + 1, length)[:, ::-1], axis=1)[:, ::-1]
    hits = np.zeros((*relevant.shape[:2], length + 1))
    np.cumsum(relevant, axis=2, out=hits[:, :, 1:])
    before = np.take_along_axis(hits, start[None], axis=2)
    found = np.take_along_axis(hits, end[None], axis=2) - before
    size = end - start
    rate = found / size
    ahead = before + (place - start) * (found - 1) / np.maximum(size - 1, 1) * (size > 1)
    counted = np.zeros((2, *hits.shape))
    np.cumsum(rate, axis=2, out=counted[0, :, :, 1:])
    np.cumsum(rate * (ahead + 1) / (place + 1), axis=2, out=counted[1, :, :, 1:])
    return _gathered(counted, places, np.minimum(ks, length))


def _score_untied(relevant: NDArray[np.bool_], places: Numbers, ks: Numbers) -> Floats:
    """The same, to the last digit, where every place holds one text: what is there is certain."""
    counted = np.zeros((2, *relevant.shape[:2], relevant.shape[2] + 1))
    np.cumsum(relevant, axis=2, out=counted[0, :, :, 1:])
    ahead = counted[0, :, :, :-1] + 1
    np.cumsum(relevant * ahead / np.arange(1, relevant.shape[2] + 1), axis=2, out=counted[1, :, :, 1:])
    return _gathered(counted, places, np.minimum(ks, relevant.shape[2]))


def _gathered(counted: Floats, places: Numbers, depths: Numbers) -> Floats:
    """Scores of (2, P, Q, J + 1) sums over the places: hits, and hits times the precision there."""
    scores = [counted[0, :, :, k] / k for k in depths]
    at_r = np.take_along_axis(counted, places[None, :, :, None], axis=3)[..., 0] / np.maximum(places, 1)
    return np.stack([*scores, *at_r])


def delete_each(
    order: Numbers, groups: Numbers, queries: Numbers, labels: Codes, places: Numbers, after: Numbers, ks: Numbers
) -> tuple[Floats, Floats]:
    """Scores of every row, and their changes without each text.

    Parameters
    ----------
    order, groups
        From `complete_lists`.
    places, after
        (n_labels,) R of each label, and once it has lost a text.

    Returns
    -------
    tuple
        (len(ks) + 2, Q) scores; (len(ks) + 2, Q, N) change by each text's absence: 0 for the row's own
        text, and for R-scores where the label is left without a pair.
    """
    own = labels[queries]
    values = score_rows((labels[order] == own[:, None])[None], groups, places[own][None], ks)[:, 0]
    changes = np.zeros((*values.shape, labels.size))
    for m in range(labels.size):
        rows = np.flatnonzero(queries != m)
        keep = order[rows] != m
        shape = (rows.size, -1)
        others = order[rows][keep].reshape(shape)
        r = np.where(own[rows] == labels[m], after[own[rows]], places[own[rows]])
        without = score_rows((labels[others] == own[rows, None])[None], groups[rows][keep].reshape(shape), r[None], ks)[
            :, 0
        ]
        change = without - values[:, rows]
        change[ks.size :, r == 0] = 0.0
        changes[:, rows, m] = change
    return values, changes
