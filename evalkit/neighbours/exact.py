"""Nearest neighbours: exact by cosine, exact on a map.

Texts that are equally near share one similarity in the graph and stand in the order of their numbers, so
that a run of equal values *is* a group of tied texts; ties across the last listed place are kept beside
the list, because a score is its expectation over the order of the tied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.neighbours.ties import TieLists, share_ties
from evalkit.types import NeighbourGraph, Points, Vectors

__all__ = ["COSINE_TOLERANCE", "PLANE_TOLERANCE", "check_depth", "nearest", "plane"]

COSINE_TOLERANCE = 5e-7
"""Cosines closer than this are one cosine: float32 products of some hundred terms differ by about 1e-7."""

PLANE_TOLERANCE = 1e-7
"""Distances on a map closer than this share of its extent are one distance: what float32 can tell apart."""

FEW_NEIGHBOURS = 64  # more of each text are searched for by faiss: long lists take long to keep sorted
SMALL_CORPUS = 2048  # below, one dense product beats building an index (and faiss is not imported)
BLOCK_VALUES = 1 << 24  # similarities held at a time: 64 MB
QUERY_BLOCK = 4096

Similarities = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Text numbers (B,) → (B, N) similarities with every text."""


def nearest(unit: Vectors, k: int, *, queries: NDArray[np.int64] | None = None) -> NeighbourGraph:
    """Exact nearest other texts by cosine.

    Parameters
    ----------
    unit
        (N, d) float32 vectors of length 1; a zero vector has cosine 0 with everything.
    k
        Neighbours a text; N − 1 where there are no more.
    queries
        (Q,) text numbers to search for, ascending; None searches for every text.

    Returns
    -------
    NeighbourGraph
        Cosines descending; texts within 5e-7 of the first of their group share its cosine.

    Raises
    ------
    RequestError
        Fewer than two texts, or a k below 1.
    """
    vectors = np.ascontiguousarray(unit, dtype=np.float32)
    k = check_depth(vectors.shape[0], k)

    def similarities(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return vectors[rows] @ vectors.T

    if vectors.shape[0] <= SMALL_CORPUS:
        return _from_rows(similarities, vectors.shape[0], k, queries, COSINE_TOLERANCE)
    shape = vectors.shape[0], k
    if queries is None and k <= FEW_NEIGHBOURS:
        from evalkit.neighbours.symmetric_search import nearest_lists  # compiled: a small corpus does without

        # One place more than the tie at the last needs: `_without_self` takes it away.
        values, found = nearest_lists(vectors, min(k + 1, shape[0] - 1) + 1)
        return _from_search(lambda rows, _: (values[rows], found[rows]), similarities, shape, queries, COSINE_TOLERANCE)
    import faiss

    # Searched where they lie: an index would hold a second copy of all vectors.
    return _from_search(
        lambda rows, count: faiss.knn(vectors[rows], vectors, count, metric=faiss.METRIC_INNER_PRODUCT),
        similarities,
        shape,
        queries,
        COSINE_TOLERANCE,
    )


def plane(points: Points, k: int, *, queries: NDArray[np.int64] | None = None) -> NeighbourGraph:
    """Exact nearest other texts on a map, by Euclidean distance.

    Parameters
    ----------
    points
        (N, 2) coordinates (any number of columns will do).
    k, queries
        As in `nearest`.

    Returns
    -------
    NeighbourGraph
        Similarities are minus the distance; distances closer than 1e-7 of the map's extent are tied.
    """
    points = np.asarray(points, dtype=np.float64)
    k = check_depth(points.shape[0], k)
    tolerance = PLANE_TOLERANCE * float(np.ptp(points, axis=0).max())

    def similarities(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        squares = np.zeros((rows.size, points.shape[0]))
        for column in points.T:
            squares += (column[rows, None] - column[None, :]) ** 2
        distances: NDArray[np.float64] = -np.sqrt(squares)
        return distances

    if points.shape[0] <= SMALL_CORPUS:
        return _from_rows(similarities, points.shape[0], k, queries, tolerance)
    from scipy.spatial import cKDTree

    tree = cKDTree(points)

    def search(rows: NDArray[np.int64], count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        distances, found = tree.query(points[rows], k=count, workers=2)
        return -distances, found

    return _from_search(search, similarities, (points.shape[0], k), queries, tolerance)


def check_depth(n: int, k: int) -> int:
    """The number of neighbours that there can be, k or N − 1; refuses what has none."""
    if n < 2:
        raise RequestError(f"Neighbours need at least two texts, found {n}: add texts.")
    if k < 1:
        raise RequestError(f"The number of neighbours must be at least 1, found {k}: raise it.")
    return min(int(k), n - 1)


def _blocks(queries: NDArray[np.int64] | None, n: int, size: int) -> Iterator[NDArray[np.int64]]:
    rows = np.arange(n, dtype=np.int64) if queries is None else np.asarray(queries, dtype=np.int64)
    for start in range(0, rows.size, size):
        yield rows[start : start + size]


def _from_rows(
    similarities: Similarities, n: int, k: int, queries: NDArray[np.int64] | None, tolerance: float
) -> NeighbourGraph:
    """Graph from complete rows of similarities: small corpora."""
    lists, values, ties = [], [], TieLists()
    done = 0
    for rows in _blocks(queries, n, max(1, BLOCK_VALUES // n)):
        listed, shared = ties.rank(similarities(rows), rows, k, tolerance, range(done, done + rows.size))
        lists.append(listed)
        values.append(shared)
        done += rows.size
    return NeighbourGraph(np.concatenate(lists), np.concatenate(values), n, queries, ties.freeze())


def _from_search(
    search: Callable[[NDArray[np.int64], int], tuple[NDArray[Any], NDArray[Any]]],
    similarities: Similarities | None,
    shape: tuple[int, int],
    queries: NDArray[np.int64] | None,
    tolerance: float,
) -> NeighbourGraph:
    """Graph from an index; only rows tied across the last place are looked at in full."""
    n, k = shape
    total = n if queries is None else queries.size
    indices = np.empty((total, k), dtype=np.int32)
    shared = np.empty((total, k), dtype=np.float32)
    ties, done = TieLists(), 0
    for rows in _blocks(queries, n, QUERY_BLOCK):
        spare = min(k + 1, n - 1)
        values, found = search(rows, spare + 1)
        found, values = _without_self(found, values, rows, spare)
        found, grouped = share_ties(found, values, tolerance)
        place = slice(done, done + rows.size)
        indices[place], shared[place] = found[:, :k], grouped[:, :k]
        if spare > k and similarities is not None:
            tied = np.flatnonzero(grouped[:, k] == grouped[:, k - 1])
            for start in range(0, tied.size, max(1, BLOCK_VALUES // n)):
                part = tied[start : start + max(1, BLOCK_VALUES // n)]
                block = similarities(rows[part])
                block[np.arange(part.size), rows[part]] = -np.inf
                for row, complete in zip(part, block, strict=True):
                    ties.extend(complete, done + row, indices[done + row], grouped[row, :k], tolerance)
        done += rows.size
    return NeighbourGraph(indices, shared, n, queries, ties.freeze())


def _without_self(
    found: NDArray[Any], values: NDArray[Any], rows: NDArray[np.int64], keep: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Drop the text itself from its list, or the last one where it is not listed (tied, or a zero vector)."""
    own = found == rows[:, None]
    own[~own.any(axis=1), -1] = True
    found = found[~own].reshape(rows.size, -1)
    values = values[~own].reshape(rows.size, -1)
    return found[:, :keep], values[:, :keep]
