"""Compiled loops over convex hulls: every label's hull at once, and who lies in another's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled

__all__ = ["convex_hulls", "foreign_points"]


@compiled
def convex_hulls(
    points: NDArray[np.float64], order: NDArray[np.int64], labels: NDArray[np.int32], n_labels: int, nothing: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Convex hulls of the labels' points, by monotone chain.

    Parameters
    ----------
    points
        (N, 2) float64.
    order
        (N,) point numbers, by x and, where that is equal, by y.
    labels
        (N,) codes.
    n_labels
        Number of labels.
    nothing
        Twice the area up to which a triangle is taken as flat.

    Returns
    -------
    tuple
        (V, 2) corners, counter-clockwise, label after label; (n_labels + 1,) where each label's begin. A label
        whose points are collinear has the two ends, one whose points coincide has one corner.

    References
    ----------
    Andrew 1979, "Another efficient algorithm for convex hulls in two dimensions", Inf. Process. Lett. 9.
    """
    n = order.size
    starts = np.zeros(n_labels + 1, dtype=np.int64)
    for i in range(n):
        starts[labels[i] + 1] += 1
    for label in range(n_labels):
        starts[label + 1] += starts[label]
    place = starts[:-1].copy()
    grouped = np.empty(n, dtype=np.int64)
    for i in range(n):
        grouped[place[labels[order[i]]]] = order[i]
        place[labels[order[i]]] += 1
    corners = np.empty((2 * n + 2 * n_labels, 2))
    begins = np.zeros(n_labels + 1, dtype=np.int64)
    used = 0
    for label in range(n_labels):
        first, last = starts[label], starts[label + 1]
        begin = used
        for turn in range(2):  # the lower chain from left to right, the upper one back
            anchor = used
            for step in range(first, last):
                i = grouped[step] if turn == 0 else grouped[first + last - 1 - step]
                x, y = points[i, 0], points[i, 1]
                if used > anchor and corners[used - 1, 0] == x and corners[used - 1, 1] == y:
                    continue
                while used - anchor >= 2:
                    ax, ay = corners[used - 1, 0] - corners[used - 2, 0], corners[used - 1, 1] - corners[used - 2, 1]
                    if ax * (y - corners[used - 1, 1]) - ay * (x - corners[used - 1, 0]) > nothing:
                        break
                    used -= 1
                corners[used, 0], corners[used, 1] = x, y
                used += 1
            if used - anchor > 1:
                used -= 1  # where the other chain begins
            elif turn == 1:
                used = anchor  # all points coincide
        if used == begin and last > first:
            used += 1
        begins[label + 1] = used
    return corners[:used].copy(), begins


@compiled
def foreign_points(
    points: NDArray[np.float64],
    labels: NDArray[np.int32],
    corners: NDArray[np.float64],
    begins: NDArray[np.int64],
    nothing: float,
) -> NDArray[np.bool_]:
    """Which points lie inside, or on the boundary of, the hull of a label that is not theirs.

    Parameters
    ----------
    points, labels
        (N, 2) and (N,).
    corners, begins
        From `convex_hulls`.
    nothing
        Distance up to which a point is on a boundary, a segment or another point.
    """
    n_labels = begins.size - 1
    low, high = np.empty((n_labels, 2)), np.empty((n_labels, 2))
    for label in range(n_labels):
        for axis in range(2):
            low[label, axis], high[label, axis] = np.finfo(np.float64).max, -np.finfo(np.float64).max
            for corner in range(begins[label], begins[label + 1]):
                low[label, axis] = min(low[label, axis], corners[corner, axis] - nothing)
                high[label, axis] = max(high[label, axis], corners[corner, axis] + nothing)
    foreign = np.zeros(labels.size, dtype=np.bool_)
    for i in range(labels.size):
        x, y = points[i, 0], points[i, 1]
        for label in range(n_labels):
            if label == labels[i] or x < low[label, 0] or x > high[label, 0] or y < low[label, 1] or y > high[label, 1]:
                continue
            first, last = begins[label], begins[label + 1]
            inside = True
            for corner in range(first, last):
                following = corner + 1 if corner + 1 < last else first
                dx, dy = corners[following, 0] - corners[corner, 0], corners[following, 1] - corners[corner, 1]
                side = dx * (y - corners[corner, 1]) - dy * (x - corners[corner, 0])
                if side < -nothing * np.sqrt(dx * dx + dy * dy):
                    inside = False
                    break
            if inside:
                foreign[i] = True
                break
    return foreign
