"""Balanced leave-one-out centroid accuracy of every pair of labels.

For a text of label a and another label b the question is whether the text is nearer to the rest of its own label than
to b. The share of a's texts for which it is, averaged with the same share of b's, is the pair's accuracy: in the
embedding by cosine, on the map by Euclidean distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evalkit.metrics.label_means import sum_by_label
from evalkit.stats.mean_intervals import CENTROID_WIDENING, mean_share_interval
from evalkit.types import Codes, Floats, Points, Vectors

BLOCK_VALUES = 1 << 20
THREADS = 2


def embedding_rates(unit: Vectors, labels: Codes, n_labels: int) -> Floats:
    """(k, k) share of label a's texts (row) that are nearer by cosine to the rest of a than to label b's sum (column).

    A tie counts one half, and a text whose label's rest sums to zero (a label's only text) is wrong. The diagonal has
    no meaning.
    """
    tolerance = 64 * float(np.finfo(np.float64).eps)
    sizes = np.bincount(labels, minlength=n_labels)
    step = max(1, BLOCK_VALUES // max(n_labels, unit.shape[1]))
    blocks = [slice(start, start + step) for start in range(0, len(unit), step)]
    sums = np.zeros((n_labels, unit.shape[1]))
    for rows in blocks:
        sums += sum_by_label(unit[rows].astype(np.float64), labels[None, rows], n_labels)[0]
    lengths = np.einsum("kd,kd->k", sums, sums)
    wins = np.zeros((n_labels, n_labels))
    for rows in blocks:
        block, own = unit[rows].astype(np.float64), labels[rows]
        inner = block @ sums.T
        squares = np.einsum("nd,nd->n", block, block)
        to_own = inner[np.arange(own.size), own]
        mine = _cosine(to_own - squares, lengths[own] - 2 * to_own + squares, tolerance * sizes[own])
        others = _cosine(inner, lengths, tolerance * sizes)
        wins += sum_by_label(_wins(mine[:, None], others, tolerance), own[None], n_labels)[0]
    return wins / np.maximum(sizes, 1)[:, None]


def map_rates(points: Points, labels: Codes, n_labels: int) -> Floats:
    """As `embedding_rates`, by Euclidean distance on the map to the labels' means."""
    centred = points - points.mean(axis=0)
    tolerance = 1e-12 * float(np.square(np.ptp(points, axis=0)).sum())
    sizes = np.bincount(labels, minlength=n_labels)
    sums = sum_by_label(centred, labels[None], n_labels)[0]
    means = sums / np.maximum(sizes, 1)[:, None]
    wins = np.zeros((n_labels, n_labels))
    step = max(1, BLOCK_VALUES // n_labels)
    for start in range(0, len(points), step):
        block, own = centred[start : start + step], labels[start : start + step]
        apart = (block[:, :1] - means[None, :, 0]) ** 2 + (block[:, 1:] - means[None, :, 1]) ** 2
        rest = (sums[own] - block) / np.maximum(sizes[own] - 1, 1)[:, None]
        mine = np.where(sizes[own] > 1, np.square(block - rest).sum(axis=1), np.inf)
        wins += sum_by_label(_wins(-mine[:, None], -apart, tolerance), own[None], n_labels)[0]
    return wins / np.maximum(sizes, 1)[:, None]


def pair_accuracy(rates: Floats) -> Floats:
    """(k, k) symmetric mean of the two labels' shares; both labels count the same, whatever their sizes."""
    return (rates + rates.T) / 2


def accuracy_intervals(rates: Floats, sizes: NDArray[np.int64], a: Codes, b: Codes) -> tuple[Floats, Floats]:
    """(P,) ends of Wilson's 95 % interval for the accuracy of pairs (a, b), conditional on the centroids."""
    shares, counts = np.stack([rates[a, b], rates[b, a]]), np.stack([sizes[a], sizes[b]])
    return mean_share_interval(shares, counts, widen=CENTROID_WIDENING)


def chance_accuracies(
    unit: Vectors,
    members: Sequence[NDArray[np.int64]],
    a: Codes,
    b: Codes,
    rng: np.random.Generator,
    *,
    permutations: int,
) -> Floats:
    """(P,) mean accuracies of pairs (a, b) when the texts of the two (`members`, by label) are shuffled between them.

    They lie below one half: leaving a text out moves its own centroid away from it, the more so the smaller the labels
    are and the closer all vectors lie to one direction.
    """

    def shuffle(first: int, second: int, draws: np.random.Generator) -> float:
        vectors = np.asarray(unit[np.concatenate([members[first], members[second]])], dtype=np.float32)
        marks = np.zeros((permutations, len(vectors)), dtype=np.float32)
        marks[:, : members[first].size] = 1.0
        return float(_shuffled_accuracy(vectors @ vectors.T, draws.permuted(marks, axis=1)).mean())

    # Products this small are slower on two threads than on one: two pairs at a time instead.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(shuffle, a, b, rng.spawn(a.size))), dtype=np.float64)


def _shuffled_accuracy(gram: NDArray[np.float32], marks: NDArray[np.float32]) -> Floats:
    """(B,) accuracies of labellings given as (B, n) marks of the first label, from the texts' products."""
    squares, totals = np.diag(gram).astype(np.float64), gram.sum(axis=1, dtype=np.float64)
    tolerance = 64 * float(np.finfo(np.float32).eps)
    to_first = (marks @ gram).astype(np.float64)
    lengths = np.einsum("bn,bn->b", to_first, marks)[:, None]
    lengths_second = totals.sum() - 2 * (marks @ totals)[:, None] + lengths
    is_first = marks > 0
    counts = marks.sum(axis=1, keepdims=True)
    own = np.where(is_first, to_first, totals - to_first)
    other = totals - own
    own_length = np.where(is_first, lengths, lengths_second)
    other_length = np.where(is_first, lengths_second, lengths)
    members = np.where(is_first, counts, marks.shape[1] - counts)
    mine = _cosine(own - squares, own_length - 2 * own + squares, tolerance * members)
    wins = _wins(mine, _cosine(other, other_length, tolerance * (marks.shape[1] - members)), tolerance)
    first, second = ((wins * chosen).sum(axis=1) / chosen.sum(axis=1) for chosen in (is_first, ~is_first))
    return np.asarray((first + second) / 2)


def _cosine(inner: Floats, square: Floats, tolerance: NDArray[np.floating[Any]]) -> Floats:
    """Product with a sum over the sum's length; −inf where the sum is zero but for rounding."""
    zero = square <= tolerance
    return np.where(zero, -np.inf, inner / np.sqrt(np.where(zero, 1.0, square)))


def _wins(mine: Floats, other: Floats, tolerance: float) -> Floats:
    """1 where the own label is nearer, one half for a tie, else 0; a text without an own centroid (−inf) is 0."""
    near = np.where(mine > other + tolerance, 1.0, np.where(mine >= other - tolerance, 0.5, 0.0))
    return np.where(np.isneginf(mine), 0.0, near)
