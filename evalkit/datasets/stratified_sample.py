"""A smaller corpus with the same proportions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.datasets.table import Table

__all__ = ["allot", "stratify"]


def stratify(table: Table, rows: list[int], limit: int, seed: int) -> tuple[list[int], list[str]]:
    """`limit` of `rows`, stratified by label, in their order, and a warning where labels had to be left out.

    Parameters
    ----------
    rows
        More than `limit` row numbers.
    seed
        Which rows of a label are drawn.
    """
    labels, codes = np.unique([str(table.labels[row]) for row in rows], return_inverse=True)
    sizes = np.bincount(codes)
    shares = allot(sizes, limit)
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(rows), dtype=np.bool_)
    for label, share in enumerate(shares):
        chosen[generator.permutation(np.flatnonzero(codes == label))[:share]] = True
    missing = int(np.count_nonzero(shares == 0))
    warnings = []
    if missing:
        warnings.append(
            f"dataset.limit={limit} holds only the {len(labels) - missing} largest of the {len(labels)} labels, "
            f"two texts of each; raise it to {int(np.minimum(sizes, 2).sum())} to keep all."
        )
    return [row for row, taken in zip(rows, chosen, strict=True) if taken], warnings


def allot(sizes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """How many of each label to take.

    Parameters
    ----------
    sizes
        (k,) texts a label, together more than `limit`.
    limit
        At least 2.

    Returns
    -------
    numpy.ndarray
        (k,) int64 that sum to `limit`: in proportion to `sizes`, but two of each label at least (or its one). Where
        `limit` is too small for that, the largest labels get two, the others none.
    """
    least = np.minimum(sizes, 2)
    if least.sum() > limit:
        largest = np.argsort(-sizes, kind="stable")
        out = largest[np.cumsum(least[largest]) > limit]
        least[out] = 0
        if np.where(least > 0, sizes, 0).sum() < limit:
            least[out[0]] = 1  # an odd limit, and nothing more to take of the labels that are in
    shares = least.copy()
    open_labels = least > 0
    while True:
        rest = limit - int(shares[~open_labels].sum())
        exact = np.where(open_labels, sizes, 0) * (rest / int(sizes[open_labels].sum()))
        short = open_labels & (exact < least)
        if not short.any():
            break
        open_labels &= ~short  # these keep the least, and the others share what is left
    whole = np.floor(exact).astype(np.int64)
    largest_remainder = np.argsort(whole - exact, kind="stable")
    whole[largest_remainder[: rest - int(whole.sum())]] += 1
    return np.where(open_labels, whole, shares)
