"""How far labels keep apart in the embedding, from label sums alone: O(N·k·d), no N × N matrix.

References
----------
Rousseeuw 1987, "Silhouettes", J. Comput. Appl. Math. 20. Davies & Bouldin 1979, "A Cluster Separation
Measure", IEEE PAMI 1. Caliński & Harabasz 1974, "A dendrite method for cluster analysis", Commun. Stat. 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics.centroid_scores import (
    ROUNDING,
    SAME_PLACE,
    CentroidScores,
    score_labellings,
    silhouette_pseudo_values,
)
from evalkit.metrics.few_labellings import summarise_few
from evalkit.metrics.label_means import BLOCK_VALUES, CentredVectors, centre, suits_double
from evalkit.stats.macro_tests import without_macro_tests
from evalkit.stats.mean_intervals import CENTROID_WIDENING, hit_statistics, pseudo_value_interval
from evalkit.stats.permutation import build_score, p_value, permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Sample, Vectors

__all__ = [
    "calinski_harabasz",
    "centroid_accuracy_samples",
    "davies_bouldin",
    "encode_labels",
    "evaluate",
    "silhouette_samples",
]

NULL_BUDGET = 2e10
"""Multiplications that all permutations together may cost before 99 are taken instead of 999: about a second."""

MEANS_A_PASS = 256
FEW = 128  # up to so many texts their products are fewer than what is made of them in between

INTERVALS = {
    "silhouette": "infinitesimal jackknife",
    "centroid_accuracy": "conditional on centroids, widened by 4/3",
}


def encode_labels(labels: Codes, size: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Codes 0 … k − 1, every one in use, and their sizes.

    Raises
    ------
    RequestError
        For a number of labels that does not match, or fewer than two different ones.
    """
    if len(labels) != size:
        raise RequestError(f"{size} vectors have {len(labels)} labels: give one label a vector.")
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if sizes.size < 2:
        raise RequestError(f"separation needs two labels or more, and all {size} texts bear the same one.")
    return codes.astype(np.int32), sizes


def silhouette_samples(unit: Vectors, labels: Codes) -> NDArray[np.float64]:
    """Silhouette of each text by cosine distance: (b − a) / max(a, b), from −1 to 1, higher is better.

    Parameters
    ----------
    unit
        (N, d) vectors of length 1.
    labels
        (N,) integer labels.

    Returns
    -------
    ndarray
        (N,) float64; 0 for a text whose label has no other text, and where max(a, b) < 1e-7.

    References
    ----------
    Rousseeuw 1987, J. Comput. Appl. Math. 20.
    """
    codes, sizes = encode_labels(labels, len(unit))
    if suits_double(unit, sizes.size):
        return _one(unit, labels).silhouettes[:, 0]
    from evalkit.metrics.silhouettes import silhouettes  # compiled: nothing that a small corpus should load

    return silhouettes(unit, codes, sizes)


def centroid_accuracy_samples(unit: Vectors, labels: Codes) -> NDArray[np.float64]:
    """Whether a text's nearest centroid by cosine is its own label's, the text itself left out of it.

    Parameters
    ----------
    unit
        (N, d) vectors of length 1.
    labels
        (N,) integer labels.

    Returns
    -------
    ndarray
        (N,) float64: 1, 0, or 1/t where the own centroid is one of t equally near ones; 0 where the rest
        of the label sums to zero (a label of one text does).
    """
    return _one(unit, labels).hits[:, 0]


def davies_bouldin(unit: Vectors, labels: Codes) -> float:
    """Davies–Bouldin index on unit vectors: mean over labels of the worst (spread + spread) / distance.

    From 0, lower is better. NaN where all centroids coincide (scikit-learn gives the perfect 0 there).
    """
    return float(_one(unit, labels).davies_bouldin[0])


def calinski_harabasz(unit: Vectors, labels: Codes) -> float:
    """Caliński–Harabasz index on unit vectors: between-label over within-label variance, per degree of freedom.

    From 0, higher is better; about 1 where labels mean nothing. NaN where nothing varies within the labels
    (scikit-learn gives 1 there) or every text has a label of its own.
    """
    return float(_one(unit, labels).calinski_harabasz[0])


def _one(unit: Vectors, labels: Codes) -> CentroidScores:
    codes, sizes = encode_labels(labels, len(unit))
    return score_labellings(centre(unit, sizes.size), codes[None, :], sizes)


@dataclass(frozen=True, slots=True, eq=False)
class _Null:
    """Permuted scores, what they are compared with, and how they were made."""

    values: dict[str, NDArray[np.float64]]
    observed: dict[str, float]
    parameters: dict[str, int]


def _summarise(
    found: CentroidScores, labellings: NDArray[np.int32], sizes: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Name → (P,) scores."""
    count, k = len(labellings), sizes.size
    flat = (labellings.T + k * np.arange(count)).ravel()
    summary = {}
    for name, samples in (("silhouette", found.silhouettes), ("centroid_accuracy", found.hits)):
        sums = np.bincount(flat, weights=samples.ravel(), minlength=count * k).reshape(count, k)
        summary[name] = sums.sum(axis=1) / len(samples)
        summary[f"{name}_macro"] = (sums / sizes).mean(axis=1)
    return {**summary, "davies_bouldin": found.davies_bouldin, "calinski_harabasz": found.calinski_harabasz}


def _null(
    unit: Vectors,
    vectors: CentredVectors,
    codes: Codes,
    values: dict[str, float],
    rng: np.random.Generator,
    null_sample: int,
) -> _Null:
    """Scores under label permutation: all four from the same products."""
    parameters: dict[str, int] = {}
    observed = values
    if codes.size > LARGE and null_sample < codes.size:
        rows = stratified_rows(codes, null_sample, rng)
        unit, codes = unit[rows], codes[rows]
        parameters["null_texts"] = codes.size
        vectors = centre(unit, int(codes.max()) + 1)
    sizes = np.bincount(codes)
    few = codes.size <= FEW and vectors.vectors.dtype == np.float64

    def statistic(labellings: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
        if few:
            return summarise_few(vectors, labellings, sizes, SAME_PLACE, ROUNDING)
        return _summarise(score_labellings(vectors, labellings, sizes), labellings, sizes)

    if parameters:
        observed = {name: float(column[0]) for name, column in statistic(codes[None, :]).items()}
    work = codes.size * sizes.size
    count = 99 if parameters else permutation_count(work * (vectors.vectors.shape[1] + 64), budget=NULL_BUDGET)
    # Long vectors are read once for some 256 label means: with a few, a pass over them only waits for memory.
    block = int(np.clip(max(BLOCK_VALUES // work, MEANS_A_PASS // sizes.size), 1, count))
    drawn = permute_scores(statistic, codes, count=count, rng=rng, block=block)
    for name, null in drawn.items():
        # The same partition under other names differs in the last digits: that is a tie.
        null[np.isclose(null, observed[name], rtol=1e-9, atol=0.0)] = observed[name]
    return _Null(drawn, observed, parameters)


def _intervals(
    vectors: CentredVectors, codes: Codes, sizes: NDArray[np.int64], found: CentroidScores, values: dict[str, float]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, tuple[float, float]]]:
    """Per-text columns with their pseudo-values, and the intervals that rest on them."""
    n, k = codes.size, sizes.size
    silhouettes, hits = found.silhouettes[:, 0], found.hits[:, 0]
    columns = {"separation/silhouette": silhouettes, "separation/centroid_accuracy": hits}
    intervals = {}
    for name, weights in (("silhouette", np.full(n, 1 / n)), ("silhouette_macro", 1 / (k * sizes[codes]))):
        pseudo = silhouette_pseudo_values(vectors, codes, sizes, found, weights)
        columns[f"separation/{name}.pseudo"] = pseudo
        intervals[name] = pseudo_value_interval(values[name], pseudo, low=-1.0, high=1.0)
    for ending, share in hit_statistics(hits, codes, k, widen=CENTROID_WIDENING).items():
        columns[f"separation/centroid_accuracy{ending}.pseudo"] = share.pseudo
        intervals[f"centroid_accuracy{ending}"] = share.interval
    return columns, intervals


def evaluate(sample: Sample, rng: np.random.Generator, *, null_sample: int = 20_000) -> Evaluation:
    """Silhouette, Davies–Bouldin, Caliński–Harabasz and leave-one-out centroid accuracy of an embedding.

    Parameters
    ----------
    sample
        Its unit vectors and labels are read.
    rng
        Source of the permutations.
    null_sample
        Above 50,000 texts the permutations are of a stratified sample of so many.
    """
    codes, sizes = encode_labels(sample.labels, len(sample.unit))
    vectors = centre(sample.unit, sizes.size)
    found = score_labellings(vectors, codes[None, :], sizes)
    values = {name: float(column[0]) for name, column in _summarise(found, codes[None, :], sizes).items()}
    null = _null(sample.unit, vectors, codes, values, rng, null_sample)
    per_text, intervals = _intervals(vectors, codes, sizes, found, values)
    scores = []
    for name, value in values.items():
        described: dict[str, Any] = dict(null.parameters)
        if name in intervals:
            described["interval"] = INTERVALS[name.removesuffix("_macro")]
        score = build_score(
            f"separation/{name}",
            "embedding",
            value,
            best=None if name == "calinski_harabasz" else float(name != "davies_bouldin"),
            chance=1.0 if name == "calinski_harabasz" else None,
            null=null.values[name],
            interval=intervals.get(name),
            higher_is_better=name != "davies_bouldin",
            parameters=described,
        )
        observed, better = null.observed[name], name != "davies_bouldin"
        scores.append(replace(score, p_value=p_value(observed, null.values[name], higher_is_better=better)))
    alone = int((sizes == 1).sum())
    warnings = (f"{alone} labels have one text: it has silhouette 0 and counts as wrong in centroid accuracy.",)
    found_all = Evaluation(scores=tuple(scores), per_text=per_text, warnings=warnings if alone else ())
    return without_macro_tests(found_all, sizes)
