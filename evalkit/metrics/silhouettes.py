"""Silhouettes alone, of many texts: two readings of the vectors, of which nothing but blocks is kept.

The four scores of `centroid_scores` share one product with the label means, and most of their time goes into what
the silhouette does not need. Alone it takes the label sums, the product, and one look at each of its rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.centroid_scores import SAME_PLACE
from evalkit.runtime.compiled import compiled
from evalkit.runtime.threads import suitable_threads
from evalkit.types import Codes

__all__ = ["silhouettes"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

THREADS = 2

BLOCK_VALUES = 1 << 17
"""Numbers of a block: half a megabyte, that a core keeps to itself between subtraction, product and scores."""

FEWEST_ROWS = 64
"""A product of fewer rows only waits for the label means, however many they are."""

LANES = 16
"""Columns that a product takes at once: of 80 it is an eighth quicker than of 77."""

MIDDLE_ROWS = 2048
"""Texts whose mean is near enough to that of all."""


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    """What the threads share.

    Attributes
    ----------
    unit
        (N, d) vectors.
    codes
        (N,) label codes.
    middle
        (d,) a point m amid the vectors: about it, single precision is exact enough for a narrow cone too.
    halves
        (N,) ‖x − m‖² / 2, and half a unit more for a zero vector (see `class_sums.CentredVectors.halves`).
    """

    unit: NDArray[Any]
    codes: Codes
    middle: Singles
    halves: Floats

    def centred(self, rows: slice, out: Singles) -> Singles:
        """Take m from a block of texts, in the first rows of `out`."""
        block: Singles = np.asarray(self.unit[rows], dtype=np.float32)
        return np.subtract(block, self.middle, out=out[: len(block)])


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """The labels' means about m, a column each and columns of zeros after them; their halves' means; their sizes."""

    directions: Singles
    halves: Floats
    sizes: NDArray[np.int64]


def silhouettes(unit: NDArray[Any], codes: Codes, sizes: NDArray[np.int64]) -> Floats:
    """Silhouette of each text by cosine distance, from single-precision products.

    Parameters
    ----------
    unit
        (N, d) vectors of length 1, or 0.
    codes
        (N,) label codes 0 … k − 1.
    sizes
        (k,) texts of each label, all at least 1.

    Returns
    -------
    ndarray
        (N,) float64; 0 for a text whose label has no other text, and where max(a, b) < `SAME_PLACE`.
    """
    n = len(unit)
    found, halves = np.empty(n), np.empty(n)
    parts = [range(start, stop) for start, stop in pairwise(n * thread // THREADS for thread in range(THREADS + 1))]
    # A thread for half of the texts, and none of BLAS's own: they would wait for one another at each small product,
    # and go on turning for as long as all of this takes after a single one.
    with suitable_threads(0), ThreadPoolExecutor(THREADS) as pool:
        texts = _Texts(unit, codes, _middle(unit), halves)
        of_threads = list(pool.map(lambda part: _sum(texts, sizes.size, part), parts))
        sums, half_sums = (sum(both) for both in zip(*of_threads, strict=True))
        directions = np.zeros((unit.shape[1], sizes.size + -sizes.size % LANES), dtype=np.float32)
        directions[:, : sizes.size] = (sums / sizes[:, None]).T
        labels = _Labels(directions, half_sums / sizes, sizes)
        list(pool.map(lambda part: _fill(texts, labels, part, found), parts))
    return found


def _middle(unit: NDArray[Any]) -> Singles:
    """Mean of some texts, drawn, for labels may alternate: which ones moves rounding errors alone."""
    drawn = slice(None) if len(unit) <= MIDDLE_ROWS else np.random.default_rng(0).integers(0, len(unit), MIDDLE_ROWS)
    sample: Singles = np.asarray(unit[drawn], dtype=np.float32)
    middle: Singles = np.full(len(sample), 1 / len(sample), dtype=np.float32) @ sample
    return middle


def _sum(texts: _Texts, n_labels: int, part: range) -> tuple[Floats, Floats]:
    """Sums by label of a thread's x − m and their halves; the halves themselves stay in `texts`."""
    dimension = texts.unit.shape[1]
    step = max(FEWEST_ROWS, BLOCK_VALUES // dimension)
    held = np.empty((step, dimension), dtype=np.float32)
    sums, half_sums = np.zeros((n_labels, dimension)), np.zeros(n_labels)
    for start in part[::step]:
        rows = slice(start, min(start + step, part.stop))
        _add(texts.centred(rows, held), texts.middle, texts.codes[rows], texts.halves[rows], sums, half_sums)
    return sums, half_sums


def _fill(texts: _Texts, labels: _Labels, part: range, found: Floats) -> None:
    """Write the silhouettes of a thread's texts."""
    dimension, n_labels = labels.directions.shape
    step = max(FEWEST_ROWS, BLOCK_VALUES // max(dimension, n_labels))
    held = np.empty((step, dimension), dtype=np.float32)
    products = np.empty((step, n_labels), dtype=np.float32)
    for start in part[::step]:
        rows = slice(start, min(start + step, part.stop))
        block = texts.centred(rows, held)
        found_products = np.matmul(block, labels.directions, out=products[: len(block)])
        _score(
            block, texts.middle, found_products, texts.codes[rows], texts.halves[rows], labels.halves, labels.sizes,
            found[rows],
        )  # fmt: skip


@compiled
def _is_zero(row: Singles, middle: Singles) -> bool:
    """Whether x − m is that of a zero vector; any other differs at its first coordinates."""
    for j in range(row.size):  # noqa: SIM110 (numba knows no generator expressions)
        if row[j] != -middle[j]:
            return False
    return True


@compiled
def _add(block: Singles, middle: Singles, codes: Codes, halves: Floats, sums: Floats, half_sums: Floats) -> None:
    """Add a block of x − m to the sums of their labels."""
    for i in range(block.shape[0]):
        code, square = codes[i], 0.0
        for j in range(block.shape[1]):
            value = np.float64(block[i, j])
            sums[code, j] += value
            square += value * value
        halves[i] = 0.5 * (square + (1.0 if _is_zero(block[i], middle) else 0.0))
        half_sums[code] += halves[i]


@compiled
def _score(
    block: Singles, middle: Singles, products: Singles, codes: Codes, halves: Floats, label_halves: Floats,
    sizes: NDArray[np.int64], found: Floats,
) -> None:  # fmt: skip
    """Silhouettes of a block, from its products with the label means."""
    for i in range(block.shape[0]):
        code = codes[i]
        members = sizes[code]
        to_own = members * (halves[i] + label_halves[code] - products[i, code])
        if _is_zero(block[i], middle):
            to_own -= 1.0  # a zero vector is at distance 1 from all, and so from itself in its label's mean
        products[i, code] = -np.float32(1e30)
        rival = np.float32(1e30)
        for c in range(sizes.size):
            rival = min(rival, np.float32(label_halves[c]) - products[i, c])
        a = max(to_own / max(members - 1, 1), 0.0)
        b = max(halves[i] + rival, 0.0)
        larger = max(a, b)
        found[i] = (b - a) / larger if members > 1 and larger >= SAME_PLACE else 0.0
