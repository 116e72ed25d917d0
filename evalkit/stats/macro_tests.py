"""Leave out intervals and tests of means over labels where too many labels have few texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Evaluation

FEWEST = 5  # fewer texts of a label, all right or all wrong, show no variance of their mean, though it has one

# Largest share of such labels. Simulated with 20 to 40 % of labels of two and three texts, macro intervals covered 82
# to 92 % and the paired test rejected equal models up to 16 % of the time; with 10 %, 94 to 98 % and up to 6 %
# (docs/metrics.md).
SHARE = 0.1


def macro_is_testable(sizes: NDArray[np.int64]) -> bool:
    """Whether at most a tenth of the labels have two to four texts; a label of one has a fixed value."""
    return bool(np.count_nonzero((sizes > 1) & (sizes < FEWEST)) <= SHARE * np.count_nonzero(sizes))


def without_macro_tests(found: Evaluation, sizes: NDArray[np.int64]) -> Evaluation:
    """Drop intervals and pseudo-values of the ``…_macro`` scores where too many labels are small."""
    if macro_is_testable(sizes):
        return found
    reason = f"none: more than a tenth of the labels have fewer than {FEWEST} texts"
    scores = tuple(
        replace(score, ci_low=None, ci_high=None, parameters={**score.parameters, "interval": reason})
        if score.name.endswith("_macro")
        else score
        for score in found.scores
    )
    kept = {name: values for name, values in found.per_text.items() if not name.endswith("_macro.pseudo")}
    return replace(found, scores=scores, per_text=kept)
