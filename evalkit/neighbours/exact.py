"""Exact nearest neighbours by cosine, and on a map by Euclidean distance.

Neighbours that are equally near share one similarity in the graph and stand in the order of their numbers, so that a
run of equal values is a group of ties. Ties across the last listed place are kept beside the list, because a score is
its expectation over the order of the tied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.neighbours.ties import TieLists, share_ties
from evalkit.types import NeighbourGraph, Points, Vectors

COSINE_TOLERANCE = 5e-7  # closer cosines are tied: float32 products of some hundred terms differ by about 1e-7
PLANE_TOLERANCE = 1e-7  # distances closer than this share of a map's extent are tied: float32 resolves no more
BLOCK_VALUES = 1 << 25  # similarities held at a time: 128 MB, and twice that for the order
QUERY_BLOCK = 4096


def nearest(unit: Vectors, k: int, *, queries: NDArray[np.int64] | None = None) -> NeighbourGraph:
    """Exact nearest other texts by cosine of all texts, or of the ascending `queries`; `k` is lowered to N − 1.

    Texts within 5e-7 of the first of their group share its cosine. A zero vector has cosine 0 with everything.
    """
    vectors = np.ascontiguousarray(unit, dtype=np.float32)
    n = len(vectors)
    k = check_depth(n, k)
    texts = np.arange(n) if queries is None else np.asarray(queries, dtype=np.int64)
    indices, shared = np.empty((texts.size, k), dtype=np.int32), np.empty((texts.size, k), dtype=np.float32)
    ties = TieLists()
    for block in blocks(texts.size, max(1, BLOCK_VALUES // n)):
        cosines = vectors[texts[block]] @ vectors.T
        indices[block], shared[block] = ties.rank(cosines, texts[block], k, COSINE_TOLERANCE, block)
    return NeighbourGraph(indices, shared, n, queries, ties.freeze())


def plane(points: Points, k: int, *, queries: NDArray[np.int64] | None = None) -> NeighbourGraph:
    """As `nearest`, on a map by Euclidean distance: similarities are negative distances."""
    from scipy.spatial import cKDTree

    points = np.asarray(points, dtype=np.float64)
    n = len(points)
    k = check_depth(n, k)
    texts = np.arange(n) if queries is None else np.asarray(queries, dtype=np.int64)
    indices, shared = np.empty((texts.size, k), dtype=np.int32), np.empty((texts.size, k), dtype=np.float32)
    tolerance = PLANE_TOLERANCE * float(np.ptp(points, axis=0).max())
    tree, ties = cKDTree(points), TieLists()
    spare = min(k + 1, n - 1)  # one place more shows a tie across the last
    for block in blocks(texts.size, QUERY_BLOCK):
        distances, found = tree.query(points[texts[block]], k=spare + 1, workers=2)
        found, near = share_ties(*without_self(found, -distances, texts[block]), tolerance)
        indices[block], shared[block] = found[:, :k], near[:, :k]
        tied = block[near[:, -1] == near[:, k - 1]] if spare > k else block[:0]
        for part in np.array_split(tied, 1 + tied.size * n // BLOCK_VALUES):
            squares = sum((column[texts[part], None] - column) ** 2 for column in points.T)
            indices[part], shared[part] = ties.rank(-np.sqrt(squares), texts[part], k, tolerance, part)
    return NeighbourGraph(indices, shared, n, queries, ties.freeze())


def check_depth(n: int, k: int) -> int:
    """The number of neighbours that `n` texts can have: `k`, lowered to N − 1; refuses n < 2 and k < 1."""
    if n < 2:
        raise RequestError(f"Neighbours need at least two texts, found {n}: add texts.")
    if k < 1:
        raise RequestError(f"The number of neighbours must be at least 1, found {k}: raise it.")
    return min(int(k), n - 1)


def without_self(
    found: NDArray[Any], values: NDArray[Any], rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(B, count − 1) lists without their own texts `rows`, or without the last entry where ties kept the text off."""
    own = found == rows[:, None]
    own[~own.any(axis=1), -1] = True
    return found[~own].reshape(rows.size, -1), values[~own].reshape(rows.size, -1)


def blocks(n: int, size: int) -> Iterator[NDArray[np.int64]]:
    """0 … n − 1, `size` at a time."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))
