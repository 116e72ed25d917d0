"""Evaluators run through the store: a null belongs to (graph, labels) or (map, labels) and is computed once.

An evaluator's result depends on the vectors, the labels, its parameters, the seed and, in the map space,
the map. Runs that agree on these share it: two projections of one embedding share all of its own scores.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.identity import foreign_digests, source_digest
from evalkit.records import plain
from evalkit.request import EvaluatorChoice
from evalkit.store import FEW_TEXTS, Entry, Recent, Store, digest
from evalkit.values import Evaluation, Sample, Score

__all__ = ["evaluation_key", "evaluation_of", "evaluator_generator", "run_evaluator"]

KIND = "evaluations"

_recent: Recent[Evaluation] = Recent()


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


def evaluation_of(
    choice: EvaluatorChoice, store: Store, key: str, n: int, make: Callable[[], Evaluation]
) -> Evaluation:
    """The result, found or made; processes that want the same one wait for each other.

    Parameters
    ----------
    n
        Number of texts: of few, evalkit's own results stay in this process's memory besides.
    make
        Evaluates.

    Raises
    ------
    EvaluationError
        Where the evaluator returns something that is not an Evaluation.
    """
    remembered = n <= FEW_TEXTS and not foreign_digests(plain(choice.described))
    found = _recent.find(store, key) if remembered else None
    if found is not None:
        return found
    found = _recall(store, key)
    if found is None:
        with store.lock(KIND, key):
            found = _recall(store, key)
            if found is None:
                found = _checked(choice, make())
                _keep(store, key, found)
    if remembered:
        _recent.keep(store, key, found)
    return found


def _recall(store: Store, key: str) -> Evaluation | None:
    entry = store.find(KIND, key)
    return None if entry is None else _load(entry)


def run_evaluator(choice: EvaluatorChoice, sample: Sample, *, k: tuple[int, ...], seed: int) -> Evaluation:
    """Evaluate."""
    extra: dict[str, Any] = {}
    if "k" in choice.described and choice.described["k"] is None:
        extra["k"] = k
    return choice.evaluate(sample, evaluator_generator(seed, choice.name), **extra)


def _checked(choice: EvaluatorChoice, found: Any) -> Evaluation:
    if isinstance(found, Evaluation):
        return found
    raise EvaluationError(
        f"evaluator {choice.name} returned {type(found).__name__}, not an Evaluation: see docs/extending.md."
    )


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
