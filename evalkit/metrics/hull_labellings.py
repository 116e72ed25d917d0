"""Compiled loop over labellings of one map: what their hulls say, without a word of Python between two of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.hull_areas import covered_areas, hull_areas, shared_areas
from evalkit.metrics.hull_geometry import convex_hulls, foreign_points
from evalkit.runtime.compiled import compiled
from evalkit.stats.permutation import Statistic
from evalkit.types import Points

__all__ = ["hulls_of_each", "summaries"]


def summaries(
    points: Points, order: NDArray[np.int64], sizes: NDArray[np.int64], flat: float, same: float
) -> Statistic:
    """Labellings of those sizes → the scores that `evalkit.metrics.hulls` has of one.

    Parameters
    ----------
    points, order, sizes, flat, same
        As for `hulls_of_each`.
    """
    n_pairs = sizes.size * (sizes.size - 1) / 2

    def statistic(labellings: NDArray[np.int32]) -> Mapping[str, NDArray[np.float64]]:
        total, twice, ratios, number, foreign, macro = hulls_of_each(points, order, labellings, sizes, flat, same).T
        covers = total > flat
        return {
            "overlap": np.where(covers, np.maximum(twice, 0.0) / np.where(covers, total, 1.0), np.nan),
            "foreign_share": foreign,
            "foreign_share_macro": macro,
            "mean_iou": np.where(covers, ratios / n_pairs, np.nan),
            "overlapping_pairs": number / n_pairs,
        }

    return statistic


@compiled
def hulls_of_each(
    points: NDArray[np.float64],
    order: NDArray[np.int64],
    labellings: NDArray[np.int32],
    sizes: NDArray[np.int64],
    flat: float,
    same: float,
) -> NDArray[np.float64]:
    """Areas, overlapping pairs and foreign points of the hulls of (P, N) labellings.

    Parameters
    ----------
    points, order
        As for `hull_geometry.convex_hulls`.
    labellings
        (P, N) codes 0 … k − 1, k of eight or less (every common part of the hulls is looked at).
    sizes
        (k,) texts of each label, the same in every labelling.
    flat
        Area up to which there is none.
    same
        Distance up to which a point is on a boundary.

    Returns
    -------
    ndarray
        (P, 6): area that any hull covers, and that two or more cover; sum of the overlapping pairs'
        intersection / union; their number; share of foreign points, and its mean over labels.
    """
    k = sizes.size
    found, wide = np.zeros((labellings.shape[0], 6)), np.empty(k, dtype=np.int64)
    for p in range(labellings.shape[0]):
        labels = labellings[p]
        corners, begins = convex_hulls(points, order, labels, k, flat)
        areas, shared = hull_areas(corners, begins), shared_areas(corners, begins)
        count = 0
        for label in range(k):
            if areas[label] > flat:
                wide[count] = label
                count += 1
        found[p, 0], found[p, 1] = covered_areas(corners, begins, wide[:count])
        for a in range(k):
            for b in range(a + 1, k):
                if shared[a, b] > flat:
                    found[p, 2] += shared[a, b] / (areas[a] + areas[b] - shared[a, b])
                    found[p, 3] += 1.0
        foreign = foreign_points(points, labels, corners, begins, same)
        for i in range(labels.size):
            if foreign[i]:
                found[p, 4] += 1.0 / labels.size
                found[p, 5] += 1.0 / (k * sizes[labels[i]])
    return found
