"""How much of the labels a linear probe reads off the vectors: logistic regression, always on unseen texts."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.metrics.mteb_probe import mteb_score
from evalkit.stats.macro_tests import without_macro_tests
from evalkit.stats.mean_intervals import hit_statistics, mean_by_label
from evalkit.stats.permutation import build_score
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Floats, Sample, SplitVectors, Vectors

MOST_FOLDS = 5
MAX_ITERATIONS = 1000
LITTLE = 1_000_000  # numbers in the vectors, below which threads wait for one another ten times longer than they work
# Texts share their fitted probes: taken as independent, equal models were told apart in up to 14 % of simulations
# (benchmarks/calibration.py), as a standard error of three quarters of the truth would.
PROBE_WIDENING = 4 / 3


def evaluate(
    sample: Sample, rng: np.random.Generator, *, permutations: int = 19, null_sample: int = 20_000
) -> Evaluation:
    """Probe accuracy and macro F1 by stratified folds, or from train to test; with a split, MTEB's too.

    Parameters
    ----------
    sample
        Unit vectors and labels are read; with a split, the probe learns the train rows and is tested on
        these texts, and MTEB's protocol takes the raw vectors of both.
    rng
        Shuffles folds and permutes labels.
    permutations
        B: how often labels are permuted and all probes refitted.
    null_sample
        Above 50,000 texts to learn from, the null is taken on a stratified sample of so many.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    little = sample.unit.size < LITTLE and (sample.split is None or sample.split.train.size < LITTLE)
    with threadpool_limits(limits=1 if little else None), warnings.catch_warnings():
        # A fit that has not converged is scored on unseen texts as it is; unit vectors take some twenty steps.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _evaluate(sample, rng, permutations, null_sample)


def _evaluate(sample: Sample, rng: np.random.Generator, permutations: int, null_sample: int) -> Evaluation:
    """`evaluate` with threads and warnings set."""
    seed = int(rng.integers(2**31))
    task = _task(sample, seed)
    values, hits = task.score(task.learnt, task.tested)
    parameters: dict[str, Any] = {"C": 1.0, "max_iter": MAX_ITERATIONS}
    if sample.split is None:
        parameters["folds"] = fold_count(task.learnt)
    else:
        parameters["train_texts"] = task.learnt.size
    observed = values
    if task.learnt.size > LARGE:
        task = _task(sample, seed, stratified_rows(task.learnt, null_sample, rng))
        observed, _ = task.score(task.learnt, task.tested)
        parameters["null_texts"] = task.learnt.size
    null = _null(task, rng, permutations, folds=sample.split is None)
    shares = hit_statistics(hits, sample.labels, sample.n_labels, widen=PROBE_WIDENING)
    intervals = {f"accuracy{ending}": share.interval for ending, share in shares.items()}
    conditional = {"interval": "conditional on the fitted probes, widened by 4/3"}
    scores = [
        build_score(
            f"probe/{name}", "embedding", value, best=1.0, null=null[name], observed=observed[name],
            interval=intervals.get(name), parameters={**parameters, **(conditional if name in intervals else {})},
        )
        for name, value in values.items()
    ]  # fmt: skip
    warned: tuple[str, ...] = ()
    if sample.split is not None:
        scores.append(mteb_score(sample.split, rng))
        missing = np.setdiff1d(sample.split.test_labels, sample.split.train_labels).size
        if missing:
            warned = (f"{missing} labels of the test rows have no train row: the probe gets their texts wrong.",)
    pseudo = {f"probe/accuracy{ending}.pseudo": share.pseudo for ending, share in shares.items()}
    evaluation = Evaluation(scores=tuple(scores), per_text={"probe/accuracy": hits, **pseudo}, warnings=warned)
    return without_macro_tests(evaluation, np.bincount(sample.labels))


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """Labels that the probe learns, labels that it is tested on, and the probe: learnt labels → predictions."""

    learnt: Codes
    tested: Codes
    predict: Callable[[Codes], NDArray[np.int32]]
    n_labels: int

    def score(self, learnt: Codes, tested: Codes) -> tuple[dict[str, float], Floats]:
        """Scores of probes fitted on `learnt` against `tested`, and the (N,) hits."""
        predictions = self.predict(learnt)
        hits = (predictions == tested).astype(np.float64)
        by_label = mean_by_label(hits, tested, self.n_labels)
        values = {"accuracy": float(hits.mean()), "accuracy_macro": float(by_label.mean())}
        return {**values, "macro_f1": _macro_f1(tested, predictions, self.n_labels)}, hits


def _task(sample: Sample, seed: int, rows: NDArray[np.int64] | None = None) -> _Task:
    """Logistic regression (C = 1, L2) by folds over the texts, or train to test; learns from `rows` only."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    probe = LogisticRegression(max_iter=MAX_ITERATIONS)
    chosen = slice(None) if rows is None else rows
    if sample.split is None:
        unit, labels = sample.unit[chosen], sample.labels[chosen]
        folds = StratifiedKFold(fold_count(labels), shuffle=True, random_state=seed)
        return _Task(labels, labels, lambda learnt: cross_val_predict(probe, unit, learnt, cv=folds), sample.n_labels)
    learnt = _train_codes(sample.split, sample.n_labels)[chosen]
    if np.unique(learnt).size < 2:
        raise RequestError("the train rows bear fewer than two labels: a probe needs two, check dataset.split_column.")
    train = _unit(sample.split.train[chosen])
    return _Task(learnt, sample.labels, lambda labels: probe.fit(train, labels).predict(sample.unit), sample.n_labels)


def fold_count(labels: Codes) -> int:
    """Number of folds of the cross-validation: min(5, texts of the smallest label); refuses a label of one text."""
    sizes = np.bincount(labels)
    smallest = int(sizes.argmin())
    if sizes[smallest] < 2:
        raise RequestError(
            f"the probe needs two texts of every label, and label number {smallest + 1} in sorted order has "
            f"{sizes[smallest]}: give it another text, drop it, or leave the probe out of evaluators."
        )
    return min(MOST_FOLDS, int(sizes[smallest]))


def _macro_f1(labels: Codes, predictions: NDArray[np.int32], n_labels: int) -> float:
    """Mean F1 of the scored labels; labels that only the train rows bear are none of them."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, labels=np.arange(n_labels), average="macro", zero_division=0))


def _train_codes(split: SplitVectors, n_labels: int) -> Codes:
    """Train labels in the coding of the scored texts, which are test rows; labels only in train come after."""
    present = np.unique(split.test_labels)
    if present.size != n_labels:
        raise EvaluationError(
            f"the test rows bear {present.size} labels and the scored texts {n_labels}: the probe cannot match them, "
            "so give every label a test text that is neither doubled under another label nor blank."
        )
    order = np.concatenate([present, np.setdiff1d(split.train_labels, present)])
    codes = np.empty(order.max() + 1, dtype=np.int32)
    codes[order] = np.arange(order.size)
    return np.asarray(codes[split.train_labels])


def _unit(vectors: Vectors) -> Vectors:
    """Vectors of length 1; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)
    return np.asarray(scaled, dtype=np.float32)


def _null(task: _Task, rng: np.random.Generator, count: int, *, folds: bool) -> dict[str, Floats]:
    """Scores of probes that learnt permuted labels; within folds they are tested on the permuted ones too."""
    drawn: list[dict[str, float]] = []
    for _ in range(count):
        learnt = rng.permutation(task.learnt)
        drawn.append(task.score(learnt, learnt if folds else task.tested)[0])
    return {name: np.array([values[name] for values in drawn]) for name in ("accuracy", "accuracy_macro", "macro_f1")}
