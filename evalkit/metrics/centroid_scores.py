"""Silhouette, centroid hits, Davies–Bouldin and Caliński–Harabasz of many labellings from one matrix product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.label_means import CentredVectors, LabelMeans, label_means, products, sum_by_label
from evalkit.stats.mean_intervals import mean_by_label
from evalkit.types import Codes, Floats

SAME_PLACE = 1e-7  # below this distance a silhouette is 0: text, label and rival lie in one place
ROUNDING = 1.5e-14


@dataclass(frozen=True, slots=True, eq=False)
class CentroidScores:
    """The scores of P labellings of the same N unit vectors."""

    silhouettes: Floats  # (N, P) by cosine distance, −1 to 1; 0 for a label's only text and where max(a, b) < 1e-7
    hits: Floats  # (N, P) leave-one-out nearest centroid by cosine: 1, 0, 1/t for t tied; 0 where the rest sums to 0
    davies_bouldin: Floats  # (P,) from 0, lower is better; NaN where all centroids coincide (scikit-learn: 0)
    calinski_harabasz: Floats  # (P,) from 0, higher is better; NaN where nothing varies within labels or each is alone
    nearest: NDArray[np.int32]  # (N, P) the other label with the nearest mean, whose distance is b
    slopes: Floats  # (2, N, P) derivatives of the silhouette by a and by b


def score_labellings(
    vectors: CentredVectors, labellings: NDArray[np.int32], sizes: NDArray[np.int64]
) -> CentroidScores:
    """Score (P, N) labellings of the same (k,) label sizes: one matrix product serves all four scores."""
    count, n = labellings.shape
    means = label_means(vectors, labellings, sizes)
    silhouettes, hits, distances = np.empty((n, count)), np.empty((n, count)), np.empty((n, count))
    nearest, slopes = np.empty((n, count), dtype=np.int32), np.empty((2, n, count))
    spread, lift, halves = means.spread.ravel(), means.lift.ravel(), means.halves.ravel()
    own_halves = vectors.halves
    for rows, block in products(vectors, means):
        own = labellings[:, rows].T.astype(np.int64)
        flat = own + sizes.size * np.arange(count)
        inner = np.take_along_axis(block, own[..., None], axis=2)[..., 0].astype(np.float64)
        np.put_along_axis(block, own[..., None], -np.inf, axis=2)
        squared = vectors.spread[rows, None] - 2 * inner + spread[flat]
        distances[rows] = np.sqrt(np.where(squared > vectors.tolerance * np.sqrt(spread[flat]), squared, 0.0))
        members, zero = sizes[own], vectors.squares[rows, None] == 0
        to_own = members * (own_halves[rows, None] + halves[flat] - inner) - zero
        to_others = means.halves.astype(block.dtype) - block
        nearest[rows] = to_others.argmin(axis=2)
        to_nearest = np.take_along_axis(to_others, nearest[rows, :, None], axis=2)[..., 0] + own_halves[rows, None]
        silhouettes[rows], slopes[:, rows] = _silhouettes(to_own, to_nearest, members)
        to_means = block + (means.lift + vectors.along[rows, None, None]).astype(block.dtype)
        to_mean = inner + lift[flat] + vectors.along[rows, None]
        hits[rows] = _hits(to_means, to_mean, members, vectors.squares[rows, None], flat, means, vectors)
    davies_bouldin = _davies_bouldin(distances, labellings, means, vectors)
    return CentroidScores(silhouettes, hits, davies_bouldin, _calinski_harabasz(distances, means, n), nearest, slopes)


def _silhouettes(to_own: Floats, to_nearest: Floats, members: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Silhouettes and their slopes, from summed distances to the own label and mean ones to the nearest other."""
    a = np.maximum(to_own / np.maximum(members - 1, 1), 0.0)
    b = np.maximum(to_nearest, 0.0)
    larger = np.maximum(a, b)
    defined = (larger >= SAME_PLACE) & (members > 1)
    scale = np.where(defined, larger, 1.0)
    values = np.where(defined, (b - a) / scale, 0.0)
    by_a = np.where(defined, -np.where(b >= a, 1.0, b / scale) / scale, 0.0)
    by_b = np.where(defined, np.where(b >= a, a / scale, 1.0) / scale, 0.0)
    return values, np.stack([by_a, by_b])


def _hits(
    to_means: NDArray[Any],
    to_own: Floats,
    members: NDArray[np.int64],
    square: Floats,
    flat: NDArray[np.int64],
    means: LabelMeans,
    vectors: CentredVectors,
) -> Floats:
    """Leave-one-out nearest-centroid hits of a block, from x·μ_c of the other labels (own: −∞) and of the own one."""
    lengths = means.mean_squares(vectors.mean_square)
    empty = lengths <= _zero_square(means.sizes, vectors) / means.sizes**2
    cosines = to_means / np.sqrt(np.where(empty, 1.0, lengths)).astype(to_means.dtype)
    if empty.any():  # a mean without a direction has cosine 0 with everything
        np.copyto(cosines, 0.0, where=empty & np.isfinite(cosines))
    rival = cosines.max(axis=2)
    rest = members**2 * lengths.ravel()[flat] - 2 * members * to_own + square
    directionless = (rest <= _zero_square(members, vectors)) | (members == 1)
    mine = (members * to_own - square) / np.sqrt(np.where(directionless, 1.0, rest))
    hits = (mine > rival).astype(np.float64)
    tied = np.abs(mine - rival) <= vectors.tolerance
    hits[tied] = 1.0 / (1.0 + (cosines[tied] >= rival[tied][:, None] - vectors.tolerance).sum(axis=1))
    return np.where(directionless, 0.0, hits)


def _zero_square(members: NDArray[np.int64], vectors: CentredVectors) -> Floats:
    """Squared length up to which a sum of so many vectors is zero but for rounding."""
    return np.asarray(ROUNDING * members.astype(np.float64) ** 2 + vectors.tolerance * members)


def _davies_bouldin(
    distances: Floats, labellings: NDArray[np.int32], means: LabelMeans, vectors: CentredVectors
) -> Floats:
    """(P,) Davies–Bouldin indices from the (N, P) distances to the own centroids."""
    k = means.sizes.size
    sums = [np.bincount(codes, apart, k) for codes, apart in zip(labellings, distances.T, strict=True)]
    within = np.stack(sums) / means.sizes
    pairs = means.spread[:, :, None] + means.spread[:, None, :]
    squared = pairs - 2 * means.centred @ means.centred.transpose(0, 2, 1)
    # Centroids in one place are left out, as scikit-learn does, unless all are.
    apart = (squared > vectors.tolerance * pairs) & ~np.eye(k, dtype=bool)
    spreads = within[:, :, None] + within[:, None, :]
    ratios = np.divide(spreads, np.sqrt(np.where(apart, squared, 1.0)), where=apart, out=np.zeros_like(spreads))
    return np.asarray(np.where(apart.any(axis=(1, 2)), ratios.max(axis=2).mean(axis=1), np.nan))


def _calinski_harabasz(distances: Floats, means: LabelMeans, n: int) -> Floats:
    """(P,) Caliński–Harabasz indices from the (N, P) distances to the own centroids."""
    k = means.sizes.size
    within = np.einsum("np,np->p", distances, distances)
    middle = np.einsum("k,pkr->pr", means.sizes / n, means.centred)
    between = means.spread @ means.sizes - n * np.einsum("pr,pr->p", middle, middle)
    defined = (within > ROUNDING * n) & (n > k)
    ratio = np.divide(between, within, where=defined, out=np.full(within.size, np.nan))
    return np.asarray(ratio * (n - k) / (k - 1))


def silhouette_pseudo_values(
    vectors: CentredVectors, codes: Codes, sizes: NDArray[np.int64], scores: CentroidScores, weights: Floats
) -> Floats:
    """(N,) infinitesimal-jackknife pseudo-values of Σ weights · silhouette; `scores` are those of this one labelling.

    A text enters the others' silhouettes through its label's mean only, so its influence is a product with the sum of
    their slopes: O(N·k·d), where leaving out one text after the other would cost O(N²·k) (Efron 1982, ch. 6). The
    weights sum to 1: 1/N for the micro score, 1/(k·n_c) for the macro one.
    """
    n, k = codes.size, sizes.size
    means = label_means(vectors, codes[None, :], sizes)
    nearest, slopes = scores.nearest[:, 0], scores.slopes[:, :, 0]
    # a and b fall as the mean cosine rises: hence the minus. Without one text, a label's mean moves by
    # (x − μ) / (n_c − 1).
    moving = np.maximum(sizes - 1, 1)
    to_own = -n * weights * slopes[0] / moving[codes] * (sizes / moving)[codes]
    to_nearest = -n * weights * slopes[1] / moving[nearest]
    direction = np.zeros((k, vectors.vectors.shape[1]))
    for rows, block in vectors.blocks(1):
        direction += sum_by_label(block * to_own[rows, None], codes[None, rows], k)[0]
        direction += sum_by_label(block * to_nearest[rows, None], nearest[None, rows], k)[0]
    along = np.bincount(codes, to_own, k) + np.bincount(nearest, to_nearest, k)
    moved = along[codes] * (vectors.along - vectors.mean_square - means.lift[0][codes])
    for rows, block in vectors.blocks(1):
        moved[rows] += np.einsum("nr,nr->n", direction[codes[rows]], block - means.centred[0][codes[rows]])
    values = scores.silhouettes[:, 0]
    score = float(values @ weights)
    micro = np.allclose(weights, weights[0])
    centres = score if micro else mean_by_label(values, codes, k)[codes]
    own = (1.0 if micro else n * weights * (sizes / moving)[codes]) * (values - centres)
    return np.asarray(score + own + moved)
