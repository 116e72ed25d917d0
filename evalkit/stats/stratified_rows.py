"""Stratified samples of texts: for ``dataset.limit``, and for the nulls of a large corpus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes

LARGE = 50_000  # above so many texts a null is computed on a stratified sample


def stratified_rows(labels: Codes, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `count` texts, each label in proportion but with at least two (or its only one); numbers, ascending.

    `count` is raised to what two texts of each label need. All texts are drawn where N is not larger.
    """
    if labels.size <= count:
        return np.arange(labels.size)
    sizes = np.bincount(labels)
    return draw_rows(labels, allot(sizes, max(count, int(np.minimum(sizes, 2).sum()))), rng)


def draw_rows(labels: Codes, shares: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `shares` (n_labels,) texts of each label; returns their numbers, ascending."""
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels, minlength=shares.size))[:-1])
    drawn = [rng.permutation(texts)[:share] for texts, share in zip(members, shares, strict=True)]
    return np.sort(np.concatenate(drawn))


def allot(sizes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """(k,) texts to draw of each label, `limit` (2 or more) in all, in proportion to `sizes` by largest remainders.

    At least two of each label (or its only one) are drawn; where `limit` is too small for that, two of each of the
    largest labels, and none of the others.
    """
    least = np.minimum(sizes, 2)
    if least.sum() > limit:
        largest = np.argsort(-sizes, kind="stable")
        out = largest[np.cumsum(least[largest]) > limit]
        least[out] = 0
        if np.where(least > 0, sizes, 0).sum() < limit:
            least[out[0]] = 1  # an odd limit, and no text left of the labels that are in
    shares, is_open = least.copy(), least > 0
    while True:
        rest = limit - int(shares[~is_open].sum())
        exact = np.where(is_open, sizes, 0) * (rest / int(sizes[is_open].sum()))
        short = is_open & (exact < least - 1e-9)  # 49 · (2/49) is less than 2 by rounding alone
        if not short.any():
            break
        is_open &= ~short  # these keep their least; the others share what is left
    whole = np.floor(exact).astype(np.int64)
    largest_remainder = np.argsort(whole - exact, kind="stable")
    whole[largest_remainder[: rest - int(whole.sum())]] += 1
    return np.where(is_open, whole, shares)
