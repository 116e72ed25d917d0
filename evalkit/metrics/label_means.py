"""Products of vectors with label means, shared by all scores that see a label only through its sum.

The mean of a text's cosines with a label's texts is one product with the label's mean, so silhouette,
centroid accuracy, Davies–Bouldin and Caliński–Harabasz need the N·k numbers x·μ_c and never an N × N
matrix; k labels cost O(N·k·d). Vectors are taken about their overall mean m, z = x − m and C_c = μ_c − m:
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

from evalkit.types import Codes

__all__ = [
    "CentredVectors",
    "ClassMeans",
    "centre",
    "label_means",
    "label_sizes",
    "products",
    "suits_double",
    "sum_by_label",
]

DOUBLE_WORK = 2e8
"""Up to this N·k·d double precision costs milliseconds; above it, float32 products are taken."""

BLOCK_VALUES = 1 << 18
"""Numbers held at a time: a block of products stays in the processor's cache."""


FEW_MEMBERS = 1 << 10
"""Up to so many places (texts times labels) a product with zeros and ones is quicker than one without the zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class CentredVectors:
    """Vectors about their mean: what does not depend on the labels.

    Attributes
    ----------
    vectors
        (N, r) coordinates in which z = vectors − offset; r = min(N, d) where a rotation saved work.
    offset
        (r,) of the vectors' type.
    along
        (N,) float64, x·m.
    squares
        (N,) float64, x·x (1, or 0 for a zero vector).
    spread
        (N,) float64, ‖x − m‖².
    mean_square
        m·m.
    """

    vectors: NDArray[Any]
    offset: NDArray[Any]
    along: NDArray[np.float64]
    squares: NDArray[np.float64]
    spread: NDArray[np.float64]
    mean_square: float

    @property
    def halves(self) -> NDArray[np.float64]:
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
            rows = slice(start, start + step)
            yield rows, self.vectors[rows] - self.offset


@dataclass(frozen=True, slots=True, eq=False)
class ClassMeans:
    """Label means about the overall mean, for P labellings at once.

    Attributes
    ----------
    centred
        (P, k, r) float64, C_c = μ_c − m.
    sizes
        (k,) texts of each label (the same in every labelling).
    spread
        (P, k) float64, ‖C_c‖².
    lift
        (P, k) float64, m·C_c.
    halves
        (P, k) float64, mean over the label of `CentredVectors.halves`.
    """

    centred: NDArray[np.float64]
    sizes: NDArray[np.int64]
    spread: NDArray[np.float64]
    lift: NDArray[np.float64]
    halves: NDArray[np.float64]

    def mean_squares(self, mean_square: float) -> NDArray[np.float64]:
        """(P, k) ‖μ_c‖², not below zero."""
        return np.maximum(mean_square + 2 * self.lift + self.spread, 0.0)


def suits_double(unit: NDArray[Any], n_labels: int) -> bool:
    """Whether products of these vectors with so many label means are taken in double precision."""
    return unit.size * n_labels <= DOUBLE_WORK


def centre(unit: NDArray[Any], n_labels: int) -> CentredVectors:
    """Take vectors about their mean, in the precision and the coordinates that suit the work ahead.

    Parameters
    ----------
    unit
        (N, d) vectors.
    n_labels
        k; N·k·d decides between float64 and float32.
    """
    double = suits_double(unit, n_labels)
    precision: np.dtype[Any] = np.dtype(np.float64 if double else np.float32)
    n, dimension = unit.shape
    total = np.zeros(dimension)
    for start in range(0, n, 2048):
        part: NDArray[Any] = np.asarray(unit[start : start + 2048], dtype=precision)
        total += np.ones(len(part), dtype=precision) @ part
    # Any point near the mean serves as m; one that both precisions hold exactly makes them agree on it.
    mean = (total / n).astype(np.float32)
    offset = mean.astype(precision)
    along, squares, spread = np.empty(n), np.empty(n), np.empty(n)
    vectors = np.empty((n, dimension)) if double else unit
    for start in range(0, n, 512):
        rows = slice(start, start + 512)
        block: NDArray[np.float64] = np.asarray(unit[rows], dtype=precision)
        along[rows] = block @ offset
        squares[rows] = np.einsum("ij,ij->i", block, block)
        block = block - offset
        spread[rows] = np.einsum("ij,ij->i", block, block)
        if double:
            vectors[rows] = block
    if double:
        if n < dimension:
            # N points span at most N dimensions: a rotation into them keeps every product.
            vectors = np.ascontiguousarray(np.asarray(np.linalg.qr(vectors.T, mode="r")).T)
        offset = np.zeros(vectors.shape[1])
    return CentredVectors(vectors, offset, along, squares, spread, float(mean @ mean.astype(np.float64)))


def sum_by_label(values: NDArray[Any], labellings: NDArray[np.int32], n_labels: int) -> NDArray[np.float64]:
    """Sum rows by label.

    Parameters
    ----------
    values
        (n, r) rows.
    labellings
        (P, n) label codes.

    Returns
    -------
    ndarray
        (P, k, r) float64.
    """
    count, n = labellings.shape
    if n * n_labels <= FEW_MEMBERS:
        members = labellings[:, None, :] == np.arange(n_labels, dtype=np.int32)[:, None]
        sums = members.reshape(-1, n).astype(np.float64) @ values
        return np.asarray(sums, dtype=np.float64).reshape(count, n_labels, -1)
    rows = (labellings.T + n_labels * np.arange(count)).ravel()
    starts = count * np.arange(n + 1)
    membership = sparse.csc_matrix((np.ones(rows.size), rows, starts), shape=(count * n_labels, n))
    return np.asarray(membership @ values, dtype=np.float64).reshape(count, n_labels, -1)


def label_means(vectors: CentredVectors, labellings: NDArray[np.int32], sizes: NDArray[np.int64]) -> ClassMeans:
    """Label means of P labellings of the same sizes.

    Parameters
    ----------
    labellings
        (P, N) label codes.
    sizes
        (k,) texts of each label, all at least 1.
    """
    count, k = len(labellings), sizes.size
    own = np.stack([vectors.along, vectors.halves], axis=1)
    if labellings.shape[1] * k <= FEW_MEMBERS:
        sums = sum_by_label(np.hstack([vectors.vectors - vectors.offset, own]), labellings, k)
        sums, own_sums = sums[..., :-2], sums[..., -2:]
    else:
        sums = np.zeros((count, k, vectors.vectors.shape[1]))
        for rows, block in vectors.blocks(vectors.vectors.shape[1]):
            sums += sum_by_label(block, labellings[:, rows], k)
        own_sums = sum_by_label(own, labellings, k)
    centred = sums / sizes[:, None]
    return ClassMeans(
        centred=centred,
        sizes=sizes,
        spread=np.einsum("pkr,pkr->pk", centred, centred),
        lift=own_sums[..., 0] / sizes - vectors.mean_square,
        halves=own_sums[..., 1] / sizes,
    )


def products(vectors: CentredVectors, means: ClassMeans) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Centred products z·C_c, a block of texts at a time.

    Yields
    ------
    tuple
        Row slice and (rows, P, k) in the vectors' precision; x·μ_c = x·m + m·C_c + z·C_c.
    """
    count, k, dimension = means.centred.shape
    directions = means.centred.reshape(count * k, dimension).T.astype(vectors.vectors.dtype)
    for rows, block in vectors.blocks(count * k):
        yield rows, (block @ directions).reshape(-1, count, k)


def label_sizes(labels: Codes) -> NDArray[np.int64]:
    """(k,) texts of each label code."""
    return np.bincount(labels).astype(np.int64)
