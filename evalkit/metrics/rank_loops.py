"""Compiled counting: at which place a text stands among another's neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled

__all__ = ["map_ranks", "similarity_ranks"]


@compiled
def similarity_ranks(
    similarities: NDArray[Any], rows: NDArray[np.int64], others: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Place of some texts among all others by descending similarity, 1 the nearest.

    Parameters
    ----------
    similarities
        (Q, N) of the query rows with every text, their own included (and not counted).
    rows
        (Q,) their text numbers.
    others
        (Q, K) the texts whose place is asked for.

    Returns
    -------
    ndarray
        (Q, K) float64; texts equally near share the mean of their places.
    """
    ranks = np.empty(others.shape)
    for q in range(rows.size):
        for j in range(others.shape[1]):
            level = similarities[q, others[q, j]]
            nearer = 0
            as_near = 0
            for i in range(similarities.shape[1]):
                nearer += similarities[q, i] > level
                as_near += similarities[q, i] == level
            own = similarities[q, rows[q]]
            nearer -= own > level
            as_near -= own == level
            ranks[q, j] = nearer + (as_near + 1) / 2
    return ranks


@compiled
def map_ranks(points: NDArray[np.float64], rows: NDArray[np.int64], others: NDArray[np.int32]) -> NDArray[np.float64]:
    """Place of some texts among all others by ascending distance on the map, as `similarity_ranks` counts it.

    Parameters
    ----------
    points
        (N, 2) float64.
    rows, others
        As in `similarity_ranks`.
    """
    n = points.shape[0]
    ranks = np.empty(others.shape)
    squares = np.empty(n)
    for q in range(rows.size):
        x, y = points[rows[q], 0], points[rows[q], 1]
        for i in range(n):
            dx, dy = points[i, 0] - x, points[i, 1] - y
            squares[i] = dx * dx + dy * dy
        for j in range(others.shape[1]):
            level = squares[others[q, j]]
            nearer = 0
            as_near = 0
            for i in range(n):
                nearer += squares[i] < level
                as_near += squares[i] == level
            nearer -= squares[rows[q]] < level
            as_near -= squares[rows[q]] == level
            ranks[q, j] = nearer + (as_near + 1) / 2
    return ranks
