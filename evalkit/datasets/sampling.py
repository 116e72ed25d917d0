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
        (k,) int64 that sum to `limit`: two of each label (or its one), the rest in proportion to what is left of
        the labels. Where `limit` is too small for two of each, the largest labels get two, the others none.
    """
    shares = np.minimum(sizes, 2)
    if shares.sum() > limit:
        largest = np.argsort(-sizes, kind="stable")
        fits = np.cumsum(shares[largest]) <= limit
        shares[largest[~fits]] = 0
        if shares.sum() < limit and np.array_equal(shares, np.where(shares > 0, sizes, 0)):
            shares[largest[~fits][0]] = 1  # an odd limit, and nothing more to take of the labels that are in
    spare = limit - int(shares.sum())
    room = np.where(shares > 0, sizes - shares, 0)
    exact = room * (spare / max(int(room.sum()), 1))
    whole = np.floor(exact).astype(np.int64)
    remainder = exact - whole
    remainder[whole >= room] = -1.0
    whole[np.argsort(-remainder, kind="stable")[: spare - int(whole.sum())]] += 1
    return shares + whole
