"""t-SNE of few texts in one compiled loop: affinities, every pair's repulsion, openTSNE's gradient descent.

On some hundred texts openTSNE spends its time between the steps, not in them. Here the repulsion is the sum over all
pairs itself, nothing is approximated, and a map of thirty texts takes about a millisecond. Affinities and optimiser
are those of openTSNE 1.0 (the tests hold them against it).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled

__all__ = ["affinities", "descend", "divergence"]

SEARCH_STEPS = 200
SEARCH_TOLERANCE = 1e-8
LEAST_GAIN = 0.01
LONGEST_STEP = 5.0
NOTHING = float(np.finfo(np.float64).eps)


@compiled
def affinities(indices: NDArray[np.int32], distances: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """Symmetric affinities of all pairs, Gaussian over each text's listed neighbours.

    Parameters
    ----------
    indices, distances
        (N, k) neighbours of every text.
    perplexity
        Of every text's neighbourhood.

    Returns
    -------
    ndarray
        (N, N) of sum 1, 0 where neither lists the other.
    """
    n, listed = indices.shape
    wanted = np.log(perplexity)
    joint = np.zeros((n, n))
    weights = np.empty(listed)
    for i in range(n):
        rate, low, high = 1.0, 0.0, 0.0  # high is 0 until one is known: the compiler takes all numbers for finite
        for _ in range(SEARCH_STEPS):
            total, moment = NOTHING, 0.0
            for j in range(listed):
                square = distances[i, j] * distances[i, j]
                weights[j] = np.exp(-rate * square)
                total += weights[j]
                moment += weights[j] * square
            excess = np.log(total) + rate * moment / total - wanted
            for j in range(listed):
                weights[j] /= total
            if abs(excess) <= SEARCH_TOLERANCE:
                break
            if excess > 0.0:
                low = rate
                rate = rate * 2.0 if high == 0.0 else (rate + high) / 2.0
            else:
                high = rate
                rate = (rate + low) / 2.0
        for j in range(listed):
            joint[i, indices[i, j]] += weights[j]
            joint[indices[i, j], i] += weights[j]
    total = 0.0
    for i in range(n):
        for j in range(n):
            total += joint[i, j]
    for i in range(n):
        for j in range(n):
            joint[i, j] /= total
    return joint


@compiled
def _forces(
    across: NDArray[np.float64],
    up: NDArray[np.float64],
    joint: NDArray[np.float64],
    pull: NDArray[np.float64],
    push: NDArray[np.float64],
) -> float:
    """Fill (2, N) attraction and unnormalised repulsion of every text; returns the sum of all similarities."""
    n = across.size
    total = 0.0
    for i in range(n):
        x, y, row = across[i], up[i], joint[i]
        pull_x, pull_y, push_x, push_y, near = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(n):
            dx, dy = x - across[j], y - up[j]
            similarity = 1.0 / (1.0 + dx * dx + dy * dy)
            attraction, repulsion = row[j] * similarity, similarity * similarity
            pull_x += attraction * dx
            pull_y += attraction * dy
            push_x += repulsion * dx
            push_y += repulsion * dy
            near += similarity
        pull[0, i], pull[1, i], push[0, i], push[1, i] = pull_x, pull_y, push_x, push_y
        total += near
    return total - n


@compiled
def descend(
    places: NDArray[np.float64],
    joint: NDArray[np.float64],
    updates: NDArray[np.float64],
    gains: NDArray[np.float64],
    steps: int,
    exaggeration: float,
    momentum: float,
) -> None:
    """Gradient descent with momentum and gains, in place, at the learning rate N / exaggeration.

    Parameters
    ----------
    places
        (2, N) coordinates.
    joint
        (N, N) from `affinities`.
    updates, gains
        (2, N) last step and factor on the next one: 0 and 1 at first, and handed on from phase to phase.
    steps
        How many.
    exaggeration
        Factor on the attraction.
    momentum
        Of the last step, how much is made again.
    """
    n = places.shape[1]
    rate = n / exaggeration
    pull, push = np.empty((2, n)), np.empty((2, n))
    for _ in range(steps):
        total = _forces(places[0], places[1], joint, pull, push)
        middle_x, middle_y = 0.0, 0.0
        for i in range(n):
            for axis in range(2):
                slope = exaggeration * pull[axis, i] - push[axis, i] / total
                turned = np.sign(updates[axis, i]) != np.sign(slope)
                gains[axis, i] = gains[axis, i] + 0.2 if turned else gains[axis, i] * 0.8 + LEAST_GAIN
                updates[axis, i] = momentum * updates[axis, i] - rate * gains[axis, i] * slope
            length = np.sqrt(updates[0, i] ** 2 + updates[1, i] ** 2)
            if length > LONGEST_STEP:
                updates[0, i] *= LONGEST_STEP / length
                updates[1, i] *= LONGEST_STEP / length
            places[0, i] += updates[0, i]
            places[1, i] += updates[1, i]
            middle_x += places[0, i]
            middle_y += places[1, i]
        for i in range(n):
            places[0, i] -= middle_x / n
            places[1, i] -= middle_y / n


@compiled
def divergence(places: NDArray[np.float64], joint: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence of the map's similarities from the affinities.

    Parameters
    ----------
    places, joint
        As for `descend`.
    """
    n = places.shape[1]
    total, cross = 0.0, 0.0
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            dx, dy = places[0, i] - places[0, j], places[1, i] - places[1, j]
            spread = 1.0 + dx * dx + dy * dy
            total += 1.0 / spread
            if joint[i, j] > 0.0:
                cross += joint[i, j] * np.log(joint[i, j] * spread)
    return cross + math.log(total)
