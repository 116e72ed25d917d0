"""Compiled loops over the points of a map: silhouettes and leave-one-out centroids of one labelling.

A labelling's points are laid out label by label, so that the sum of a text's distances to a label runs over
consecutive numbers: about a nanosecond a pair, and no N × N matrix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled

__all__ = ["centroid_hits", "hits_of_each", "silhouettes", "silhouettes_of_each"]

TEXTS, QUERIES = 128, 64  # whose distances are held at a time


@compiled
def _by_label(
    points: NDArray[np.float64], labels: NDArray[np.int32], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Coordinates in the order of the labels, and where each label starts."""
    starts = np.zeros(sizes.size + 1, dtype=np.int64)
    for label in range(sizes.size):
        starts[label + 1] = starts[label] + sizes[label]
    place = starts[:-1].copy()
    across, up = np.empty(labels.size), np.empty(labels.size)
    for i in range(labels.size):
        at = place[labels[i]]
        across[at], up[at] = points[i, 0], points[i, 1]
        place[labels[i]] += 1
    return across, up, starts


@compiled
def silhouettes(
    points: NDArray[np.float64],
    labels: NDArray[np.int32],
    sizes: NDArray[np.int64],
    rows: NDArray[np.int64],
    nothing: float,
) -> NDArray[np.float64]:
    """Euclidean silhouettes of some texts against all.

    Parameters
    ----------
    points
        (N, 2) float64.
    labels
        (N,) codes 0 … k − 1.
    sizes
        (k,) their sizes.
    rows
        (Q,) texts to score.
    nothing
        Mean distances up to this are none: the silhouette is 0 where both are.

    Returns
    -------
    ndarray
        (Q,) float64 in [−1, 1]; 0 for the only text of a label.
    """
    across, up, starts = _by_label(points, labels, sizes)
    values = np.zeros(rows.size)
    for q in range(rows.size):
        i = rows[q]
        x, y, own = points[i, 0], points[i, 1], labels[i]
        if sizes[own] < 2:
            continue
        inner, outer = 0.0, np.finfo(np.float64).max
        for label in range(sizes.size):
            if sizes[label] == 0:
                continue
            total = 0.0
            for at in range(starts[label], starts[label + 1]):
                dx, dy = across[at] - x, up[at] - y
                total += np.sqrt(dx * dx + dy * dy)
            if label == own:
                inner = total / (sizes[label] - 1)
            else:
                outer = min(outer, total / sizes[label])
        larger = max(inner, outer)
        if larger > nothing:
            values[q] = (outer - inner) / larger
    return values


@compiled
def centroid_hits(
    points: NDArray[np.float64], labels: NDArray[np.int32], sizes: NDArray[np.int64], nothing: float
) -> NDArray[np.float64]:
    """Whether the nearest label mean is the text's own, the text left out of it.

    Parameters
    ----------
    points, labels, sizes
        As in `silhouettes`.
    nothing
        Squared distances that differ by no more are equal.

    Returns
    -------
    ndarray
        (N,) float64: 1, 0, or 1/t where the own mean is one of t equally near; 0 for the only text of a label.
    """
    k = sizes.size
    sums = np.zeros((k, 2))
    for i in range(labels.size):
        sums[labels[i], 0] += points[i, 0]
        sums[labels[i], 1] += points[i, 1]
    hits = np.zeros(labels.size)
    for i in range(labels.size):
        own = labels[i]
        if sizes[own] < 2:
            continue
        x, y, others = points[i, 0], points[i, 1], sizes[own] - 1.0
        dx, dy = (sums[own, 0] - x) / others - x, (sums[own, 1] - y) / others - y
        mine = dx * dx + dy * dy
        tied, beaten = 1, False
        for label in range(k):
            if label == own or sizes[label] == 0:
                continue
            dx, dy = sums[label, 0] / sizes[label] - x, sums[label, 1] / sizes[label] - y
            other = dx * dx + dy * dy
            if other < mine - nothing:
                beaten = True
                break
            if other <= mine + nothing:
                tied += 1
        if not beaten:
            hits[i] = 1.0 / tied
    return hits


@compiled
def silhouettes_of_each(
    points: NDArray[np.float64],
    labellings: NDArray[np.int32],
    sizes: NDArray[np.int64],
    rows: NDArray[np.int64],
    nothing: float,
) -> NDArray[np.float64]:
    """(P, Q) `silhouettes` of (P, N) labellings of the same sizes.

    A distance is taken once for all labellings, and added to the sum of the label that it goes to in each: of
    neighbouring queries side by side, so that an addition is of some numbers at once.
    """
    n, width = points.shape[0], min(QUERIES, rows.size)
    values = np.zeros((labellings.shape[0], rows.size))
    distances = np.empty((min(TEXTS, n), width))
    sums = np.empty((labellings.shape[0], sizes.size, width))
    x, y = np.zeros(width), np.zeros(width)
    for first in range(0, rows.size, width):
        queries = min(width, rows.size - first)
        for q in range(queries):
            x[q], y[q] = points[rows[first + q], 0], points[rows[first + q], 1]
        sums[:] = 0.0
        for start in range(0, n, TEXTS):
            texts = min(TEXTS, n - start)
            for t in range(texts):
                for q in range(width):
                    dx, dy = points[start + t, 0] - x[q], points[start + t, 1] - y[q]
                    distances[t, q] = np.sqrt(dx * dx + dy * dy)
            for p in range(labellings.shape[0]):
                for t in range(texts):
                    row, each = sums[p, labellings[p, start + t]], distances[t]
                    for q in range(row.size):
                        row[q] += each[q]
        for p in range(labellings.shape[0]):
            for q in range(queries):
                own = labellings[p, rows[first + q]]
                values[p, first + q] = _silhouette(sums[p, :, q], own, sizes, nothing)
    return values


@compiled
def _silhouette(sums: NDArray[np.float64], own: int, sizes: NDArray[np.int64], nothing: float) -> float:
    """Silhouette of a text from the sums of its distances to each label's texts."""
    if sizes[own] < 2:
        return 0.0
    inner, outer = sums[own] / (sizes[own] - 1), np.finfo(np.float64).max
    for label in range(sizes.size):
        if label != own and sizes[label] > 0:
            outer = min(outer, sums[label] / sizes[label])
    larger = max(inner, outer)
    return (outer - inner) / larger if larger > nothing else 0.0


@compiled
def hits_of_each(
    points: NDArray[np.float64], labellings: NDArray[np.int32], sizes: NDArray[np.int64], nothing: float
) -> NDArray[np.float64]:
    """(P, N) `centroid_hits` of (P, N) labellings."""
    values = np.empty((labellings.shape[0], labellings.shape[1]))
    for p in range(labellings.shape[0]):
        hits = centroid_hits(points, labellings[p], sizes, nothing)
        for i in range(hits.size):  # an assignment of the row takes numba two seconds to compile
            values[p, i] = hits[i]
    return values
