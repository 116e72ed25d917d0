"""A stratified sample of texts for the nulls of a large corpus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes

__all__ = ["LARGE", "stratified_rows"]

LARGE = 50_000
"""Above so many texts a null is taken on a stratified sample."""


def stratified_rows(labels: Codes, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw about `count` texts, each label in proportion and with at least two (one where it has no more).

    Parameters
    ----------
    labels
        (N,) label codes.
    count
        How many; all where N is not larger.

    Returns
    -------
    ndarray
        Text numbers, ascending.
    """
    n = labels.size
    if n <= count:
        return np.arange(n)
    sizes = np.bincount(labels)
    wanted = np.maximum(np.floor(sizes * (count / n) + 0.5).astype(np.int64), np.minimum(sizes, 2))
    order = rng.permutation(n)
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[np.arange(n) - starts < np.repeat(wanted, sizes)])
