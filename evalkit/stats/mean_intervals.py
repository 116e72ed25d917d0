"""95 % intervals of means over texts, from pseudo-values or from shares; never of width zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evalkit.types import Codes

__all__ = [
    "CENTROID_WIDENING",
    "Hits",
    "hit_statistics",
    "macro_pseudo_values",
    "mean_by_label",
    "pseudo_value_interval",
    "share_interval",
]

CONFIDENCE = 0.95

CENTROID_WIDENING = 4 / 3
"""Texts share their centroids: in simulations (N = 30 and 300) the true standard error of centroid_accuracy
is 1.03 to 1.28 times the one that takes the centroids as given."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Of a share of hits: its pseudo-values (N,) for the paired test, and its interval."""

    pseudo: NDArray[np.float64]
    interval: tuple[float, float]


def hit_statistics(hits: NDArray[np.float64], labels: Codes, n_labels: int, *, widen: float) -> dict[str, Hits]:
    """Name's ending ("" or "_macro") → what interval and paired test of the share need, both widened alike.

    Parameters
    ----------
    hits
        (N,) values from 0 to 1, which depend on one another.
    widen
        Factor on the standard error that takes them as independent.
    """

    def widened(pseudo: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(pseudo.mean() + widen * (pseudo - pseudo.mean()))

    return {
        "": Hits(widened(hits), share_interval(hits, widen=widen)),
        "_macro": Hits(
            widened(macro_pseudo_values(hits, labels, n_labels)),
            share_interval(hits, labels, n_labels, widen=widen),
        ),
    }


def mean_by_label(values: NDArray[np.float64], labels: Codes, n_labels: int) -> NDArray[np.float64]:
    """(k,) mean of the (N,) values over each label's texts; every label has at least one."""
    return np.bincount(labels, weights=values, minlength=n_labels) / np.bincount(labels, minlength=n_labels)


def macro_pseudo_values(values: NDArray[np.float64], labels: Codes, n_labels: int) -> NDArray[np.float64]:
    """Pseudo-values of the mean over labels of the label's mean, each text's value taken as its own alone.

    Parameters
    ----------
    values
        (N,) per-text values, or pseudo-values of them.

    Returns
    -------
    ndarray
        (N,), whose mean is the macro score.
    """
    sizes = np.bincount(labels, minlength=n_labels)
    means = mean_by_label(values, labels, n_labels)
    share = labels.size / (n_labels * np.maximum(sizes - 1, 1))
    return np.asarray(means.mean() + share[labels] * (values - means[labels]))


def pseudo_value_interval(value: float, pseudo: NDArray[np.float64], *, low: float, high: float) -> tuple[float, float]:
    """Value ± t · sd / √N of the pseudo-values, kept within what the score can be.

    Parameters
    ----------
    value
        The score.
    pseudo
        (N,) jackknife pseudo-values.
    low, high
        The score's range.

    Notes
    -----
    Equal pseudo-values show no variance, not that there is none: then Wilson's interval for a share of
    (value − low) / (high − low) in N texts is taken.
    """
    n = pseudo.size
    error = float(pseudo.std(ddof=1)) / np.sqrt(n)
    if error <= 1e-12 * (high - low):
        bottom, top = _wilson((value - low) / (high - low), n, n)
        return low + bottom * (high - low), low + top * (high - low)
    reach = float(special.stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * error
    return float(max(low, value - reach)), float(min(high, value + reach))


def share_interval(
    hits: NDArray[np.float64], labels: Codes | None = None, n_labels: int = 0, *, widen: float = 1.0
) -> tuple[float, float]:
    """Wilson's interval for the share of hits; with labels, for the mean over labels of the label's share.

    Parameters
    ----------
    hits
        (N,) values from 0 to 1.
    labels, n_labels
        Label codes, for the macro share: the effective number of texts is then p(1 − p) over the sum of
        the labels' variances, each share shrunk by half a hit and half a miss so that none is without variance.
    widen
        Factor on the standard error, for hits that depend on one another.

    References
    ----------
    Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    n = float(hits.size)
    share = float(hits.mean())
    if labels is not None:
        sizes = np.bincount(labels, minlength=n_labels)
        sums = np.bincount(labels, weights=hits, minlength=n_labels)
        share = float((sums / sizes).mean())
        shrunk = (sums + 0.5) / (sizes + 1)
        variance = float((shrunk * (1 - shrunk) / sizes).sum()) / n_labels**2
        n = float(shrunk.mean() * (1 - shrunk.mean())) / variance
    return _wilson(share, n / widen**2, hits.size)


def _wilson(share: float, effective: float, n: int) -> tuple[float, float]:
    quantile = float(special.stdtrit(max(n - 1, 1), 0.5 + CONFIDENCE / 2))
    spread = quantile**2 / effective
    middle = (share + spread / 2) / (1 + spread)
    reach = np.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return float(max(0.0, middle - reach)), float(min(1.0, middle + reach))
