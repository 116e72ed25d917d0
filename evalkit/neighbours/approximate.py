"""Approximate nearest neighbours of every text of a large corpus, by faiss's inverted lists."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.neighbours.exact import COSINE_TOLERANCE, QUERY_BLOCK, blocks, check_depth, nearest, without_self
from evalkit.neighbours.ties import TieLists, share_ties
from evalkit.types import NeighbourGraph, Vectors

LISTS_PER_ROOT = 2.0  # lists for each root of N: comparing with centroids and with members then costs alike
TRAINING_TEXTS = 40  # per list, for k-means
LARGEST_SHARE = 16  # at most one list in so many is searched
SAMPLE = 500  # texts on which recall is measured, against the exact search


def approximate(unit: Vectors, k: int, *, seed: int, enough: float = 0.95) -> NeighbourGraph:
    """Approximate nearest other texts by cosine, with the measured recall; `k` is lowered to N − 1.

    The number of lists searched is doubled until the recall is `enough`. The cosines are exact; ties across the last
    place are not recorded. Jégou, Douze & Schmid 2011, IEEE TPAMI 33 (inverted lists).
    """
    from faiss.contrib.big_batch_search import big_batch_search

    vectors = np.ascontiguousarray(unit, dtype=np.float32)
    n = len(vectors)
    k = check_depth(n, k)
    rows = np.sort(np.random.default_rng(seed).choice(n, size=min(SAMPLE, n), replace=False))
    index = _inverted_lists(vectors, seed)
    recall = _choose_probes(index, vectors, rows, k, enough)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress at every level of verbosity
        values, found = big_batch_search(
            index, vectors, k + 1, method="pairwise_distances", pairwise_distances=_products
        )
    indices, similarities = np.empty((n, k), dtype=np.int32), np.empty((n, k), dtype=np.float32)
    for block in blocks(n, QUERY_BLOCK):
        others = without_self(found[block], values[block], block)
        indices[block], similarities[block] = share_ties(*others, COSINE_TOLERANCE)
    short = np.flatnonzero(found[:, -1] < 0)  # the lists searched hold fewer than k other texts
    if short.size:
        exact = nearest(vectors, k, queries=short)
        indices[short], similarities[short] = exact.indices, exact.similarities
    return NeighbourGraph(indices, similarities, n, None, TieLists().freeze(), exact=False, recall=recall)


def _inverted_lists(vectors: Vectors, seed: int) -> Any:
    """A trained faiss index of all vectors."""
    import faiss

    n, d = vectors.shape
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, int(LISTS_PER_ROOT * np.sqrt(n)), faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = seed % 2**31
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, TRAINING_TEXTS
    index.train(vectors)
    index.add(vectors)
    return index


def _choose_probes(index: Any, vectors: Vectors, rows: NDArray[np.int64], k: int, enough: float) -> float:
    """Set how many lists are searched, and return the recall of the sampled rows."""
    truth = nearest(vectors, k, queries=rows).indices
    most = max(2, index.nlist // LARGEST_SHARE)
    index.nprobe = 1
    while True:
        _, found = index.search(vectors[rows], k + 1)
        recall = float(np.mean([np.isin(true, listed).mean() for true, listed in zip(truth, found, strict=True)]))
        if recall >= enough or index.nprobe == most:
            return recall
        index.nprobe = min(2 * index.nprobe, most)


def _products(queries: Vectors, members: Vectors, metric: int) -> Vectors:  # noqa: ARG001 (faiss's signature)
    """Cosines of a list's queries with its members; numpy's BLAS knows newer processors than the one in faiss-cpu."""
    return queries @ members.T
