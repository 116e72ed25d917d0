"""Grades of judgments as gains: numbers from 0, higher is better."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError

__all__ = ["read_gains"]

HIGHER, LOWER = "higher_is_better", "lower_is_better"


def read_gains(
    grades: Sequence[str], path: str, meaning: str | Mapping[Any, Any] | None
) -> tuple[NDArray[np.float64], list[str], dict[str, int]]:
    """Gains of the grades as written, warnings, and counts.

    Parameters
    ----------
    grades
        One string a judgment.
    meaning
        ``higher_is_better``, ``lower_is_better``, a mapping of grades to gains, or None, which will do for 0 and 1.

    Raises
    ------
    RequestError
        Grades that are no numbers from 0 on, or whose direction is not known.
    """
    if isinstance(meaning, Mapping):
        return _mapped(grades, path, meaning), [], {"negative_grades": 0}
    if meaning not in (None, HIGHER, LOWER):
        raise RequestError(f"dataset.grades={meaning} is none of {HIGHER}, {LOWER} and a mapping: choose one.")
    values = np.array([_number(grade) for grade in grades])
    wrong = np.flatnonzero(~(np.isfinite(values) & ((values >= 0) | (values == -1))))
    if wrong.size:
        raise RequestError(
            f"{wrong.size} of {values.size} grades of {path} are no numbers from 0 on (first {grades[wrong[0]]!r} in "
            f"judgment {wrong[0] + 1}): correct them, or map them with dataset.grades."
        )
    negative = int(np.count_nonzero(values == -1))
    notes = [f"{negative} judgments of {path} have the grade −1, which counts as not relevant."] if negative else []
    values[values == -1] = 0.0
    found = sorted(set(values.tolist()))
    if meaning is None and not set(found) <= {0.0, 1.0}:
        shown = ", ".join(f"{grade:g} ({count} times)" for grade, count in sorted(Counter(values.tolist()).items())[:8])
        raise RequestError(
            f"the grades of {path} are {shown}, and nothing says which end is best: set dataset.grades={HIGHER} or "
            f"{LOWER}, or map each grade to a gain."
        )
    if meaning == LOWER:
        top = found[-1]
        values = np.where(values > 0, top + 1 - values, 0.0)
        notes.append(f"the grades of {path} count as {LOWER}: 1 gains {top:g}, {top:g} gains 1, and 0 is not relevant.")
    return values, notes, {"negative_grades": negative}


def _number(grade: str) -> float:
    try:
        return float(grade)
    except ValueError:
        return math.nan


def _mapped(grades: Sequence[str], path: str, meaning: Mapping[Any, Any]) -> NDArray[np.float64]:
    gains = {str(grade): _number(str(gain)) for grade, gain in meaning.items()}
    unfit = [grade for grade, gain in gains.items() if not (gain >= 0 and math.isfinite(gain))]
    if unfit:
        raise RequestError(f"dataset.grades maps {unfit[0]!r} to no number from 0 on: give it a gain.")
    unknown = Counter(grade for grade in grades if grade not in gains)
    if unknown:
        raise RequestError(
            f"{sum(unknown.values())} judgments of {path} have a grade that dataset.grades does not map "
            f"(first {next(iter(unknown))!r}): map it too."
        )
    return np.array([gains[grade] for grade in grades])
