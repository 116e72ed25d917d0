"""Run evaluators through the store: a result depends on vectors, labels, parameters, seed and, on a map, the map.

Runs that agree on these share the result: two projections of one embedding share all scores of the embedding.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from evalkit.errors import EvaluationError
from evalkit.pipeline.request import EvaluatorChoice
from evalkit.records import plain
from evalkit.store import Entry, Store
from evalkit.types import Evaluation, Sample, Score

KIND = "evaluations"
COLUMNS = ("per_text", "per_label", "pairs")  # fields of an `Evaluation` that map names of columns to arrays


def evaluator_generator(seed: int, name: str) -> np.random.Generator:
    """Random generator of one evaluator: leaving an evaluator out does not change another's numbers."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")])


def run_evaluator(choice: EvaluatorChoice, sample: Sample, *, k: tuple[int, ...], seed: int) -> Evaluation:
    """Evaluate a sample; a result that is no Evaluation is refused."""
    extra = {"k": k} if choice.takes_k else {}
    result: Any = choice.evaluate(sample, evaluator_generator(seed, choice.name), **extra)
    if isinstance(result, Evaluation):
        return result
    raise EvaluationError(
        f"evaluator {choice.name} returned {type(result).__name__}, not an Evaluation: see docs/extending.md."
    )


def evaluation_of(store: Store, key: str, make: Callable[[], Evaluation]) -> Evaluation:
    """An evaluator's result from the store, or made and kept."""
    return store.obtain(KIND, key, make=make, keep=lambda evaluation: _keep(store, key, evaluation), load=_load)


def _keep(store: Store, key: str, evaluation: Evaluation) -> Entry:
    # Arrays are numbered: the names of columns may hold characters that no file in an archive can bear.
    names = {group: list(getattr(evaluation, group)) for group in COLUMNS}
    arrays = {
        f"{group}.{number}": np.asarray(column)
        for group in COLUMNS
        for number, column in enumerate(getattr(evaluation, group).values())
    }
    scores = plain([dataclasses.asdict(score) for score in evaluation.scores])
    meta = {"scores": scores, "names": names, "warnings": list(evaluation.warnings)}
    return store.write(KIND, key, lambda folder: np.savez(folder / "arrays.npz", allow_pickle=False, **arrays), meta)


def _load(entry: Entry) -> Evaluation:
    arrays = entry.arrays()
    columns = {
        group: {name: arrays[f"{group}.{number}"] for number, name in enumerate(names)}
        for group, names in entry.meta["names"].items()
    }
    scores = tuple(Score(**score) for score in entry.meta["scores"])
    return Evaluation(scores=scores, warnings=tuple(entry.meta["warnings"]), **columns)
