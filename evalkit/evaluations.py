"""Evaluators run through the store: a null belongs to (graph, labels) or (map, labels) and is computed once.

An evaluator's result depends on the vectors, the labels, its parameters, the seed and, in the map space,
the map. Runs that agree on these share it: two projections of one embedding share all of its own scores.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.identity import foreign_digests, source_digest
from evalkit.records import plain
from evalkit.request import EvaluatorChoice
from evalkit.store import Entry, Store, digest
from evalkit.values import Evaluation, Sample, Score

__all__ = ["evaluation_key", "evaluator_generator", "recall_evaluation", "run_evaluator"]

KIND = "evaluations"


def evaluation_key(
    choice: EvaluatorChoice,
    *,
    vectors: str,
    labels: str,
    projection: str,
    split: str | None,
    k: tuple[int, ...],
    seed: int,
) -> str:
    """Store key of one evaluator's result."""
    described = plain(choice.described)
    return digest(
        {
            "evaluator": {"name": choice.name, "space": choice.space, **described},
            "vectors": vectors,
            "labels": labels,
            "projection": projection if choice.space == "map" else None,
            "split": split,
            "k": list(k) if "k" in described and described["k"] is None else None,
            "seed": seed,
            "source": source_digest(),
            "foreign": foreign_digests(described),
        }
    )


def evaluator_generator(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for each evaluator, so that leaving one out does not change another's numbers."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")])


def recall_evaluation(store: Store, key: str) -> Evaluation | None:
    """The stored result, or None."""
    entry = store.find(KIND, key)
    return None if entry is None else _load(entry)


def run_evaluator(
    choice: EvaluatorChoice, sample: Sample, *, k: tuple[int, ...], seed: int, store: Store, key: str
) -> Evaluation:
    """Evaluate and keep the result.

    Raises
    ------
    EvaluationError
        Where the evaluator returns something that is not an Evaluation.
    """
    extra: dict[str, Any] = {}
    if "k" in choice.described and choice.described["k"] is None:
        extra["k"] = k
    evaluation = choice.evaluate(sample, evaluator_generator(seed, choice.name), **extra)
    if not isinstance(evaluation, Evaluation):
        raise EvaluationError(
            f"evaluator {choice.name} returned {type(evaluation).__name__}, not an Evaluation: see docs/extending.md."
        )
    _keep(store, key, evaluation)
    return evaluation


def _groups(evaluation: Evaluation) -> dict[str, Mapping[str, NDArray[Any]]]:
    return {"per_text": evaluation.per_text, "per_label": evaluation.per_label, "pairs": evaluation.pairs}


def _keep(store: Store, key: str, evaluation: Evaluation) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    names: dict[str, list[str]] = {}
    for group, columns in _groups(evaluation).items():
        names[group] = list(columns)
        for number, column in enumerate(columns.values()):
            arrays[f"{group}.{number}"] = np.asarray(column)

    def fill(folder: Path) -> None:
        np.savez(folder / "arrays.npz", allow_pickle=False, **arrays)

    scores = plain([dataclasses.asdict(score) for score in evaluation.scores])
    store.write(KIND, key, fill, {"scores": scores, "names": names, "warnings": list(evaluation.warnings)})


def _load(entry: Entry) -> Evaluation:
    columns: dict[str, dict[str, NDArray[Any]]] = {}
    with np.load(entry.path("arrays.npz"), allow_pickle=False) as arrays:
        for group, names in entry.meta["names"].items():
            columns[group] = {name: arrays[f"{group}.{number}"] for number, name in enumerate(names)}
    return Evaluation(
        scores=tuple(Score(**score) for score in entry.meta["scores"]),
        per_text=columns["per_text"],
        per_label=columns["per_label"],
        pairs=columns["pairs"],
        warnings=tuple(entry.meta["warnings"]),
    )
