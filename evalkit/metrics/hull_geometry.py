"""Compiled loops over the convex hulls of labelled points: corners, areas, intersections, points inside.

A label with fewer than three non-collinear points has a hull of area 0: a segment (two corners) or a point (one).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled
from evalkit.types import Floats


@compiled
def convex_hulls(points: Floats, starts: NDArray[np.int64], flat: float) -> tuple[Floats, NDArray[np.int64]]:
    """Corners (V, 2) of each label's hull, counter-clockwise, and (k + 1,) the first corner of each label, then V.

    By Andrew's monotone chain of points label after label from `starts`, each label's in ascending order of x, then y.
    `flat` is twice the area up to which a triangle counts as collinear.
    """
    k = starts.size - 1
    corners = np.empty((2 * points.shape[0] + 2 * k, 2))
    begins = np.zeros(k + 1, dtype=np.int64)
    used = 0
    for label in range(k):
        first, last = starts[label], starts[label + 1]
        begin = used
        for turn in range(2):  # the lower chain from left to right, then the upper chain back
            anchor = used
            for step in range(first, last):
                i = step if turn == 0 else first + last - 1 - step
                x, y = points[i, 0], points[i, 1]
                if used > anchor and corners[used - 1, 0] == x and corners[used - 1, 1] == y:
                    continue
                while used - anchor >= 2:
                    ax, ay = corners[used - 1, 0] - corners[used - 2, 0], corners[used - 1, 1] - corners[used - 2, 1]
                    if ax * (y - corners[used - 1, 1]) - ay * (x - corners[used - 1, 0]) > flat:
                        break
                    used -= 1
                corners[used, 0], corners[used, 1] = x, y
                used += 1
            if used - anchor > 1:
                used -= 1  # the other chain starts with this corner
            elif turn == 1:
                used = anchor  # all points coincide
        if used == begin and last > first:
            used += 1
        begins[label + 1] = used
    return corners[:used].copy(), begins


@compiled
def hull_areas(corners: Floats, begins: NDArray[np.int64]) -> Floats:
    """(k,) areas of the hulls that `convex_hulls` returns."""
    areas = np.zeros(begins.size - 1)
    for label in range(areas.size):
        areas[label] = _area(corners[begins[label] : begins[label + 1]], begins[label + 1] - begins[label])
    return areas


@compiled
def shared_areas(corners: Floats, begins: NDArray[np.int64]) -> Floats:
    """(k, k) intersection areas of the hulls, filled above the diagonal (Sutherland & Hodgman 1974)."""
    k = begins.size - 1
    low, high, longest = _bounds(corners, begins)
    shared = np.zeros((k, k))
    polygon, clipped = np.empty((4 * longest + 8, 2)), np.empty((4 * longest + 8, 2))
    for a in range(k):
        for b in range(a + 1, k):
            count, sides = begins[a + 1] - begins[a], begins[b + 1] - begins[b]
            apart = low[a, 0] > high[b, 0] or low[a, 1] > high[b, 1] or low[b, 0] > high[a, 0] or low[b, 1] > high[a, 1]
            if count < 3 or sides < 3 or apart:
                continue
            for corner in range(count):  # numba takes two seconds to compile an assignment of slices
                polygon[corner, 0], polygon[corner, 1] = corners[begins[a] + corner, 0], corners[begins[a] + corner, 1]
            for side in range(sides):
                following = begins[b] + (side + 1 if side + 1 < sides else 0)
                count = _clip(polygon, count, corners[begins[b] + side], corners[following], clipped)
                polygon, clipped = clipped, polygon
                if count < 3:
                    break
            if count >= 3:
                shared[a, b] = _area(polygon, count)
    return shared


@compiled
def foreign_points(
    points: Floats, labels: NDArray[np.int32], corners: Floats, begins: NDArray[np.int64], tolerance: float
) -> NDArray[np.bool_]:
    """(N,) whether a point lies inside another label's hull, or up to `tolerance` from its boundary."""
    low, high, _ = _bounds(corners, begins)
    foreign = np.zeros(labels.size, dtype=np.bool_)
    for i in range(labels.size):
        x, y = points[i, 0], points[i, 1]
        for label in range(begins.size - 1):
            if label == labels[i] or x < low[label, 0] - tolerance or x > high[label, 0] + tolerance:
                continue
            if y < low[label, 1] - tolerance or y > high[label, 1] + tolerance:
                continue
            first, last = begins[label], begins[label + 1]
            inside = True
            for corner in range(first, last):
                following = corner + 1 if corner + 1 < last else first
                dx, dy = corners[following, 0] - corners[corner, 0], corners[following, 1] - corners[corner, 1]
                side = dx * (y - corners[corner, 1]) - dy * (x - corners[corner, 0])
                if side < -tolerance * np.sqrt(dx * dx + dy * dy):
                    inside = False
                    break
            if inside:
                foreign[i] = True
                break
    return foreign


@compiled
def _bounds(corners: Floats, begins: NDArray[np.int64]) -> tuple[Floats, Floats, int]:
    """(k, 2) least and largest coordinates of each hull, and the largest number of corners."""
    k, longest = begins.size - 1, 0
    low, high = np.full((k, 2), np.finfo(np.float64).max), np.full((k, 2), -np.finfo(np.float64).max)
    for label in range(k):
        longest = max(longest, begins[label + 1] - begins[label])
        for corner in range(begins[label], begins[label + 1]):
            for axis in range(2):
                low[label, axis] = min(low[label, axis], corners[corner, axis])
                high[label, axis] = max(high[label, axis], corners[corner, axis])
    return low, high, longest


@compiled
def _area(polygon: Floats, count: int) -> float:
    """Area of the first `count` corners; taken about the first one, which keeps digits far from the origin."""
    twice = 0.0
    for corner in range(1, count - 1):
        ax, ay = polygon[corner, 0] - polygon[0, 0], polygon[corner, 1] - polygon[0, 1]
        bx, by = polygon[corner + 1, 0] - polygon[0, 0], polygon[corner + 1, 1] - polygon[0, 1]
        twice += ax * by - ay * bx
    return max(0.5 * twice, 0.0)


@compiled
def _clip(polygon: Floats, count: int, start: Floats, end: Floats, clipped: Floats) -> int:
    """Write the part of a convex polygon left of a line to `clipped`, and return its number of corners."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    kept = 0
    before_x, before_y = polygon[count - 1, 0], polygon[count - 1, 1]
    before = dx * (before_y - start[1]) - dy * (before_x - start[0])
    for corner in range(count):
        x, y = polygon[corner, 0], polygon[corner, 1]
        here = dx * (y - start[1]) - dy * (x - start[0])
        if (here >= 0.0) != (before >= 0.0):
            share = before / (before - here)
            clipped[kept, 0], clipped[kept, 1] = before_x + share * (x - before_x), before_y + share * (y - before_y)
            kept += 1
        if here >= 0.0:
            clipped[kept, 0], clipped[kept, 1] = x, y
            kept += 1
        before_x, before_y, before = x, y, here
    return kept
