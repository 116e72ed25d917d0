"""Compiled loop over pairs of vectors, imported where they are many: loading it takes longer than a few pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled

__all__ = ["pair_products"]


@compiled
def pair_products(
    vectors: NDArray[np.float32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Products of pairs of vectors, without a copy of either.

    Parameters
    ----------
    vectors
        (N, d).
    first, second
        (P,) numbers of the two.

    Returns
    -------
    ndarray
        (P,) float32.
    """
    products = np.empty(first.size, dtype=np.float32)
    for pair in range(first.size):
        one, other = vectors[first[pair]], vectors[second[pair]]
        total = np.float32(0.0)
        for i in range(one.size):
            total += one[i] * other[i]
        products[pair] = total
    return products
