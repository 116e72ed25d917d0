"""95 % intervals of scores that are means over texts, from jackknife pseudo-values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibrate", "mean_interval"]

Floats = NDArray[np.float64]
CONFIDENCE = 0.95


def calibrate(value: float, pseudo: Floats, second_order: float) -> Floats:
    """Pseudo-values whose mean is the score and whose variance over N is the score's variance.

    Parameters
    ----------
    value
        The score.
    pseudo
        (N,) delete-one pseudo-values.
    second_order
        The part of their variance over N that is counted twice (see Notes).

    Returns
    -------
    ndarray
        (N,) pseudo-values about `value`, shrunk towards it.

    Notes
    -----
    The variance of a statistic is a sum over single texts, pairs, triples, … of what each adds that no
    smaller group has (Hoeffding 1948); the delete-one jackknife counts pairs twice (Efron & Stein 1981,
    "The jackknife estimate of variance", Ann. Stat. 9). A neighbour score lives on pairs, a text and its
    neighbour, so the excess is large; but the pairs' part can be seen, since the graph says which texts
    touch which, and is taken off once. What remains is at least half of the jackknife's, as theory has it.
    """
    centred = pseudo - pseudo.mean()
    variance = float((centred**2).sum()) / (pseudo.size - 1) / pseudo.size
    if variance <= 0:
        return np.full(pseudo.size, value)
    share = min(1.0, max(0.5, 1.0 - second_order / variance))
    calibrated: Floats = value + np.sqrt(share) * centred
    return calibrated


def mean_interval(value: float, pseudo: Floats, *, low: float, high: float) -> tuple[float, float]:
    """95 % interval of a mean over texts."""
    from scipy.special import stdtrit

    n = pseudo.size
    error = float(pseudo.std(ddof=1)) / np.sqrt(n)
    reach = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * error
    return max(low, value - reach), min(high, value + reach)
