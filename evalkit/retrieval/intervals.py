"""Intervals of means over queries, and the paired test of two rankings.

Values of single queries are bounded, often equal and pile up at 1, where Student's interval and the bootstrap cover
far less than they claim (docs/calibration_retrieval.md).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evalkit.errors import EvaluationError
from evalkit.stats.paired_test import Comparison

__all__ = ["clustered_error", "compare_queries", "mean_interval"]

Floats = NDArray[np.float64]
Groups = NDArray[np.int32]

PRIOR = 0.01
"""Weight, times Q^0.75, of the prior that values vary as 0/1 values do: calibrated in docs/calibration_retrieval.md."""
UNSEEN = 0.5
"""Squared differences that are added where all differences are equal: other queries would differ."""
EXACT = 16
DRAWS = 9_999
DRAW_BLOCK = 1 << 22
TOLERANCE = 1e-12
POWER_QUANTILES = 1.959964 + 0.841621  # two-sided 5 %, power 80 %


def clustered_error(values: Floats, groups: Groups | None = None) -> float:
    """Standard error of the mean of (Q,) values; with (Q,) group codes it is robust to dependence within groups.

    Notes
    -----
    The sandwich estimator of an intercept, times G / (G − 1): sums of residuals within each of G groups take the
    place of single residuals.

    References
    ----------
    Cameron & Miller 2015, "A practitioner's guide to cluster-robust inference", J. Human Resources 50.
    """
    residuals = values - values.mean()
    sums = residuals if groups is None else np.bincount(np.unique(groups, return_inverse=True)[1], residuals)
    if sums.size < 2:
        return math.inf
    return float(np.sqrt(sums.size / (sums.size - 1) * np.sum(sums**2)) / values.size)


def mean_interval(
    values: Floats, *, best: float = 1.0, ceiling: float = 1.0, groups: Groups | None = None
) -> tuple[float, float]:
    """95 % interval of the mean over queries: within [0, best], never of width zero.

    Parameters
    ----------
    values
        (Q,) values between 0 and `ceiling`.
    best
        Highest possible mean of these queries.
    ceiling
        Highest possible value of one query.
    groups
        (Q,) group codes: the standard error is then cluster-robust and Student's t has G − 1 degrees of freedom.

    Notes
    -----
    The variance of values between 0 and 1 of mean m is φ·m(1 − m) with φ ≤ 1, so their mean has the interval of a
    share in Q/φ trials (Wilson's, with Student's quantile). φ is estimated and shrunk towards 1, which is what values
    that are all equal get. Within three effective misses of either end, the bound of the Poisson distribution
    replaces Wilson's where it lies further out (Brown, Cai & DasGupta).

    References
    ----------
    Wilson 1927, JASA 22. Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion", Stat. Sci. 16.
    """
    q = values.size
    count = q if groups is None else np.unique(groups).size
    if count < 2 or best <= 0:
        return 0.0, max(best, 0.0)
    scaled = np.asarray(values, dtype=np.float64) / ceiling
    mean = float(np.clip(scaled.mean(), 0.0, 1.0))
    prior = PRIOR * q**0.75
    dispersion = ((q * clustered_error(scaled, groups)) ** 2 + prior) / (q * mean * (1 - mean) + prior)
    if groups is None:
        dispersion = min(dispersion, 1.0)
    trials = q / dispersion
    degrees = count - 1 if groups is not None else 2 * (q - 1)
    spread = float(special.stdtrit(degrees, 0.975)) ** 2 / trials
    middle = (mean + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * mean * (1 - mean) + spread**2 / 4) / (1 + spread)
    low = min(max(0.0, middle - reach), _least_share(mean, trials))
    high = max(min(1.0, middle + reach), 1 - _least_share(1 - mean, trials))
    return low * ceiling, min(high * ceiling, best)


def _least_share(share: float, trials: float) -> float:
    """Lower 95 % bound of a share of at most three events, which are then distributed as Poisson has it."""
    events = share * trials
    if events > 3 + 1e-9:
        return 1.0
    return 0.0 if events < 1e-9 else float(special.gammaincinv(events, 0.05)) / trials


def compare_queries(
    a: Floats, b: Floats, rng: np.random.Generator, *, ceiling: float = 1.0, groups: Groups | None = None
) -> Comparison:
    """Difference of two models' means over the same queries, with interval and p-value.

    Parameters
    ----------
    a, b
        (Q,) values of one score.
    rng
        Draws signs where more than 16 queries differ.
    ceiling
        Highest possible value of one query: the interval stays within ± `ceiling`.
    groups
        (Q,) group codes: interval and test are then Student's t with the cluster-robust error on G − 1 degrees.

    Returns
    -------
    Comparison
        Positive where `a` is higher; ``texts_needed`` counts further queries.

    Raises
    ------
    EvaluationError
        The two do not have the same queries.

    Notes
    -----
    Without groups, p is the share of sign patterns of the differences whose sum is at least as far from zero: of all
    2^m patterns where m ≤ 16 queries differ, else of 9,999 drawn ones and the observed one. The interval is Student's,
    with half a squared difference added in proportion to the share of the commonest difference (most often zero), so
    that queries without a difference do not claim that there are none elsewhere.

    References
    ----------
    Smucker, Allan & Carterette 2007, "A comparison of statistical significance tests for information retrieval
    evaluation", CIKM.
    """
    if a.shape != b.shape or a.size == 0:
        raise EvaluationError(
            f"a paired comparison needs the same queries, found {a.size} and {b.size}: compare runs on one corpus."
        )
    gaps = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    gaps[np.abs(gaps) < TOLERANCE] = 0.0
    q = gaps.size
    difference = float(gaps.mean())
    difference = 0.0 if abs(difference) < TOLERANCE else difference
    degrees = (q if groups is None else np.unique(groups).size) - 1
    if degrees < 1:
        return Comparison(difference, -ceiling, ceiling, 1.0, None)
    commonest = np.unique(gaps.round(12), return_counts=True)[1].max() / q
    error = math.hypot(clustered_error(gaps, groups), math.sqrt(UNSEEN * commonest) * ceiling / q)
    reach = float(special.stdtrit(degrees, 0.975)) * error
    p = (
        _sign_flip(gaps, rng)
        if groups is None
        else min(1.0, float(2 * special.stdtr(degrees, -abs(difference) / error)))
    )
    needed = None
    if difference != 0.0:
        needed = max(0, math.ceil(q * (POWER_QUANTILES * error / abs(difference)) ** 2) - q)
    return Comparison(difference, max(-ceiling, difference - reach), min(ceiling, difference + reach), p, needed)


def _sign_flip(gaps: Floats, rng: np.random.Generator) -> float:
    """Two-sided p-value of the differences' sum under random signs."""
    sizes = np.abs(gaps[gaps != 0.0])
    observed = abs(float(gaps.sum())) - TOLERANCE * gaps.size
    if sizes.size <= EXACT:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums + size, sums - size])
        return float(np.mean(np.abs(sums) >= observed))
    as_far, rows = 1, max(1, DRAW_BLOCK // sizes.size)
    for start in range(0, DRAWS, rows):
        signs = rng.integers(0, 2, size=(min(rows, DRAWS - start), sizes.size), dtype=np.int8)
        as_far += int(np.count_nonzero(np.abs((2 * signs - 1) @ sizes) >= observed))
    return as_far / (DRAWS + 1)
