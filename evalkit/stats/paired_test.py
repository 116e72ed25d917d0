"""Paired comparison of two models on the same texts, by a t-test on the differences of their pseudo-values.

Per-text values of a neighbour score depend on one another, so a paired t-test or sign-flip test on them rejects
two equal models far more often than its level. A jackknife pseudo-value holds a text's whole contribution to the
score, its effect on its neighbours' values included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError

ALPHA = 0.05
POWER_QUANTILES = 1.959964 + 0.841621  # two-sided 5 %, power 80 %
LEAST_DISCORD = 0.5  # in texts: equal values on N texts do not show that two models are equal
MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on one score.

    `texts_needed` more texts would detect a difference of this size in four of five corpora: 0 where these are enough,
    None where the difference is 0.
    """

    difference: float  # score of the first less score of the second
    ci_low: float  # 95 % interval of the difference
    ci_high: float
    p: float  # two-sided; 1 where the difference is 0
    texts_needed: int | None


def compare(pseudo_a: NDArray[np.floating[Any]], pseudo_b: NDArray[np.floating[Any]]) -> Comparison:
    """Difference of two models' (N,) pseudo-values of the same texts, whose means are the scores, with interval and p.

    A text that has NaN in either is left out. t = mean / (sd/√N) of the differences on N − 1 degrees of freedom, the
    standard error never less than half a text in N.
    """
    # Each model's pseudo-values are calibrated on their own (`evalkit.stats.graph_intervals.calibrate`), which never
    # removes more than the jackknife's doubling of the pairs' part; the part that the two models share is removed too
    # little, if anything, so the test is conservative.
    if pseudo_a.shape != pseudo_b.shape:
        raise EvaluationError(
            f"A paired comparison needs the same texts, found {pseudo_a.size} and {pseudo_b.size}: "
            "compare runs on one corpus."
        )
    gaps = np.asarray(pseudo_a, dtype=np.float64) - np.asarray(pseudo_b, dtype=np.float64)
    gaps = gaps[np.isfinite(gaps)]
    if gaps.size < 2:
        raise EvaluationError(f"A paired comparison needs at least two texts, found {gaps.size}: add texts.")
    from scipy.special import stdtr, stdtrit

    n = gaps.size
    difference = float(gaps.mean())
    if abs(difference) < 1e-12:
        difference = 0.0
    error = max(float(gaps.std(ddof=1)) / math.sqrt(n), LEAST_DISCORD / n)
    reach = float(stdtrit(n - 1, 1 - ALPHA / 2)) * error
    p = min(1.0, float(2 * stdtr(n - 1, -abs(difference) / error)))
    needed = None
    if difference != 0.0:
        needed = max(0, math.ceil(n * (POWER_QUANTILES * error / abs(difference)) ** 2) - n)
    return Comparison(difference, difference - reach, difference + reach, p, needed)


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) p-values corrected by the step-down method that bounds the probability of any false rejection among all.

    Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def verdict(
    name_a: str,
    name_b: str,
    comparison: Comparison,
    *,
    n_texts: int,
    p: float | None = None,
    higher_is_better: bool = True,
) -> str:
    """Sentence on a comparison: the model that is ahead, and by how much, or the number of texts still needed.

    `p` is the corrected one; None takes the comparison's own.

    Examples
    --------
    >>> verdict("bge", "mpnet", Comparison(0.031, 0.012, 0.049, 0.001, 0), n_texts=300)
    'bge is ahead of mpnet by 0.031 [0.012, 0.049]'
    >>> verdict("bge", "mpnet", Comparison(0.031, -0.05, 0.11, 0.4, 243), n_texts=30)
    'tied at 30 texts; about 240 more texts would tell a difference of this size'
    """
    p = comparison.p if p is None else p
    if p <= ALPHA:
        first, second, low, high = name_a, name_b, comparison.ci_low, comparison.ci_high
        if (comparison.difference > 0) != higher_is_better:
            first, second = name_b, name_a
        if comparison.difference < 0:
            low, high = -high, -low
        return f"{first} is ahead of {second} by {abs(comparison.difference):.3f} [{low:.3f}, {high:.3f}]"
    if comparison.texts_needed is None:
        return f"tied at {n_texts} texts; no difference was seen"
    if comparison.texts_needed == 0:
        return f"tied at {n_texts} texts, once corrected for the number of comparisons"
    if comparison.texts_needed > MANY:
        return f"tied at {n_texts} texts; more than a million more would be needed to tell a difference of this size"
    return (
        f"tied at {n_texts} texts; about {_round(comparison.texts_needed)} more texts would tell a "
        "difference of this size"
    )


def _round(count: int) -> int:
    """Round to two digits: the estimate is no more precise."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return (count + step // 2) // step * step
