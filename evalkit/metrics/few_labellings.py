"""The centroid scores of few texts under many labellings, from the texts' products: one compiled call.

The same scores as `centroid_scores.score_labellings`, summarised (the tests hold them against each other). A label's
products with a text are a sum over its texts, so that no mean is ever formed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.label_means import CentredVectors
from evalkit.runtime.compiled import compiled_exactly

__all__ = ["NAMES", "summarise_few"]

NAMES = (
    "silhouette", "silhouette_macro", "centroid_accuracy", "centroid_accuracy_macro", "davies_bouldin",
    "calinski_harabasz",
)  # fmt: skip


def summarise_few(
    vectors: CentredVectors, labellings: NDArray[np.int32], sizes: NDArray[np.int64], same_place: float, rounding: float
) -> dict[str, NDArray[np.float64]]:
    """Name → (P,) scores of labellings of the same sizes.

    Parameters
    ----------
    vectors
        In double precision.
    labellings, sizes
        (P, N) codes and (k,) their sizes.
    same_place, rounding
        `centroid_scores`'s distance up to which a silhouette is 0, and rounding error of squares.
    """
    centred = vectors.vectors - vectors.offset
    texts = np.stack([vectors.along, vectors.squares, vectors.spread, vectors.halves])
    found = _summarise(
        centred @ centred.T, texts, vectors.mean_square, labellings, sizes, vectors.tolerance, same_place, rounding
    )
    return dict(zip(NAMES, found, strict=True))


@compiled_exactly
def _measure(gram, texts, mean_square, labels, sizes, products, means):  # type: ignore[no-untyped-def]
    """Fill (N, k) products of texts with label means, and of the (k,) means: spread, lift, halves, squared length."""
    n, k = products.shape
    products[:] = 0.0
    means[:] = 0.0
    for i in range(n):
        for j in range(n):
            products[i, labels[j]] += gram[i, j]
        for c in range(k):
            products[i, c] /= sizes[c]
        own = labels[i]
        means[0, own] += products[i, own] / sizes[own]
        means[1, own] += texts[0, i] / sizes[own]
        means[2, own] += texts[3, i] / sizes[own]
    for c in range(k):
        means[1, c] -= mean_square
        means[3, c] = max(mean_square + 2.0 * means[1, c] + means[0, c], 0.0)


@compiled_exactly
def _silhouette(products, halves, zero, members, own, means, same_place):  # type: ignore[no-untyped-def]
    """Of one text, from its products with the label means."""
    to_own = members * (halves + means[2, own] - products[own]) - zero
    nearest = np.inf
    for c in range(products.size):
        if c != own:
            nearest = min(nearest, means[2, c] - products[c])
    a, b = max(to_own / max(members - 1, 1), 0.0), max(nearest + halves, 0.0)
    larger = max(a, b)
    return (b - a) / larger if larger >= same_place and members > 1 else 0.0


@compiled_exactly
def _hit(products, along, square, own, sizes, means, tolerance, rounding):  # type: ignore[no-untyped-def]
    """Whether the nearest label mean is the text's own, the text left out of it: 1, 0, or a share where tied."""
    members = sizes[own]
    mean = products[own] + means[1, own] + along
    rest = members**2 * means[3, own] - 2.0 * members * mean + square
    if members == 1 or rest <= rounding * members**2 + tolerance * members:
        return 0.0
    mine, rival = (members * mean - square) / np.sqrt(rest), -np.inf
    for turn in range(2):
        as_near = 0
        for c in range(products.size):
            if c == own:
                continue
            cosine = 0.0
            if means[3, c] > (rounding * sizes[c] ** 2 + tolerance * sizes[c]) / sizes[c] ** 2:
                cosine = (products[c] + means[1, c] + along) / np.sqrt(means[3, c])
            if turn == 0:
                rival = max(rival, cosine)
            else:
                as_near += cosine >= rival - tolerance
        if turn == 0 and abs(mine - rival) > tolerance:
            break
        if turn == 1:
            return 1.0 / (1.0 + as_near)
    return 1.0 if mine > rival else 0.0


@compiled_exactly
def _between(products, labels, sizes, means, within, tolerance):  # type: ignore[no-untyped-def]
    """Davies–Bouldin's index, and n times the squared length of the mean of all, from the means' products."""
    k = sizes.size
    inner = np.zeros((k, k))
    middle, total, apart = 0.0, 0.0, False
    for i in range(labels.size):
        for c in range(k):
            inner[labels[i], c] += products[i, c] / sizes[labels[i]]
            middle += products[i, c] * sizes[c] / labels.size
    for a in range(k):
        worst = 0.0
        for b in range(k):
            pairs = means[0, a] + means[0, b]
            squared = pairs - 2.0 * inner[a, b]
            if a != b and squared > tolerance * pairs:
                apart = True
                worst = max(worst, (within[a] + within[b]) / np.sqrt(squared))
        total += worst / k
    return total if apart else np.nan, middle


@compiled_exactly
def _summarise(gram, texts, mean_square, labellings, sizes, tolerance, same_place, rounding):  # type: ignore[no-untyped-def]
    """(6, P) scores, in the order of `NAMES`."""
    n, k = labellings.shape[1], sizes.size
    found = np.zeros((6, labellings.shape[0]))
    products, means, within = np.empty((n, k)), np.empty((4, k)), np.empty(k)
    for p in range(labellings.shape[0]):
        labels = labellings[p]
        _measure(gram, texts, mean_square, labels, sizes, products, means)
        within[:] = 0.0
        squares = 0.0
        for i in range(n):
            own, members = labels[i], sizes[labels[i]]
            square = texts[2, i] - 2.0 * products[i, own] + means[0, own]
            if square > tolerance * np.sqrt(means[0, own]):
                within[own] += np.sqrt(square) / members
                squares += square
            zero = 1.0 if texts[1, i] == 0.0 else 0.0
            silhouette = _silhouette(products[i], texts[3, i], zero, members, own, means, same_place)
            hit = _hit(products[i], texts[0, i], texts[1, i], own, sizes, means, tolerance, rounding)
            found[0, p] += silhouette / n
            found[1, p] += silhouette / (k * members)
            found[2, p] += hit / n
            found[3, p] += hit / (k * members)
        found[4, p], middle = _between(products, labels, sizes, means, within, tolerance)
        between = -middle
        for c in range(k):
            between += sizes[c] * means[0, c]
        found[5, p] = between / squares * (n - k) / (k - 1) if squares > rounding * n and n > k else np.nan
    return found
