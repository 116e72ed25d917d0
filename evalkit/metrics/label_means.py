"""Products of vectors with label means, shared by all scores that see a label only through its sum.

The mean of a text's cosines with a label's texts is one product with the label's mean, so silhouette,
centroid accuracy, Davies–Bouldin and Caliński–Harabasz need the N·k numbers x·μ_c and never an N × N
matrix; k labels cost O(N·k·d). Vectors are taken about a point m near their mean, z = x − m and C_c = μ_c − m:
then rounding errors shrink with the spread of the data, and float32 products are exact enough even for
vectors that all lie in a narrow cone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evalkit.types import Floats

DOUBLE_WORK = 2e8  # N·k·d up to which products are taken in double precision; above it in single, at half the cost
BLOCK_VALUES = 1 << 18  # numbers of a block of products, which stays in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class CentredVectors:
    """Vectors about a point m near their mean: what does not depend on the labels."""

    vectors: NDArray[Any]  # (N, d) z = x − m, float64 or float32
    along: Floats  # (N,) x·m
    squares: Floats  # (N,) x·x: 1, or 0 for a zero vector
    spread: Floats  # (N,) ‖x − m‖²
    mean_square: float  # m·m

    @property
    def halves(self) -> Floats:
        """(N,) ‖x − m‖² / 2, and half a unit more for a zero vector, whose cosine distance to all is 1.

        With them the cosine distance of unit vectors, 1 − x·y = ‖x − y‖² / 2, is
        halves(x) + halves(y) − (x − m)·(y − m): exact even where float32 made x·x differ from 1.
        """
        return np.asarray(0.5 * (self.spread + (self.squares == 0)))

    @property
    def tolerance(self) -> float:
        """Relative rounding error that products in this precision may carry."""
        return 64 * float(np.finfo(self.vectors.dtype).eps)

    def blocks(self, values_a_row: int) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Rows and their z, about BLOCK_VALUES coordinates or products at a time."""
        step = max(1, BLOCK_VALUES // max(1, values_a_row, self.vectors.shape[1]))
        for start in range(0, len(self.vectors), step):
            yield slice(start, start + step), self.vectors[start : start + step]


@dataclass(frozen=True, slots=True, eq=False)
class LabelMeans:
    """Label means about m, of P labellings."""

    centred: Floats  # (P, k, d) C_c = μ_c − m
    sizes: NDArray[np.int64]  # (k,) texts of each label, the same in every labelling
    spread: Floats  # (P, k) ‖C_c‖²
    lift: Floats  # (P, k) m·C_c
    halves: Floats  # (P, k) mean over the label of `CentredVectors.halves`

    def mean_squares(self, mean_square: float) -> Floats:
        """(P, k) ‖μ_c‖², not below zero."""
        return np.maximum(mean_square + 2 * self.lift + self.spread, 0.0)


def centre(unit: NDArray[Any], n_labels: int) -> CentredVectors:
    """Take (N, d) vectors about their mean, in float64 or float32 by the work N·k·d of one labelling's products."""
    precision: np.dtype[Any] = np.dtype(np.float64 if unit.size * n_labels <= DOUBLE_WORK else np.float32)
    n = len(unit)
    # Any point near the mean serves as m; one that both precisions hold exactly makes them agree on it.
    mean = unit.mean(axis=0, dtype=np.float64).astype(np.float32).astype(precision)
    vectors = np.empty(unit.shape, dtype=precision)
    along, squares, spread = np.empty(n), np.empty(n), np.empty(n)
    for start in range(0, n, 512):
        rows = slice(start, start + 512)
        block: Floats = np.asarray(unit[rows], dtype=precision)
        along[rows] = block @ mean
        squares[rows] = np.einsum("ij,ij->i", block, block)
        vectors[rows] = block - mean
        spread[rows] = np.einsum("ij,ij->i", vectors[rows], vectors[rows])
    return CentredVectors(vectors, along, squares, spread, float(np.square(mean, dtype=np.float64).sum()))


def sum_by_label(values: NDArray[Any], labellings: NDArray[np.int32], n_labels: int) -> Floats:
    """(P, k, r) sums of the (n, r) rows by label, for (P, n) labellings."""
    count, n = labellings.shape
    rows = (labellings.T + n_labels * np.arange(count)).ravel()
    membership = sparse.csc_matrix((np.ones(rows.size), rows, count * np.arange(n + 1)), shape=(count * n_labels, n))
    return np.asarray(membership @ values, dtype=np.float64).reshape(count, n_labels, -1)


def label_means(vectors: CentredVectors, labellings: NDArray[np.int32], sizes: NDArray[np.int64]) -> LabelMeans:
    """Label means of (P, N) labellings of the same (k,) label sizes, all at least 1."""
    centred = np.zeros((len(labellings), sizes.size, vectors.vectors.shape[1]))
    for rows, block in vectors.blocks(1):
        centred += sum_by_label(block, labellings[:, rows], sizes.size)
    centred /= sizes[:, None]
    own = sum_by_label(np.stack([vectors.along, vectors.halves], axis=1), labellings, sizes.size) / sizes[:, None]
    spread = np.einsum("pkr,pkr->pk", centred, centred)
    return LabelMeans(centred, sizes, spread, own[..., 0] - vectors.mean_square, own[..., 1])


def products(vectors: CentredVectors, means: LabelMeans) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Row slices and their (rows, P, k) products z·C_c in the vectors' precision: x·μ_c = x·m + m·C_c + z·C_c."""
    count, k, dimension = means.centred.shape
    directions = means.centred.reshape(count * k, dimension).T.astype(vectors.vectors.dtype)
    for rows, block in vectors.blocks(count * k):
        yield rows, (block @ directions).reshape(-1, count, k)
