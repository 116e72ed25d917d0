"""Approximate nearest neighbours of every text of a large corpus: inverted lists, searched by matrix products.

Vectors are grouped about some centroids; a text is compared with the texts of the groups nearest to it. An index
answers one query after the other and reads its lists from memory each time; here all queries of a list are
multiplied with it at once, which is what processors are fastest at: seven tenths of the time goes into the products.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evalkit.neighbours.exact import COSINE_TOLERANCE, check_depth, nearest
from evalkit.neighbours.ties import TieLists, share_ties
from evalkit.runtime.compiled import compiled_exactly
from evalkit.types import NeighbourGraph, Vectors

__all__ = ["approximate"]

Lists = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Text numbers, list after list, and where each list starts."""

LISTS_A_ROOT = 2.0  # lists for each root of N: the products with centroids and with members then cost alike
LIST_TEXTS = 40  # a corpus with fewer texts a list is not worth lists
FITTED_TEXTS = 40  # a list, for k-means
ROUNDS = 8  # of k-means: more move the recall by less than its sampling error
SHARE = 16  # at most one list in so many is visited
BLOCK = 1 << 16  # queries of a block: one thread's work
ROWS = 1 << 13
THREADS = 2


def approximate(unit: Vectors, k: int, *, seed: int, sample: int = 500, enough: float = 0.95) -> NeighbourGraph:
    """Approximate nearest other texts by cosine, with the measured recall.

    Parameters
    ----------
    unit
        (N, d) float32 vectors of length 1.
    k
        Neighbours a text; N − 1 where there are no more.
    seed
        Seeds the lists' k-means and the sample that recall is measured on.
    sample
        How many texts recall is measured on, against the exact search.
    enough
        As many lists are visited as hold this share of the true neighbours, but at most one in sixteen.

    Returns
    -------
    NeighbourGraph
        With ``exact`` False and ``recall``; exact where the corpus is too small to be worth lists. Cosines are
        exact, and descend; a neighbour can only be missing.

    Raises
    ------
    RequestError
        Fewer than two texts, or a k below 1.

    References
    ----------
    Jégou, Douze & Schmid 2011, "Product Quantization for Nearest Neighbor Search", IEEE TPAMI 33 (inverted lists).
    """
    vectors = np.ascontiguousarray(unit, dtype=np.float32)
    n = len(vectors)
    k = check_depth(n, k)
    count = int(LISTS_A_ROOT * np.sqrt(n))
    if n < LIST_TEXTS * count:
        return nearest(vectors, k)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(n, size=min(sample, n), replace=False))
    truth = nearest(vectors, k, queries=rows).indices
    centroids = _centroids(vectors, count, rng)
    visited, recall = _enough(vectors, centroids, rows, truth, enough)
    probes = _nearest_lists(vectors, centroids, visited)
    order = np.argsort(probes[:, 0], kind="stable")
    lists = order, np.searchsorted(probes[order, 0], np.arange(count + 1))
    indices, similarities = np.empty((n, k), dtype=np.int32), np.empty((n, k), dtype=np.float32)

    def fill(start: int) -> None:
        block = slice(start, min(start + BLOCK, n))
        found, values = _search(vectors, block, probes[block], lists, k)
        indices[block], similarities[block] = share_ties(found, values, COSINE_TOLERANCE)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fill, range(0, n, BLOCK)))
    short = np.flatnonzero(~np.isfinite(similarities[:, -1]))  # the lists visited hold fewer texts than asked for
    if short.size:
        exact = nearest(vectors, k, queries=short)
        indices[short], similarities[short] = exact.indices, exact.similarities
    return NeighbourGraph(indices, similarities, n, None, TieLists().freeze(), exact=False, recall=recall)


def _centroids(vectors: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """(count, d) unit vectors: spherical k-means on a sample."""
    import faiss

    rows = np.sort(rng.choice(len(vectors), size=min(len(vectors), FITTED_TEXTS * count), replace=False))
    means = faiss.Kmeans(
        vectors.shape[1], count, niter=ROUNDS, spherical=True, seed=int(rng.integers(2**31)),
        min_points_per_centroid=1, max_points_per_centroid=FITTED_TEXTS,
    )  # fmt: skip
    means.train(vectors[rows])
    return np.asarray(means.centroids, dtype=np.float32)


def _nearest_lists(vectors: Vectors, centroids: Vectors, most: int) -> NDArray[np.int16]:
    """(N, most) numbers of the lists nearest to each text, the nearest first."""
    import faiss

    probes = np.empty((len(vectors), most), dtype=np.int16)
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        probes[block] = faiss.knn(vectors[block], centroids, most, metric=faiss.METRIC_INNER_PRODUCT)[1]
    return probes


def _enough(
    vectors: Vectors, centroids: Vectors, rows: NDArray[np.int64], truth: NDArray[np.int32], enough: float
) -> tuple[int, float]:
    """How many lists to visit, and the share of the sample's true neighbours in them."""
    most = max(2, len(centroids) // SHARE)
    probes = _nearest_lists(vectors[rows], centroids, most)
    homes = _nearest_lists(vectors[truth.ravel()], centroids, 1).reshape(truth.shape)
    met = probes[:, None, :] == homes[:, :, None]
    place = np.where(met.any(axis=2), met.argmax(axis=2), most)
    shares = np.cumsum(np.bincount(place.ravel(), minlength=most + 1)[:-1]) / place.size
    visited = min(int(np.searchsorted(shares, enough)) + 1, most)
    return visited, float(shares[visited - 1])


def _search(
    vectors: Vectors, block: slice, probes: NDArray[np.int16], lists: Lists, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(B, k) nearest of a block of texts among the lists of each, and their cosines; −inf where there were too few."""
    members, starts = lists
    size, visited = probes.shape
    found = np.zeros((size, k), dtype=np.int64)
    best = np.full((size, k), -np.inf, dtype=np.float32)
    flat = probes.ravel()
    order = np.argsort(flat, kind="stable")  # sixteen bits: numpy sorts them by radix
    ends = np.cumsum(np.bincount(flat, minlength=starts.size - 1))
    for number, end in enumerate(ends):
        begin = ends[number - 1] if number else 0
        listed = members[starts[number] : starts[number + 1]]
        if begin == end or not listed.size:
            continue
        queries = order[begin:end] // visited
        towards = np.ascontiguousarray(vectors[listed].T)
        for start in range(0, queries.size, ROWS):
            part = queries[start : start + ROWS]
            _merge(vectors[block.start + part] @ towards, listed, part, block.start, best, found)
    return found, best


@compiled_exactly
def _merge(
    products: NDArray[np.float32],
    listed: NDArray[np.int64],
    queries: NDArray[np.int64],
    first: int,
    best: NDArray[np.float32],
    found: NDArray[np.int64],
) -> None:
    """Put into each query's list what is nearer than its last; `best` descends, a query is no neighbour of its own."""
    k = best.shape[1]
    for i in range(queries.size):
        query = queries[i]
        least = best[query, k - 1]
        for j in range(listed.size):
            value = products[i, j]
            if value > least and listed[j] != first + query:
                place = k - 1
                while place > 0 and best[query, place - 1] < value:
                    best[query, place] = best[query, place - 1]
                    found[query, place] = found[query, place - 1]
                    place -= 1
                best[query, place] = value
                found[query, place] = listed[j]
                least = best[query, k - 1]
