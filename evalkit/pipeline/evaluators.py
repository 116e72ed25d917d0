"""Evaluators run through the store: a null belongs to (graph, labels) or (map, labels) and is computed once.

An evaluator's result depends on the vectors, the labels, its parameters, the seed and, in the map space,
the map. Runs that agree on these share it: two projections of one embedding share all of its own scores.
Of few texts, evalkit's own results are kept together, those of the vectors and those of the map: each takes some
milliseconds to compute, and an entry of the store about as long to write.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.pipeline.identity import foreign_digests, source_digest
from evalkit.pipeline.request import EvaluatorChoice
from evalkit.records import plain
from evalkit.store import FEW_TEXTS, Entry, Recent, Store, digest
from evalkit.types import Evaluation, Sample, Score

__all__ = ["Bundle", "bundled", "evaluation_key", "evaluations_of", "evaluator_generator", "run_evaluator"]

KIND = "evaluations"

_SCORE = tuple(field.name for field in dataclasses.fields(Score))

_recent: Recent[tuple[Evaluation, ...]] = Recent()


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """Evaluators whose results are one entry of the store.

    Attributes
    ----------
    choices
        The evaluators.
    key
        The entry's: that of the evaluator's result, or a digest of all their keys.
    remembered
        Whether the results stay in this process's memory besides.
    """

    choices: tuple[EvaluatorChoice, ...]
    key: str
    remembered: bool


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


def bundled(keyed: Sequence[tuple[EvaluatorChoice, str]], n: int) -> Iterator[Bundle]:
    """Evaluators with the keys of their results, as they are kept in the store.

    Parameters
    ----------
    n
        Number of texts: of few, evalkit's own results are kept together by space; all others each by itself.
    """
    together: dict[str, list[tuple[EvaluatorChoice, str]]] = {}
    for choice, key in keyed:
        if n > FEW_TEXTS or foreign_digests(plain(choice.described)):
            yield Bundle((choice,), key, remembered=False)
        else:
            together.setdefault(choice.space, []).append((choice, key))
    for members in together.values():
        keys = [key for _, key in members]
        whole = keys[0] if len(keys) == 1 else digest({"together": keys})
        yield Bundle(tuple(choice for choice, _ in members), whole, remembered=True)


def evaluations_of(
    bundle: Bundle, store: Store, make: Callable[[EvaluatorChoice], Evaluation]
) -> tuple[Evaluation, ...]:
    """A bundle's results, found or made; processes that want the same ones wait for each other.

    Parameters
    ----------
    make
        Evaluates one.

    Raises
    ------
    EvaluationError
        Where the evaluator returns something that is not an Evaluation.
    """
    return _recent.obtain(
        store,
        KIND,
        bundle.key,
        load=_load,
        make=lambda: tuple(_checked(choice, make(choice)) for choice in bundle.choices),
        keep=lambda found: _keep(store, bundle.key, found),
        remember=bundle.remembered,
    )


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


def _keep(store: Store, key: str, evaluations: Sequence[Evaluation]) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    described = []
    for place, evaluation in enumerate(evaluations):
        names: dict[str, list[str]] = {}
        for group, columns in _groups(evaluation).items():
            names[group] = list(columns)
            for number, column in enumerate(columns.values()):
                arrays[f"{place}.{group}.{number}"] = np.asarray(column)
        scores = plain([{name: getattr(score, name) for name in _SCORE} for score in evaluation.scores])
        described.append({"scores": scores, "names": names, "warnings": list(evaluation.warnings)})

    def fill(folder: Path) -> None:
        np.savez(folder / "arrays.npz", allow_pickle=False, **arrays)

    store.write(KIND, key, fill, {"evaluations": described})


def _load(entry: Entry) -> tuple[Evaluation, ...]:
    with np.load(entry.path("arrays.npz"), allow_pickle=False) as arrays:
        return tuple(_read(place, told, arrays) for place, told in enumerate(entry.meta["evaluations"]))


def _read(place: int, told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
    columns = {
        group: {name: arrays[f"{place}.{group}.{number}"] for number, name in enumerate(names)}
        for group, names in told["names"].items()
    }
    return Evaluation(
        scores=tuple(Score(**score) for score in told["scores"]),
        per_text=columns["per_text"],
        per_label=columns["per_label"],
        pairs=columns["pairs"],
        warnings=tuple(told["warnings"]),
    )
