"""Neighbour scores of a small corpus, by plain arrays over all places: nothing to compile, nothing to import.

The same scores as `evalkit.stats.ranking_loops` and `evalkit.stats.jackknife_loops` (the tests hold them against
each other), in O(N²) memory and O(N³) time for the jackknife, which really leaves every text out once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes

__all__ = ["complete_lists", "delete_each", "score_places", "score_rows", "untied_depth"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


def complete_lists(arrays: tuple[NDArray[Any], ...], queries: Numbers, n: int) -> tuple[Numbers, Numbers]:
    """Every row's N − 1 other texts and the number of the tied group that each is in.

    What lies beyond the listed and their ties is one last group: no score looks there.
    """
    indices, joined, tie_of, starts, members, complement, _ = arrays
    listed = indices.shape[1]
    left = np.ones((queries.size, n), dtype=np.bool_)
    left[np.arange(queries.size), queries] = False
    np.put_along_axis(left, np.asarray(indices, dtype=np.int64), False, axis=1)
    rest = np.nonzero(left)[1].reshape(queries.size, n - 1 - listed)
    order = np.concatenate([indices, rest], axis=1, dtype=np.int64)
    groups = np.empty((queries.size, n - 1), dtype=np.int64)
    groups[:, :listed] = np.cumsum(~joined, axis=1)
    groups[:, listed:] = groups[:, listed - 1 : listed] + 1
    for row in np.flatnonzero(tie_of >= 0):
        t = tie_of[row]
        tied = np.isin(rest[row], members[starts[t] : starts[t + 1]]) ^ bool(complement[t])
        order[row, listed:] = np.concatenate([rest[row][tied], rest[row][~tied]])
        groups[row, listed : listed + tied.sum()] -= 1
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
        by_place = (relevant[:, :, place] for place in range(depth))
        return score_places(by_place, places, np.minimum(ks, depth))
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


def score_places(relevant: Iterable[NDArray[np.bool_]], places: Numbers, ks: Numbers) -> Floats:
    """The scores of `score_rows`, to the last digit, where every place holds one text: what is there is certain.

    Parameters
    ----------
    relevant
        For one place after another, (…) whether the text there bears the row's label.
    places
        (…) R of each row; 0 gives R-scores of 0.
    ks
        K of precision at K, none of them more than there are places.

    Returns
    -------
    ndarray
        (len(ks) + 2, …) float64.
    """
    hits, gained = np.zeros(places.shape), np.zeros(places.shape)
    scores = np.zeros((ks.size + 2, *places.shape))
    ends = set(np.unique(places).tolist())
    for place, there in enumerate(relevant, start=1):
        hits += there
        gained += there * hits / place
        for score in np.flatnonzero(ks == place):
            np.divide(hits, place, out=scores[score])
        if place in ends:
            at_r = places == place
            np.copyto(scores[-2], hits / place, where=at_r)
            np.copyto(scores[-1], gained / place, where=at_r)
    return scores


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
    hit = labels[order] == own[:, None]
    values = score_rows(hit[None], groups, places[own][None], ks)[:, 0]
    texts = np.arange(labels.size)
    r = np.where(own[:, None] == labels, after[own][:, None], places[own][:, None])
    depth = untied_depth(groups, np.append(ks, 0) + 1, int(places.max(initial=0)) + 1)
    if depth is None or depth > order.shape[1] - 1:
        without = _delete_one_by_one(order, groups, queries, hit, r, ks)
    else:
        # Without text m, all that stood behind it moves up by one place.
        stood = np.empty((queries.size, labels.size), dtype=np.int64)
        np.put_along_axis(stood, order, np.arange(order.shape[1])[None], axis=1)
        moved = (np.where(stood <= place, hit[:, place + 1, None], hit[:, place, None]) for place in range(depth))
        without = score_places(moved, r, ks)
    changes = without - values[:, :, None]
    changes[ks.size :, r == 0] = 0.0
    changes[:, queries[:, None] == texts] = 0.0
    return values, changes


def _delete_one_by_one(
    order: Numbers, groups: Numbers, queries: Numbers, hit: NDArray[np.bool_], r: Numbers, ks: Numbers
) -> Floats:
    """(len(ks) + 2, Q, N) scores of every row without each text."""
    scores = np.zeros((ks.size + 2, *r.shape))
    for m in range(r.shape[1]):
        rows = np.flatnonzero(queries != m)
        keep = order[rows] != m
        shape = (rows.size, -1)
        relevant, left = hit[rows][keep].reshape(shape), groups[rows][keep].reshape(shape)
        scores[:, rows, m] = score_rows(relevant[None], left, r[rows, m][None], ks)[:, 0]
    return scores
