"""Intrinsic dimension by TwoNN: the ratio of the distances to the two nearest neighbours (Facco et al. 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Floats, NeighbourGraph, Vectors

BLOCK_ROWS = 1024
KEPT_SHARE = 0.9  # of the ratios; the authors leave out the largest, since outliers and boundaries bend the line
GAUSSIAN_WORK = 1e11  # multiplications that the Gaussian search may cost
FEWEST_QUERIES, MOST_QUERIES = 256, 2048


def neighbour_distances(unit: Vectors, graph: NeighbourGraph) -> Floats:
    """(Q, 2) ascending distances of each query row's two nearest texts, from the vectors, not from rounded cosines."""
    rows = np.arange(len(graph.indices)) if graph.queries is None else graph.queries
    distances = np.empty((rows.size, 2))
    for start in range(0, rows.size, BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        near = unit[graph.indices[part, :2]].astype(np.float64)
        distances[part] = np.linalg.norm(near - unit[rows[part], None], axis=2)
    return np.sort(distances, axis=1)


def intrinsic_dimension(distances: Floats) -> float:
    """TwoNN estimate: slope of −log(1 − F) on log(r2 / r1) through the origin, from (Q, 2) distances.

    NaN with fewer than three texts that have no double, or where all are equally far apart.
    """
    near = distances[distances[:, 0] > 1e-6]
    if len(near) < 3:
        return float("nan")
    ratios = np.sort(np.log(near[:, 1] / near[:, 0]))
    kept = max(2, int(len(ratios) * KEPT_SHARE))
    share = -np.log1p(-np.arange(1, kept + 1) / len(ratios))
    squares = float(ratios[:kept] @ ratios[:kept])
    return float(ratios[:kept] @ share) / squares if squares > 0 else float("nan")


def gaussian_intrinsic_dimension(n: int, dimension: int, rng: np.random.Generator) -> tuple[float, int]:
    """TwoNN estimate of `n` Gaussian vectors of length 1, which stays far below d, and the number of query vectors.

    The vectors are drawn block by block, so that they need not fit into memory.
    """
    queries = int(min(n, np.clip(GAUSSIAN_WORK // (n * dimension), FEWEST_QUERIES, MOST_QUERIES)))
    seed = int(rng.integers(2**63))
    own = _gaussian_block(seed, 0, queries, dimension)
    nearest = np.full((queries, 2), -np.inf, dtype=np.float32)
    for number, start in enumerate(range(0, n, queries)):
        cosines = own @ _gaussian_block(seed, number, min(queries, n - start), dimension).T
        if number == 0:
            np.fill_diagonal(cosines, -np.inf)
        joined = np.concatenate([nearest, cosines], axis=1)
        nearest = -np.partition(-joined, 1, axis=1)[:, :2]
    distances = np.sqrt(np.maximum(2.0 - 2.0 * nearest.astype(np.float64), 0.0))
    return intrinsic_dimension(np.sort(distances, axis=1)), queries


def _gaussian_block(seed: int, number: int, rows: int, dimension: int) -> NDArray[np.float32]:
    block = np.random.default_rng([seed, number]).standard_normal((rows, dimension), dtype=np.float32)
    return np.asarray(block / np.linalg.norm(block, axis=1, keepdims=True))
