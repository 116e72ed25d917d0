"""A smaller corpus with the same proportions of labels."""

from __future__ import annotations

import numpy as np

from evalkit.datasets.table import Table
from evalkit.stats.stratified_rows import allot, draw_rows

__all__ = ["stratify"]


def stratify(table: Table, rows: list[int], limit: int, seed: int) -> tuple[list[int], list[str]]:
    """Draw `limit` of more than `limit` `rows`, stratified by label, in order; warn where labels had to be left out."""
    labels, codes = np.unique([str(table.labels[row]) for row in rows], return_inverse=True)
    sizes = np.bincount(codes)
    shares = allot(sizes, limit)
    drawn = [rows[place] for place in draw_rows(codes.astype(np.int32), shares, np.random.default_rng(seed))]
    kept = int(np.count_nonzero(shares))
    if kept == len(labels):
        return drawn, []
    return drawn, [
        f"dataset.limit={limit} holds only the {kept} largest of the {len(labels)} labels, "
        f"two texts of each; raise it to {int(np.minimum(sizes, 2).sum())} to keep all."
    ]
