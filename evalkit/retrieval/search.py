"""Exact search: the K documents with the highest cosine, in blocks of documents."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.neighbours.exact import COSINE_TOLERANCE
from evalkit.neighbours.ties import TieLists, share_ties
from evalkit.retrieval.types import Hits
from evalkit.runtime.compiled import compiled
from evalkit.types import Vectors

__all__ = ["DEPTH", "UNRETRIEVED", "hits_from_scores", "ranks", "search"]

DEPTH = 100
UNRETRIEVED = -1e30
"""Score of a document that a ranker did not return: finite, because ties are found by comparison."""
QUERY_BLOCK = 1_024
DOCUMENT_BLOCK = 4096  # of 1,024 queries: 16 MB of cosines, which the selection reads while they are in the cache
CUDA_DOCUMENT_BLOCK = 65_536
THREADS = min(8, os.cpu_count() or 1)
SPARE = 16
"""Places searched beyond K: a group of ties that ends there needs no second look at the documents."""
FEWEST = np.float32(-3e38)


def search(
    queries: Vectors, documents: NDArray[Any], k: int = DEPTH, *, device: str = "cpu", tolerance: float | None = None
) -> Hits:
    """Exact K nearest documents of each query by cosine.

    Memory is bounded by blocks, not by the number of documents; `documents` may be a memory map.

    Parameters
    ----------
    queries
        (Q, d) float32 unit vectors.
    documents
        (N, d) unit vectors of any float type.
    k
        Documents a query; N where there are fewer.
    device
        ``cpu``, or a device of torch such as ``cuda``.
    tolerance
        Cosines closer than this are tied; None takes 5e-7, what float32 products can tell apart.

    Raises
    ------
    EvaluationError
        The vectors do not fit together, or `k` is below 1.
    """
    n = documents.shape[0]
    if queries.shape[0] == 0 or n == 0 or k < 1 or queries.shape[1] != documents.shape[1]:
        raise EvaluationError(
            f"a search needs queries and documents of one dimension and k of at least 1, found {queries.shape}, "
            f"{documents.shape} and k = {k}: check the vectors."
        )
    tolerance = COSINE_TOLERANCE if tolerance is None else tolerance
    k = min(k, n)
    top = _top_on_cpu if device == "cpu" else _top_on_device
    lists, shared, ties = [], [], TieLists()
    for first in range(0, queries.shape[0], QUERY_BLOCK):
        block = np.ascontiguousarray(queries[first : first + QUERY_BLOCK], dtype=np.float32)
        values, found = top(block, documents, min(k + SPARE, n), device)
        found, grouped = share_ties(found, values, tolerance)
        listed = found[:, :k].astype(np.int32)
        across = np.flatnonzero(grouped[:, k] == grouped[:, k - 1]) if n > k else np.zeros(0, dtype=np.int64)
        unclosed = across[grouped[across, -1] == grouped[across, k - 1]]
        complete = _complete_rows(block[unclosed], documents)
        for row in across.tolist():
            if grouped[row, -1] == grouped[row, k - 1]:
                cosines = next(complete)
            else:  # the whole group of ties is among the spare places
                cosines = np.full(n, -2.0, dtype=np.float32)
                cosines[found[row]] = grouped[row]
            ties.record(cosines, first + row, listed[row], grouped[row, :k], tolerance)
        lists.append(listed)
        shared.append(grouped[:, :k].astype(np.float32))
    return Hits(np.concatenate(lists), np.concatenate(shared), n, ties.freeze())


def _complete_rows(queries: Vectors, documents: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
    """(N,) cosines of each query with all documents."""
    size = 64
    for first in range(0, queries.shape[0], size):
        parts = [part @ queries[first : first + size].T for _, part in _blocks(documents, DOCUMENT_BLOCK)]
        yield from np.ascontiguousarray(np.concatenate(parts).T)


def _blocks(documents: NDArray[Any], size: int) -> Iterator[tuple[int, Vectors]]:
    for first in range(0, documents.shape[0], size):
        yield first, np.asarray(documents[first : first + size], dtype=np.float32)


def _top_on_cpu(
    queries: Vectors, documents: NDArray[Any], k: int, _device: str
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(B, k) cosines in descending order and document numbers; k at most N."""
    count = queries.shape[0]
    values = np.empty((count, 4 * k + 64), dtype=np.float32)
    numbers = np.empty(values.shape, dtype=np.int64)
    filled = np.zeros(count, dtype=np.int64)
    least = np.full(count, FEWEST)
    product = np.empty((count, DOCUMENT_BLOCK), dtype=np.float32)
    shares = np.array_split(np.arange(count), THREADS)
    with ThreadPoolExecutor(THREADS) as threads:
        for first, part in _blocks(documents, DOCUMENT_BLOCK):
            block = np.matmul(queries, part.T, out=product) if len(part) == DOCUMENT_BLOCK else queries @ part.T
            if first == 0 and block.shape[1] > k:  # thresholds to begin with, so that few buffers fill
                least = np.nextafter(np.partition(block, -k, axis=1)[:, -k], FEWEST)
            work = [
                (block, int(r[0]), int(r[-1]) + 1, first, k, least, values, numbers, filled) for r in shares if r.size
            ]
            list(threads.map(_collect, *zip(*work, strict=True)))
    for row in range(count):  # the unused places lose
        values[row, filled[row] :] = FEWEST
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(numbers, order, axis=1)


@compiled
def _collect(
    block: Any, start: int, stop: int, first: int, k: int, least: Any, values: Any, numbers: Any, filled: Any
) -> None:
    """Add the cosines above each row's threshold to its buffer, rows start to stop; a full buffer keeps its k best."""
    chunk = 64  # compared at once by vector instructions: after the first blocks, few chunks hold anything
    for row in range(start, stop):
        for begin in range(0, block.shape[1], chunk):
            part = block[row, begin : begin + chunk]
            above = 0
            for column in range(part.size):
                above += part[column] > least[row]
            if above == 0:
                continue
            for column in range(begin, begin + part.size):
                if block[row, column] > least[row]:
                    place = filled[row]
                    values[row, place] = block[row, column]
                    numbers[row, place] = first + column
                    filled[row] = place + 1
                    if filled[row] == values.shape[1]:
                        kept = np.argsort(-values[row])[:k]
                        values[row, :k] = values[row][kept]
                        numbers[row, :k] = numbers[row][kept]
                        filled[row] = k
                        least[row] = values[row, k - 1]


def _top_on_device(
    queries: Vectors, documents: NDArray[Any], k: int, device: str
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """As `_top_on_cpu`, by torch: there, selecting costs little beside the product."""
    import torch

    on_device = torch.from_numpy(queries).to(device)
    values = torch.empty((queries.shape[0], 0), device=device)
    numbers = torch.empty((queries.shape[0], 0), dtype=torch.int64, device=device)
    for first, part in _blocks(documents, CUDA_DOCUMENT_BLOCK):
        product = on_device @ torch.tensor(part, device=device).T
        best, found = torch.topk(product, min(k, part.shape[0]), dim=1)
        values, numbers = torch.cat([values, best], 1), torch.cat([numbers, found + first], 1)
        values, order = torch.topk(values, min(k, values.shape[1]), dim=1)
        numbers = torch.gather(numbers, 1, order)
    return values.cpu().numpy(), numbers.cpu().numpy()


def hits_from_scores(blocks: Iterable[NDArray[Any]], k: int = DEPTH, *, tolerance: float = 0.0) -> Hits:
    """Hits from complete rows of scores.

    Parameters
    ----------
    blocks
        (B, N) scores of all documents, block by block of queries; `UNRETRIEVED` for a document that the ranker did
        not return. The blocks are not kept.
    k
        Documents a query; N where there are fewer.
    tolerance
        Scores closer than this are tied.
    """
    lists, values, ties, done, n = [], [], TieLists(), 0, 0
    for block in blocks:
        n = block.shape[1]
        k = min(k, n)
        found = np.argpartition(block, n - k, axis=1)[:, n - k :]
        scores = np.take_along_axis(block, found, axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")
        found, shared = share_ties(
            np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1), tolerance
        )
        near = np.count_nonzero(block >= shared[:, -1:] - tolerance, axis=1)
        for row in np.flatnonzero((near > k) & (shared[:, -1] > UNRETRIEVED)):
            ties.record(block[row], done + int(row), found[row], shared[row], tolerance)
        absent = shared <= UNRETRIEVED
        lists.append(np.where(absent, -1, found).astype(np.int32))
        values.append(np.where(absent, -np.inf, shared))
        done += block.shape[0]
    return Hits(np.concatenate(lists), np.concatenate(values), n, ties.freeze())


def ranks(
    queries: Vectors, documents: NDArray[Any], rows: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rank (from 1) of single documents by cosine, however far down: 1 + the number of documents strictly nearer.

    Parameters
    ----------
    queries, documents
        As in `search`.
    rows, wanted
        (M,) query and document numbers; those pairs' ranks are returned.
    """
    vectors = np.asarray(queries[rows], dtype=np.float32)
    own = np.einsum("ij,ij->i", vectors, np.asarray(documents[wanted], dtype=np.float32)) + np.float32(COSINE_TOLERANCE)
    nearer = np.zeros(rows.size, dtype=np.int64)
    for first in range(0, rows.size, QUERY_BLOCK):
        part = slice(first, first + QUERY_BLOCK)
        for _, block in _blocks(documents, DOCUMENT_BLOCK):
            nearer[part] += np.count_nonzero(vectors[part] @ block.T > own[part, None], axis=1)
    return nearer + 1
