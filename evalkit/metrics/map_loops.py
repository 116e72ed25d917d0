"""Compiled loops over the points of a map: silhouettes and leave-one-out centroids, without an N × N matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled
from evalkit.types import Floats

TEXTS, QUERIES = 128, 64  # the block of distances in memory


@compiled
def silhouettes(
    points: Floats, labellings: NDArray[np.int32], sizes: NDArray[np.int64], rows: NDArray[np.int64], tolerance: float
) -> Floats:
    """(P, Q) Euclidean silhouettes of some texts under each of (P, N) labellings; 0 where distances are ≤ `tolerance`.

    A distance is computed once for all labellings. The sums of 64 queries lie side by side, so that they are added
    with vector instructions.
    """
    n = points.shape[0]
    values = np.zeros((labellings.shape[0], rows.size))
    distances = np.empty((TEXTS, QUERIES))
    sums = np.empty((labellings.shape[0], sizes.size, QUERIES))
    x, y = np.zeros(QUERIES), np.zeros(QUERIES)
    for first in range(0, rows.size, QUERIES):
        queries = min(QUERIES, rows.size - first)
        for q in range(queries):
            x[q], y[q] = points[rows[first + q], 0], points[rows[first + q], 1]
        sums[:] = 0.0
        for start in range(0, n, TEXTS):
            texts = min(TEXTS, n - start)
            for t in range(texts):
                for q in range(QUERIES):
                    dx, dy = points[start + t, 0] - x[q], points[start + t, 1] - y[q]
                    distances[t, q] = np.sqrt(dx * dx + dy * dy)
            for p in range(labellings.shape[0]):
                for t in range(texts):
                    label_sums, distance = sums[p, labellings[p, start + t]], distances[t]
                    for q in range(label_sums.size):
                        label_sums[q] += distance[q]
        for p in range(labellings.shape[0]):
            for q in range(queries):
                own = labellings[p, rows[first + q]]
                values[p, first + q] = _silhouette(sums[p, :, q], own, sizes, tolerance)
    return values


@compiled
def _silhouette(sums: Floats, own: int, sizes: NDArray[np.int64], tolerance: float) -> float:
    """Silhouette of one text, from the sums of its distances to each label's texts."""
    if sizes[own] < 2:
        return 0.0
    inner, outer = sums[own] / (sizes[own] - 1), np.finfo(np.float64).max
    for label in range(sizes.size):
        if label != own and sizes[label] > 0:
            outer = min(outer, sums[label] / sizes[label])
    larger = max(inner, outer)
    return (outer - inner) / larger if larger > tolerance else 0.0


@compiled
def centroid_hits(points: Floats, labels: NDArray[np.int32], sizes: NDArray[np.int64], tolerance: float) -> Floats:
    """(N,) whether a text's nearest label mean is its own label's, the text itself left out of it.

    1, 0, or 1/t where the own mean is one of t whose squared distances differ by at most `tolerance`; 0 for the only
    text of a label.
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
            if other < mine - tolerance:
                beaten = True
                break
            if other <= mine + tolerance:
                tied += 1
        if not beaten:
            hits[i] = 1.0 / tied
    return hits
