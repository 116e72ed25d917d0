"""95 % intervals of means over texts, from pseudo-values or from shares; never of width zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evalkit.types import Codes

Floats = NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95

# Texts share their centroids: in simulations (N = 30 and 300) the true standard error of centroid_accuracy is 1.03 to
# 1.28 times the one that takes the centroids as given.
CENTROID_WIDENING = 4 / 3


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The (N,) pseudo-values of a share of hits, for the paired test, and its interval."""

    pseudo: Floats
    interval: Interval


def hit_statistics(hits: Floats, labels: Codes, n_labels: int, *, widen: float) -> dict[str, Hits]:
    """Pseudo-values and interval of a share of the (N,) hits, micro (key ``""``) and macro (``"_macro"``).

    Hits are from 0 to 1 and depend on one another; `widen` is the factor on the standard error of independent ones.
    """
    sizes = np.bincount(labels, minlength=n_labels)
    columns = {
        "": (hits, mean_share_interval(hits.mean(keepdims=True), np.array([hits.size]), widen=widen)),
        "_macro": (
            macro_pseudo_values(hits, labels, n_labels),
            mean_share_interval(mean_by_label(hits, labels, n_labels), sizes, widen=widen),
        ),
    }
    return {
        ending: Hits(pseudo.mean() + widen * (pseudo - pseudo.mean()), (float(low), float(high)))
        for ending, (pseudo, (low, high)) in columns.items()
    }


def mean_by_label(values: Floats, labels: Codes, n_labels: int) -> Floats:
    """(k,) mean of the (N,) values over each label's texts; every label has at least one."""
    return np.bincount(labels, weights=values, minlength=n_labels) / np.bincount(labels, minlength=n_labels)


def macro_mean(values: Floats, labels: Codes) -> float:
    """Mean over the labels that occur of the label's mean; permuted labels of a sample may lack some."""
    sizes, sums = np.bincount(labels), np.bincount(labels, weights=values)
    return float((sums[sizes > 0] / sizes[sizes > 0]).mean())


def macro_pseudo_values(values: Floats, labels: Codes, n_labels: int) -> Floats:
    """(N,) pseudo-values of a mean over labels, whose mean it is, from values that each depend on their text alone."""
    sizes = np.bincount(labels, minlength=n_labels)
    means = mean_by_label(values, labels, n_labels)
    share = labels.size / (n_labels * np.maximum(sizes - 1, 1))
    return np.asarray(means.mean() + share[labels] * (values - means[labels]))


def pseudo_value_interval(value: float, pseudo: Floats, *, low: float, high: float) -> Interval:
    """Interval value ± t · sd / √N of the pseudo-values, kept within the score's range.

    Parameters
    ----------
    value, low, high
        The score, and the ends of its range.
    pseudo
        (N,) pseudo-values. Equal ones show no variance, which does not mean that there is none: then Wilson's interval
        for a share of (value − low) / (high − low) in N texts is taken.
    """
    n = pseudo.size
    error = float(pseudo.std(ddof=1)) / np.sqrt(n)
    if error <= 1e-12 * (high - low):
        bottom, top = _wilson(np.asarray((value - low) / (high - low)), np.asarray(n), np.asarray(n))
        return float(low + bottom * (high - low)), float(low + top * (high - low))
    reach = float(special.stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * error
    return float(max(low, value - reach)), float(min(high, value + reach))


def mean_share_interval(shares: Floats, sizes: NDArray[Any], *, widen: float = 1.0) -> tuple[Floats, Floats]:
    """(…) low and high ends of Wilson's intervals for means over labels of the (k, …) labels' shares.

    The effective number of texts is p(1 − p) over the sum of the labels' variances, each share shrunk by half a hit and
    half a miss so that none is without variance. `widen` is as in `hit_statistics`.
    """
    shrunk = (shares * sizes + 0.5) / (sizes + 1)
    variance = (shrunk * (1 - shrunk) / sizes).sum(axis=0) / len(shares) ** 2
    middle = shrunk.mean(axis=0)
    return _wilson(shares.mean(axis=0), middle * (1 - middle) / variance / widen**2, sizes.sum(axis=0))


def _wilson(share: Floats, effective: Floats, n: NDArray[Any]) -> tuple[Floats, Floats]:
    """Wilson's interval (1927, JASA 22) for shares in an effective number of texts, by Student's quantile of n − 1."""
    quantile = special.stdtrit(np.maximum(n - 1, 1), 0.5 + CONFIDENCE / 2)
    spread = quantile**2 / effective
    middle = (share + spread / 2) / (1 + spread)
    reach = np.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)
