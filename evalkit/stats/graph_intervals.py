"""95 % intervals of scores that are means over texts through a neighbour graph.

Texts depend on one another, so the plain variance is too small, and the delete-one jackknife's too large: `calibrate`
corrects the latter. benchmarks/calibration.py measures the coverage that the constants below lead to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
PAIRS_PART = 1.25  # factor on the squared effects of single texts on single rows: a quarter more for mutual ones
LEAST_SHARE = 0.4  # least part of the jackknife's variance that is kept: the right one if only pairs of texts mattered
FEW_MISSES = 3.0  # misses (or hits), in texts, at which half of the pairs' part is removed
LABEL_EXCESS = 4.0  # variance between label means over that within up to which it counts; more is no chance
HALF_TEXT = 0.5  # standard error, in texts, that equal values are given


def calibrate(value: float, pseudo: Floats, second_order: float, labels: Codes, *, high: float = 1.0) -> Floats:
    """(N,) pseudo-values whose mean is `value`, of best `high`, and whose variance over N is the score's variance.

    `second_order` is the part of the variance of `pseudo` over N that belongs to pairs of texts.
    """
    # The variance of a statistic is a sum over single texts, pairs, triples, … of what each adds that no smaller group
    # has (Hoeffding 1948); the delete-one jackknife counts pairs twice (Efron & Stein 1981, "The jackknife estimate of
    # variance", Ann. Stat. 9). A neighbour score lives on pairs, so its jackknife variance is up to two and a half
    # times the true one. The graph lists which texts affect which, so the pairs' part is known, and is subtracted once.
    # Label sizes are given, not random, and a text's contribution depends on the size of its label; so differences
    # between the labels' mean pseudo-values count only as far as the spread within labels explains them.
    centred = pseudo - pseudo.mean()
    n, sizes = pseudo.size, np.bincount(labels)
    means = np.bincount(labels, weights=centred) / np.maximum(sizes, 1)
    within = centred - means[labels]
    used = int(np.count_nonzero(sizes))
    if 1 < used < n:
        between_square = float((sizes * means**2).sum()) / (used - 1)
        within_square = float((within**2).sum()) / (n - used)
        if between_square > LABEL_EXCESS * within_square:
            means = means * np.sqrt(LABEL_EXCESS * within_square / between_square)
    drawn_in = within + means[labels]
    variance = float((drawn_in**2).sum()) / (n - 1) / n
    if variance <= 0:
        return np.full(n, value)
    misses = n * min(max(value / high, 0.0), max(1.0 - value / high, 0.0))
    share = 1.0 - PAIRS_PART * misses / (misses + FEW_MISSES) * second_order / variance
    calibrated: Floats = value + np.sqrt(min(1.0, max(LEAST_SHARE, share))) * drawn_in
    return calibrated


def mean_interval(
    value: float, pseudo: Floats, *, high: float = 1.0, labels: Codes | None = None
) -> tuple[float, float]:
    """Low and high end of the 95 % interval of a score from 0 to `high`; never of width zero, never beyond the range.

    It covers the score's expectation over draws of the texts at this N and these label sizes. `pseudo` are calibrated;
    `labels` are given for a mean over labels, in which small labels have a large weight and few degrees of freedom.
    """
    # A mean of shares near 0 or 1 is skewed, and a t-interval leaves the range. This is Jeffreys' interval of a
    # proportion with the effective number of texts p(1 − p)/variance, corrected for the degrees of freedom, as Korn &
    # Graubard (1998, "Confidence intervals for proportions with small expected number of positive counts estimated
    # from survey data", Survey Methodology 24) do with Clopper and Pearson's.
    from scipy.special import betaincinv, stdtrit

    n = pseudo.size
    share = min(1.0, max(0.0, value / high))
    variance = float(pseudo.var(ddof=1)) / n / high**2 + (HALF_TEXT / n) ** 2
    shrunk = (n * share + 0.5) / (n + 1)
    freedom = float(n - 1) if labels is None else _satterthwaite(pseudo, labels)
    tail = (1.0 - CONFIDENCE) / 2
    wider = float(stdtrit(freedom, 1 - tail) / stdtrit(1e9, 1 - tail))
    effective = shrunk * (1 - shrunk) / variance / wider**2
    hits, misses = share * effective, (1.0 - share) * effective
    low = 0.0 if share == 0.0 else min(share, float(betaincinv(hits + 0.5, misses + 0.5, tail)))
    top = 1.0 if share == 1.0 else max(share, float(betaincinv(hits + 0.5, misses + 0.5, 1 - tail)))
    return low * high, top * high


def _satterthwaite(pseudo: Floats, labels: Codes) -> float:
    """Degrees of freedom of a sum of the labels' variances, each of its size less one."""
    sizes = np.bincount(labels)
    means = np.bincount(labels, weights=pseudo) / np.maximum(sizes, 1)
    parts = np.bincount(labels, weights=(pseudo - means[labels]) ** 2) * sizes / np.maximum(sizes - 1, 1)
    total = float(parts.sum())
    if total <= 0:
        return float(pseudo.size - 1)
    return max(2.0, total**2 / float((parts**2 / np.maximum(sizes - 1, 1)).sum()))
