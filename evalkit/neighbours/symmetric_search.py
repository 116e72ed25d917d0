"""Exact nearest neighbours of every text by cosine: half of the products, each looked at from both sides.

The cosine of i with j is that of j with i. So blocks of texts are multiplied pair by pair, each pair once, and a
product serves the queries of its rows and those of its columns. That is half the multiplications of a search by
queries, and multiplying is most of the work.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evalkit.runtime.compiled import compiled_exactly
from evalkit.types import Vectors

__all__ = ["nearest_lists"]

BLOCK = 1024  # texts: the product of two blocks, 4 MB, is merged while it still lies in the cache
THREADS = 2
CHUNK = 128  # values compared at once: of fewer, the compiler makes no vectors


def nearest_lists(unit: Vectors, count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The best few other texts of every text.

    Parameters
    ----------
    unit
        (N, d) contiguous float32 vectors of length 1, or 0.
    count
        How many to list of each text.

    Returns
    -------
    tuple
        (N, count) cosines, descending, and text numbers, ascending among equal cosines; a place for which there is
        no other text holds −∞ and −1.
    """
    n = len(unit)
    best = np.full((n, count), -np.inf, dtype=np.float32)
    found = np.full((n, count), -1, dtype=np.int32)
    least = np.full(n, -np.inf, dtype=np.float32)  # the last of each list, side by side
    rooms = np.empty((THREADS, BLOCK * BLOCK), dtype=np.float32)
    # Pairs in this order show each query the texts in the order of their numbers: the earlier of equals stays ahead.
    pairs = [(first, second) for first in range(0, n, BLOCK) for second in range(first, n, BLOCK)]

    def multiply(room: NDArray[np.float32], pair: tuple[int, int]) -> NDArray[np.float32]:
        rows, columns = (unit[start : start + BLOCK] for start in pair)
        products = room[: len(rows) * len(columns)].reshape(len(rows), len(columns))
        np.matmul(rows, columns.T, out=products)
        if pair[0] == pair[1]:
            np.fill_diagonal(products, -np.inf)  # a text is no neighbour of its own
        return products

    def merge(part: int) -> None:
        for products, (first, second) in multiplied:
            _merge_rows(products, first, second, part, best, found, least)
            if first != second:  # both sides of the diagonal are seen as rows
                _merge_columns(products, first, second, part, best, found, least)

    # A product on each thread: of such small ones, the threads of a single one would wait for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(pairs), THREADS):
            some = pairs[start : start + THREADS]
            multiplied = list(zip(pool.map(multiply, rooms, some), some, strict=True))
            list(pool.map(merge, range(THREADS)))
    return best, found


@compiled_exactly
def _merge_rows(
    products: NDArray[np.float32],
    first: int,
    second: int,
    part: int,
    best: NDArray[np.float32],
    found: NDArray[np.int32],
    least: NDArray[np.float32],
) -> None:
    """Put into the lists of this part of the rows' queries what is nearer than their last.

    Few values get into a list: a chunk of them is compared at once, and looked at one by one only where one does. A
    list has one writer, so that what it holds does not depend on which thread is quicker.
    """
    height, width = products.shape
    for row in range(height * part // THREADS, height * (part + 1) // THREADS):
        values, query = products[row], first + row
        for start in range(0, width, CHUNK):
            stop = min(start + CHUNK, width)
            nearer = np.int32(stop - start < CHUNK)
            if not nearer:
                chunk, limit = values[start:stop], least[query]
                for at in range(CHUNK):
                    nearer |= np.int32(1) if chunk[at] > limit else np.int32(0)
            if nearer:
                for column in range(start, stop):
                    if values[column] > least[query]:
                        _put(values[column], query, second + column, best, found, least)


@compiled_exactly
def _merge_columns(
    products: NDArray[np.float32],
    first: int,
    second: int,
    part: int,
    best: NDArray[np.float32],
    found: NDArray[np.int32],
    least: NDArray[np.float32],
) -> None:
    """As `_merge_rows` for the queries of the columns, in the order in which the values lie all the same."""
    height, width = products.shape
    left, right = width * part // THREADS, width * (part + 1) // THREADS
    for row in range(height):
        values = products[row]
        for start in range(left, right, CHUNK):
            stop = min(start + CHUNK, right)
            nearer = np.int32(stop - start < CHUNK)
            if not nearer:
                chunk, limits = values[start:stop], least[second + start : second + stop]
                for at in range(CHUNK):
                    nearer |= np.int32(1) if chunk[at] > limits[at] else np.int32(0)
            if nearer:
                for column in range(start, stop):
                    if values[column] > least[second + column]:
                        _put(values[column], second + column, first + row, best, found, least)


@compiled_exactly
def _put(
    value: float,
    query: int,
    text: int,
    best: NDArray[np.float32],
    found: NDArray[np.int32],
    least: NDArray[np.float32],
) -> None:
    """Put a text into a query's list, in place of its last and behind its equals."""
    place = best.shape[1] - 1
    while place > 0 and best[query, place - 1] < value:
        best[query, place] = best[query, place - 1]
        found[query, place] = found[query, place - 1]
        place -= 1
    best[query, place] = value
    found[query, place] = text
    least[query] = best[query, best.shape[1] - 1]
