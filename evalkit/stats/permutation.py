"""Label permutation: the distribution of a score where labels and vectors are unrelated.

What does not depend on the labels (the neighbour graph, the vectors about their mean, the map) is prepared once;
a *statistic* maps a block of labellings to scores, and this module draws the labellings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes, Score, Space

Statistic = Callable[[NDArray[np.int32]], Mapping[str, NDArray[np.float64]]]  # (P, N) labellings → name → (P,) values
TOLERANCE = 1e-12


def permutation_count(cost: float, *, budget: float = 2e9) -> int:
    """999 where so many permutations of `cost` operations each (say N·K) cost at most `budget` operations, else 99."""
    return 999 if cost * 999 <= budget else 99


def permute_scores(
    statistic: Statistic, labels: Codes, *, count: int, rng: np.random.Generator, block: int = 64
) -> dict[str, NDArray[np.float64]]:
    """Scores of random relabellings, which keep the label sizes: name → (count,) float64.

    Parameters
    ----------
    statistic
        Maps (P, N) labellings to name → (P,) values.
    labels, count, rng
        (N,) label codes, the number of permutations, and the source of randomness.
    block
        Labellings handed over at a time (bounds memory at block · N int32).
    """
    collected: dict[str, list[NDArray[np.float64]]] = {}
    for start in range(0, count, block):
        rows = min(block, count - start)
        drawn = rng.permuted(np.broadcast_to(labels, (rows, labels.size)), axis=1)
        # A second memory layout would be a second compilation of every loop that gets it.
        for name, values in statistic(np.ascontiguousarray(drawn, dtype=np.int32)).items():
            collected.setdefault(name, []).append(np.asarray(values, dtype=np.float64))
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def p_value(value: float | None, null: NDArray[np.float64], *, higher_is_better: bool) -> float | None:
    """(1 + number of permuted scores as good or better) / (1 + B).

    Values that differ by rounding are ties: the same partition under other codes differs in the last digits.

    Phipson & Smyth 2010, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9.
    """
    null = null[np.isfinite(null)]
    if value is None or not np.isfinite(value) or null.size == 0:
        return None
    rounding = TOLERANCE + 1e-9 * abs(value)
    as_good = null >= value - rounding if higher_is_better else null <= value + rounding
    return float((1 + np.count_nonzero(as_good)) / (1 + null.size))


def adjust(value: float | None, chance: float | None, best: float | None) -> float | None:
    """(value − chance) / (best − chance): 0 is chance, 1 is perfect; None where that has no meaning."""
    if value is None or chance is None or best is None or abs(best - chance) < TOLERANCE:
        return None
    return (value - chance) / (best - chance)


def build_score(
    name: str,
    space: Space,
    value: float | None,
    *,
    best: float | None,
    chance: float | None = None,
    null: NDArray[np.float64] | None = None,
    observed: float | None = None,
    interval: tuple[float, float] | None = None,
    higher_is_better: bool = True,
    ranks_models: bool = True,
    parameters: Mapping[str, Any] | None = None,
) -> Score:
    """Build a Score: chance from the null where no closed form is given, adjusted value and p-value.

    Parameters
    ----------
    chance
        The closed form; None takes the mean of `null`.
    null
        (B,) permuted scores; None leaves p_value (and, without `chance`, chance) empty.
    observed
        The score that the null is compared with, where the null is that of a sample; None takes `value`.
    interval
        (low, high) of the 95 % interval.
    """
    described = dict(parameters or {})
    probability = None
    value = float(value) if value is not None and np.isfinite(value) else None
    if null is not None:
        finite = null[np.isfinite(null)]
        described.setdefault("permutations", int(null.size))
        if chance is None and finite.size:
            chance = float(finite.mean())
        probability = p_value(value if observed is None else observed, null, higher_is_better=higher_is_better)
    low, high = interval if interval is not None else (None, None)
    return Score(
        name=name,
        space=space,
        value=value,
        best=best,
        chance=chance,
        adjusted=adjust(value, chance, best),
        p_value=probability,
        ci_low=low,
        ci_high=high,
        higher_is_better=higher_is_better,
        ranks_models=ranks_models,
        parameters=described,
    )
