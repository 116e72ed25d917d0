"""Scores that users define: a function of arrays and a few lines of YAML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.stats.permutation import build_score, permute_scores
from evalkit.types import Codes, Evaluation, Floats, Sample, Space

ScoreFunction = Callable[[NDArray[Any], Codes], float]
"""(N, d) unit vectors, or (N, 2) map points, and (N,) label codes → the score."""


def evaluate(
    sample: Sample,
    rng: np.random.Generator,
    *,
    function: ScoreFunction,
    name: str,
    space: Space = "embedding",
    higher_is_better: bool = True,
    best: float | None = None,
    permutations: int = 99,
) -> Evaluation:
    """Value, chance, adjusted and p-value of any function of vectors and labels.

    Parameters
    ----------
    sample, rng
        Unit vectors (or map points) and labels, and the source of the label permutations.
    function
        The score: takes an (N, d) or (N, 2) array and (N,) label codes, returns one number.
    name
        Name of the score in records: ``family/score``.
    space
        ``embedding`` for a score of unit vectors, ``map`` for one of the map's points.
    higher_is_better, best
        The score's direction, and the value that perfect data would get.
    permutations
        B; 0 for a score that does not depend on the labels.
    """
    if space not in ("embedding", "map"):
        raise RequestError(f"score {name} has the space {space!r}: write embedding or map.")
    if space == "map" and sample.points is None:
        raise RequestError(f"score {name} is of the map, and there is none: set space: map on its evaluator too.")
    points: NDArray[Any] = sample.unit if sample.points is None or space == "embedding" else sample.points
    value = _call(function, name, points, sample.labels)

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        return {name: np.asarray([_call(function, name, points, labels) for labels in labellings])}

    null = permute_scores(statistic, sample.labels, count=permutations, rng=rng)[name] if permutations else None
    score = build_score(name, space, value, best=best, null=null, higher_is_better=higher_is_better)
    return Evaluation(scores=(score,))


def _call(function: ScoreFunction, name: str, points: NDArray[Any], labels: Codes) -> float:
    try:
        return float(function(points, labels))
    except Exception as error:
        raise EvaluationError(
            f"score {name} failed with {type(error).__name__} ({error}): its function must take vectors and label "
            "codes and return one number."
        ) from error
