"""k-means of few vectors from their products alone: all starts in one compiled call, nothing to import.

Every distance to a mean of vectors is a sum of products, so that the vectors' dimension does not matter. The starts
are those that scikit-learn draws, the rounds Lloyd's.

References
----------
Lloyd 1982, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28. Arthur & Vassilvitskii 2007,
"k-means++: The advantages of careful seeding", SODA.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled_exactly

__all__ = ["cluster_few"]

Floats = NDArray[np.float64]

ROUNDS = 300
STILL = 1e-4  # centres that move by less, as a share of the vectors' variance, have arrived (scikit-learn's rule)
SAME = 1e-6  # inertias that differ by less, as a share, are of the same clusters


def cluster_few(vectors: NDArray[Any], n_clusters: int, starts: int, seed: int) -> NDArray[np.int32] | None:
    """(N,) clusters of the start of least inertia; None where a start loses a cluster, which is not dealt with here.

    Parameters
    ----------
    vectors
        (N, d).
    n_clusters
        k, at most N.
    starts, seed
        How many, and what seeds them, as scikit-learn's ``n_init`` and ``random_state``.
    """
    centred = vectors.astype(np.float64)
    centred -= centred.mean(axis=0)
    trials = 2 + int(np.log(n_clusters))
    drawn = np.random.RandomState(seed).random_sample((starts, 1 + (n_clusters - 1) * trials))
    still = STILL * float(np.square(centred).sum()) / centred.size
    labels, lost = _cluster(centred @ centred.T, n_clusters, trials, drawn, still)
    return None if lost else labels


@compiled_exactly
def _draw_start(squares, n_clusters, trials, drawn):  # type: ignore[no-untyped-def]
    """Numbers of the vectors that greedy k-means++ starts from."""
    n = squares.shape[0]
    chosen = np.empty(n_clusters, np.int64)
    chosen[0] = min(int(drawn[0] * n), n - 1)
    nearest, joined, best = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        nearest[i] = squares[chosen[0], i]
    for number in range(1, n_clusters):
        total, least = 0.0, -1.0
        for i in range(n):
            total += nearest[i]
        for trial in range(trials):
            wanted = drawn[1 + (number - 1) * trials + trial] * total
            tried, reached = 0, nearest[0]
            while reached < wanted and tried < n - 1:
                tried += 1
                reached += nearest[tried]
            left = 0.0
            for i in range(n):
                joined[i] = min(nearest[i], squares[tried, i])
                left += joined[i]
            if least < 0.0 or left < least:
                least = left
                chosen[number] = tried
                joined, best = best, joined
        nearest, best = best, nearest
    return chosen


@compiled_exactly
def _place(gram, chosen, to_centres, lengths):  # type: ignore[no-untyped-def]
    """Let the chosen vectors be the centres."""
    for c in range(chosen.size):
        for i in range(gram.shape[0]):
            to_centres[c, i] = gram[chosen[c], i]
        lengths[c] = gram[chosen[c], chosen[c]]


@compiled_exactly
def _measure(gram, labels, n_clusters, to_centres, lengths, sizes):  # type: ignore[no-untyped-def]
    """Products of the clusters' means with every vector and with themselves; the number of empty clusters."""
    n = labels.size
    sizes[:] = 0
    to_centres[:] = 0.0
    lengths[:] = 0.0
    for i in range(n):
        sizes[labels[i]] += 1
        for j in range(n):
            to_centres[labels[i], j] += gram[i, j]
    empty = 0
    for c in range(n_clusters):
        if sizes[c] == 0:
            empty += 1
            continue
        for j in range(n):
            to_centres[c, j] /= sizes[c]
    for i in range(n):
        lengths[labels[i]] += to_centres[labels[i], i] / sizes[labels[i]]
    return empty


@compiled_exactly
def _assign(gram, to_centres, lengths, labels):  # type: ignore[no-untyped-def]
    """Put every vector to its nearest centre; returns the inertia and how many have another one than before."""
    inertia, changed = 0.0, 0
    for i in range(labels.size):
        own, least = 0, lengths[0] - 2.0 * to_centres[0, i]
        for c in range(1, lengths.size):
            distance = lengths[c] - 2.0 * to_centres[c, i]
            if distance < least:
                own, least = c, distance
        inertia += gram[i, i] + least
        changed += own != labels[i]
        labels[i] = own
    return inertia, changed


@compiled_exactly
def _moved(gram, before, after, sizes_before, sizes_after):  # type: ignore[no-untyped-def]
    """Sum of the squares by which the means of the clusters have moved."""
    total = 0.0
    weights = np.empty(before.size)
    for c in range(sizes_after.size):
        for i in range(before.size):
            weights[i] = (after[i] == c) / sizes_after[c] - (before[i] == c) / sizes_before[c]
        for i in range(before.size):
            for j in range(before.size):
                total += weights[i] * weights[j] * gram[i, j]
    return total


@compiled_exactly
def _cluster(gram, n_clusters, trials, drawn, still):  # type: ignore[no-untyped-def]
    """Clusters of the best start, and whether one lost a cluster on the way."""
    n = gram.shape[0]
    squares = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            squares[i, j] = max(gram[i, i] + gram[j, j] - 2.0 * gram[i, j], 0.0) if i != j else 0.0
    best, kept = -1.0, np.zeros(n, np.int32)
    to_centres, lengths = np.empty((n_clusters, n)), np.empty(n_clusters)
    sizes, sizes_before = np.zeros(n_clusters, np.int64), np.zeros(n_clusters, np.int64)
    for start in range(drawn.shape[0]):
        chosen = _draw_start(squares, n_clusters, trials, drawn[start])
        _place(gram, chosen, to_centres, lengths)
        labels, before = np.empty(n, np.int32), np.empty(n, np.int32)
        for i in range(n):
            labels[i] = -1
        inertia = 0.0
        for step in range(ROUNDS):
            # Element by element: numba takes two seconds to compile an array's assignment to a part of another.
            for i in range(n):
                before[i] = labels[i]
            for c in range(n_clusters):
                sizes_before[c] = sizes[c]
            inertia, changed = _assign(gram, to_centres, lengths, labels)
            if changed == 0:
                break
            if _measure(gram, labels, n_clusters, to_centres, lengths, sizes) > 0:
                return kept, True
            if step > 0 and _moved(gram, before, labels, sizes_before, sizes) <= still:
                inertia, changed = _assign(gram, to_centres, lengths, labels)
                break
        if best < 0.0 or inertia < best * (1.0 - SAME):
            best, kept = inertia, labels
    return kept, False
