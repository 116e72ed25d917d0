"""Compiled loops over areas of convex hulls: their own, what each two have in common, what all of them cover."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled

__all__ = ["covered_areas", "hull_areas", "shared_areas"]


@compiled
def _area(polygon: NDArray[np.float64], count: int) -> float:
    """Area of the first `count` corners, counter-clockwise; about the first corner, so that digits are kept."""
    twice = 0.0
    for corner in range(1, count - 1):
        ax, ay = polygon[corner, 0] - polygon[0, 0], polygon[corner, 1] - polygon[0, 1]
        bx, by = polygon[corner + 1, 0] - polygon[0, 0], polygon[corner + 1, 1] - polygon[0, 1]
        twice += ax * by - ay * bx
    return 0.5 * twice


@compiled
def _copy(source: NDArray[np.float64], count: int, target: NDArray[np.float64]) -> None:
    """The first corners; number by number, since numba takes two seconds to compile an assignment of slices."""
    for corner in range(count):
        target[corner, 0], target[corner, 1] = source[corner, 0], source[corner, 1]


@compiled
def hull_areas(corners: NDArray[np.float64], begins: NDArray[np.int64]) -> NDArray[np.float64]:
    """(k,) areas of the hulls that `hull_geometry.convex_hulls` returns."""
    areas = np.zeros(begins.size - 1)
    for label in range(areas.size):
        areas[label] = max(_area(corners[begins[label] : begins[label + 1]], begins[label + 1] - begins[label]), 0.0)
    return areas


@compiled
def _clip(
    polygon: NDArray[np.float64],
    count: int,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    clipped: NDArray[np.float64],
) -> int:
    """Keep what of a convex polygon lies to the left of a line; returns the number of corners left."""
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


@compiled
def shared_areas(corners: NDArray[np.float64], begins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Area that each two hulls have in common.

    Parameters
    ----------
    corners, begins
        From `hull_geometry.convex_hulls`.

    Returns
    -------
    ndarray
        (k, k) float64, filled above the diagonal; 0 where one of the two has no area.

    References
    ----------
    Sutherland & Hodgman 1974, "Reentrant polygon clipping", Commun. ACM 17.
    """
    k = begins.size - 1
    longest = 0
    low, high = np.zeros((k, 2)), np.zeros((k, 2))
    for label in range(k):
        longest = max(longest, begins[label + 1] - begins[label])
        for axis in range(2):
            for corner in range(begins[label], begins[label + 1]):
                value = corners[corner, axis]
                low[label, axis] = value if corner == begins[label] else min(low[label, axis], value)
                high[label, axis] = value if corner == begins[label] else max(high[label, axis], value)
    shared = np.zeros((k, k))
    ping, pong = np.empty((4 * longest + 8, 2)), np.empty((4 * longest + 8, 2))
    for a in range(k):
        for b in range(a + 1, k):
            count, sides = begins[a + 1] - begins[a], begins[b + 1] - begins[b]
            if count < 3 or sides < 3 or (low[a] > high[b]).any() or (low[b] > high[a]).any():
                continue
            _copy(corners[begins[a] :], count, ping)
            for side in range(sides):
                following = begins[b] + (side + 1 if side + 1 < sides else 0)
                count = _clip(ping, count, corners[begins[b] + side], corners[following], pong)
                ping, pong = pong, ping
                if count < 3:
                    break
            if count >= 3:
                shared[a, b] = max(_area(ping, count), 0.0)
    return shared


@compiled
def covered_areas(
    corners: NDArray[np.float64], begins: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Area that any of a few hulls covers, and that two or more of them cover.

    By inclusion and exclusion over the hulls' common parts, which are convex: 2^k of them, where all overlap.

    Parameters
    ----------
    corners, begins
        From `hull_geometry.convex_hulls`.
    labels
        Those hulls that have an area.
    """
    k = labels.size
    room = 8
    for label in labels:
        room += begins[label + 1] - begins[label]
    # Level d holds what the first d + 1 chosen hulls have in common; the last level is for clipping alone.
    common, counts, chosen = np.empty((k + 1, room, 2)), np.zeros(k, dtype=np.int64), np.zeros(k, dtype=np.int64)
    once, twice = 0.0, 0.0
    level, following = 0, 0
    while True:
        if following == k:
            if level == 0:
                return once, twice
            level -= 1
            following = chosen[level] + 1
            continue
        first, last = begins[labels[following]], begins[labels[following] + 1]
        if level == 0:
            count = last - first
            _copy(corners[first:], count, common[0])
        else:
            count = counts[level - 1]
            _copy(common[level - 1], count, common[level])
            for side in range(first, last):
                count = _clip(
                    common[level], count, corners[side], corners[side + 1 if side + 1 < last else first], common[k]
                )
                _copy(common[k], count, common[level])
                if count < 3:
                    break
        chosen[level] = following
        following += 1
        if count >= 3:
            area = _area(common[level], count)
            if area > 0.0:
                sign = 1.0 if level % 2 == 0 else -1.0
                once += sign * area
                twice -= sign * level * area
                counts[level] = count
                level += 1
