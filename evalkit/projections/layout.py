"""UMAP's two loops: memberships of the neighbour graph, and the layout by sampled attraction and repulsion.

Both compute what umap-learn 0.5 computes (the tests hold them against it), with its random generator. umap-learn
compiles its own anew in every process, 6 to 10 seconds; these are compiled once a machine.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled

__all__ = ["draw", "lay_out", "memberships"]

SEARCH_STEPS = 64
SEARCH_TOLERANCE = 1e-5
LEAST_WIDTH = 1e-3  # of a text's mean distance
LARGEST_STEP = 4.0
TABLE_BITS = 10


@compiled
def memberships(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each listed neighbour belongs to the text's fuzzy neighbourhood.

    Parameters
    ----------
    distances
        (N, k − 1) float32, ascending, of the nearest others.

    Returns
    -------
    ndarray
        (N, k − 1) float32 in (0, 1]: exp(−(d − nearest)/width), the width such that they sum to log2 k.
    """
    n, others = distances.shape
    target = np.log2(others + 1.0)
    overall = distances.sum() / (n * (others + 1.0))  # umap-learn's means count the text itself, at 0
    strengths = np.empty((n, others), dtype=np.float32)
    for i in range(n):
        nearest = 0.0
        total = 0.0
        for j in range(others):
            distance = distances[i, j]
            total += distance
            if nearest == 0.0 and distance > 0.0:
                nearest = distance
        low, high, width = 0.0, 0.0, 1.0
        bounded = False
        for _ in range(SEARCH_STEPS):
            reached = 0.0
            for j in range(others):
                beyond = distances[i, j] - nearest
                reached += np.exp(-beyond / width) if beyond > 0.0 else 1.0
            if abs(reached - target) < SEARCH_TOLERANCE:
                break
            if reached > target:
                high, bounded = width, True
                width = (low + high) / 2.0
            else:
                low = width
                width = (low + high) / 2.0 if bounded else width * 2.0
        least = LEAST_WIDTH * (total / (others + 1.0) if nearest > 0.0 else overall)
        width = max(width, least)
        for j in range(others):
            beyond = distances[i, j] - nearest
            strengths[i, j] = np.exp(-beyond / width) if beyond > 0.0 else 1.0
    return strengths


@compiled
def draw(state: NDArray[np.int64]) -> np.int32:
    """Next 32-bit integer of a Tausworthe generator, as umap-learn draws it."""
    state[0] = (((state[0] & 4294967294) << 12) & 0xFFFFFFFF) ^ ((((state[0] << 13) & 0xFFFFFFFF) ^ state[0]) >> 19)
    state[1] = (((state[1] & 4294967288) << 4) & 0xFFFFFFFF) ^ ((((state[1] << 2) & 0xFFFFFFFF) ^ state[1]) >> 25)
    state[2] = (((state[2] & 4294967280) << 17) & 0xFFFFFFFF) ^ ((((state[2] << 3) & 0xFFFFFFFF) ^ state[2]) >> 11)
    return np.int32(state[0] ^ state[1] ^ state[2])


@compiled
def _clip(step: float) -> float:
    return min(max(step, -LARGEST_STEP), LARGEST_STEP)


@compiled
def _power_tables(
    exponent: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], tuple[float, float, float, float, float]]:
    """What `_power` looks up for one exponent.

    Returns
    -------
    tuple
        Of the middle of each part of [1, 2) the inverse and the power; of 2^e the power; the binomial coefficients.
    """
    inverses, powers, scales = np.empty(1 << TABLE_BITS), np.empty(1 << TABLE_BITS), np.empty(256)
    for part in range(inverses.size):
        middle = 1.0 + (part + 0.5) / inverses.size
        inverses[part], powers[part] = 1.0 / middle, middle**exponent
    for power in range(scales.size):
        scales[power] = math.ldexp(1.0, power - 127) ** exponent
    second = exponent * (exponent - 1.0) / 2.0
    third = second * (exponent - 2.0) / 3.0
    fourth = third * (exponent - 3.0) / 4.0
    return inverses, powers, scales, (exponent, second, third, fourth, fourth * (exponent - 4.0) / 5.0)


@compiled
def _power(
    base: np.float32,
    inverses: NDArray[np.float64],
    powers: NDArray[np.float64],
    scales: NDArray[np.float64],
    series: tuple[float, float, float, float, float],
) -> float:
    """A positive single to the power of the tables, to the last digit or two of a double.

    Each repulsion waits for the one before it, and the library's power is the longest part of the wait. A single has
    few enough digits for a table: 2^e · middle · (1 + r), each to the power, |r| below 2^-11.
    """
    bits = np.float32(base).view(np.int32)
    exponent = bits >> 23
    if exponent <= 0 or exponent >= 255:  # too small for a normal number, or infinite
        return float(np.float64(base) ** series[0])
    part = (bits >> (23 - TABLE_BITS)) & ((1 << TABLE_BITS) - 1)
    digits = np.int32((np.int32(bits) & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32)
    r = float(digits) * inverses[part] - 1.0
    square = r * r
    rest = (series[1] + series[2] * r) + square * (series[3] + series[4] * r)
    return float(scales[exponent] * powers[part] * ((1.0 + series[0] * r) + square * rest))


@compiled
def lay_out(
    points: NDArray[np.float32],
    heads: NDArray[np.int32],
    tails: NDArray[np.int32],
    periods: NDArray[np.float64],
    states: NDArray[np.int64],
    curve: tuple[float, float],
    epochs: int,
    negatives: int,
) -> None:
    """Move `points` in place: edges attract as often as their weight says, random texts repel.

    Parameters
    ----------
    points
        (N, 2) float32 start.
    heads, tails
        (E,) ends of the edges, both directions listed.
    periods
        (E,) epochs between two samples of an edge, 1 for the strongest.
    states
        (N, 3) int64, a random generator for each text.
    curve
        a and b of the similarity 1/(1 + a·r^2b) on the map.
    epochs
        Passes over the edges; the step shrinks linearly from 1 to 0.
    negatives
        Repelling texts drawn for each sample.
    """
    n = points.shape[0]
    a, b = curve
    inverses, powers, scales, series = _power_tables(b)
    due = periods.copy()
    spacing = periods / negatives
    due_negative = spacing.copy()
    for epoch in range(epochs):
        step = 1.0 - max(epoch - 1, 0) / epochs
        for edge in range(heads.shape[0]):
            if due[edge] > epoch:
                continue
            j, k = heads[edge], tails[edge]
            j_x, j_y = points[j, 0], points[j, 1]
            x, y = j_x - points[k, 0], j_y - points[k, 1]
            square = x * x + y * y
            if square > 0.0:
                power = _power(square, inverses, powers, scales, series)
                pull = -2.0 * a * b * power / (square * (a * power + 1.0))
                move_x, move_y = step * _clip(pull * x), step * _clip(pull * y)
                j_x, j_y = np.float32(j_x + move_x), np.float32(j_y + move_y)
                points[k, 0] -= move_x
                points[k, 1] -= move_y
            due[edge] += periods[edge]
            drawn = int((epoch - due_negative[edge]) / spacing[edge])
            for _ in range(drawn):
                k = draw(states[j]) % n
                if k == j:
                    continue
                x, y = j_x - points[k, 0], j_y - points[k, 1]
                square = x * x + y * y
                if square > 0.0:
                    power = _power(square, inverses, powers, scales, series)
                    push = 2.0 * b / ((0.001 + square) * (a * power + 1.0))
                    j_x, j_y = np.float32(j_x + step * _clip(push * x)), np.float32(j_y + step * _clip(push * y))
            points[j, 0], points[j, 1] = j_x, j_y
            due_negative[edge] += drawn * spacing[edge]
