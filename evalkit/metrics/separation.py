"""How far labels keep apart in the embedding, from label sums alone: O(N·k·d), no N × N matrix.

References
----------
Rousseeuw 1987, "Silhouettes", J. Comput. Appl. Math. 20. Davies & Bouldin 1979, "A Cluster Separation
Measure", IEEE PAMI 1. Caliński & Harabasz 1974, "A dendrite method for cluster analysis", Commun. Stat. 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics.centroid_scores import CentroidScores, score_labellings, silhouette_pseudo_values
from evalkit.metrics.label_means import BLOCK_VALUES, CentredVectors, centre
from evalkit.stats.macro_tests import without_macro_tests
from evalkit.stats.mean_intervals import CENTROID_WIDENING, Interval, hit_statistics, pseudo_value_interval
from evalkit.stats.permutation import build_score, permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Sample, Vectors

__all__ = ["calinski_harabasz", "centroid_accuracy_samples", "davies_bouldin", "evaluate", "silhouette_samples"]

Floats = NDArray[np.float64]

NULL_BUDGET = 2e10
"""Multiplications that 999 permutations may cost (about a second); where they cost more, 99 are taken."""

MEANS_A_PASS = 256
"""Label means in a block of labellings: with fewer, a pass over long vectors only waits for memory."""

BEST = {"davies_bouldin": 0.0, "calinski_harabasz": None}
INTERVALS = {
    "silhouette": "infinitesimal jackknife",
    "centroid_accuracy": "conditional on centroids, widened by 4/3",
}


def silhouette_samples(unit: Vectors, labels: Codes) -> Floats:
    """Silhouette of each text by cosine distance: (b − a) / max(a, b), from −1 to 1, higher is better.

    Parameters
    ----------
    unit
        (N, d) float32 vectors of length 1 (or 0).
    labels
        (N,) integer labels.

    Returns
    -------
    ndarray
        (N,) float64; 0 for a text whose label has no other text, and where max(a, b) < 1e-7.

    Raises
    ------
    RequestError
        Fewer than two different labels, or another number of them than of vectors.

    References
    ----------
    Rousseeuw 1987, J. Comput. Appl. Math. 20.
    """
    return _score(unit, labels).silhouettes[:, 0]


def centroid_accuracy_samples(unit: Vectors, labels: Codes) -> Floats:
    """Whether a text's nearest centroid by cosine is its own label's, the text itself left out of it.

    Parameters and errors as in `silhouette_samples`.

    Returns
    -------
    ndarray
        (N,) float64: 1, 0, or 1/t where the own centroid is one of t equally near ones; 0 where the rest
        of the label sums to zero (as that of a label of one text does).
    """
    return _score(unit, labels).hits[:, 0]


def davies_bouldin(unit: Vectors, labels: Codes) -> float:
    """Davies–Bouldin index on unit vectors: mean over labels of the worst (spread + spread) / distance.

    From 0, lower is better. NaN where all centroids coincide (scikit-learn gives the perfect 0 there).
    """
    return float(_score(unit, labels).davies_bouldin[0])


def calinski_harabasz(unit: Vectors, labels: Codes) -> float:
    """Caliński–Harabasz index on unit vectors: between-label over within-label variance, per degree of freedom.

    From 0, higher is better; about 1 where labels mean nothing. NaN where nothing varies within the labels
    (scikit-learn gives 1 there) or every text has a label of its own.
    """
    return float(_score(unit, labels).calinski_harabasz[0])


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

    Raises
    ------
    RequestError
        Fewer than two different labels.
    """
    codes, sizes = _encode(sample.labels, len(sample.unit))
    vectors = centre(sample.unit, sizes.size)
    found = score_labellings(vectors, codes[None, :], sizes)
    values = {name: float(column[0]) for name, column in _summarise(found, codes[None, :], sizes).items()}
    null, observed, parameters = _null(sample.unit, vectors, codes, values, rng, null_sample)
    per_text, intervals = _intervals(vectors, codes, sizes, found, values)
    scores = []
    for name, value in values.items():
        described: dict[str, Any] = dict(parameters)
        if name in intervals:
            described["interval"] = INTERVALS[name.removesuffix("_macro")]
        scores.append(
            build_score(
                f"separation/{name}",
                "embedding",
                value,
                best=BEST.get(name, 1.0),
                chance=1.0 if name == "calinski_harabasz" else None,
                null=null[name],
                observed=observed[name],
                interval=intervals.get(name),
                higher_is_better=name != "davies_bouldin",
                parameters=described,
            )
        )
    alone = int((sizes == 1).sum())
    warnings = (f"{alone} labels have one text: it has silhouette 0 and counts as wrong in centroid accuracy.",)
    return without_macro_tests(Evaluation(tuple(scores), per_text, warnings=warnings if alone else ()), sizes)


def _encode(labels: Codes, size: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Codes 0 … k − 1, every one in use, and their sizes."""
    if len(labels) != size:
        raise RequestError(f"{size} vectors have {len(labels)} labels: give one label a vector.")
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if sizes.size < 2:
        raise RequestError(f"separation needs two labels or more, and all {size} texts bear the same one.")
    return codes.astype(np.int32), sizes


def _score(unit: Vectors, labels: Codes) -> CentroidScores:
    """Scores of one labelling."""
    codes, sizes = _encode(labels, len(unit))
    return score_labellings(centre(unit, sizes.size), codes[None, :], sizes)


def _summarise(found: CentroidScores, labellings: NDArray[np.int32], sizes: NDArray[np.int64]) -> dict[str, Floats]:
    """Name → (P,) scores."""
    summary = {}
    for name, samples in (("silhouette", found.silhouettes), ("centroid_accuracy", found.hits)):
        pairs = zip(labellings, samples.T, strict=True)
        sums = np.stack([np.bincount(codes, values, sizes.size) for codes, values in pairs])
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
) -> tuple[dict[str, Floats], dict[str, float], dict[str, int]]:
    """Permuted scores, the scores to compare them with, and the parameters of a sample."""
    sampled = codes.size > LARGE and null_sample < codes.size
    if sampled:
        rows = stratified_rows(codes, null_sample, rng)
        codes = codes[rows]
        vectors = centre(unit[rows], int(codes.max()) + 1)
    sizes = np.bincount(codes)

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        return _summarise(score_labellings(vectors, labellings, sizes), labellings, sizes)

    observed = {name: float(column[0]) for name, column in statistic(codes[None, :]).items()} if sampled else values
    work = codes.size * sizes.size
    count = 99 if sampled else permutation_count(work * (unit.shape[1] + 64), budget=NULL_BUDGET)
    block = int(np.clip(max(BLOCK_VALUES // work, MEANS_A_PASS // sizes.size), 1, count))
    drawn = permute_scores(statistic, codes, count=count, rng=rng, block=block)
    for name, null in drawn.items():
        # The same partition under other names differs in the last digits: that is a tie.
        null[np.isclose(null, observed[name], rtol=1e-9, atol=0.0)] = observed[name]
    return drawn, observed, {"null_texts": codes.size} if sampled else {}


def _intervals(
    vectors: CentredVectors, codes: Codes, sizes: NDArray[np.int64], found: CentroidScores, values: dict[str, float]
) -> tuple[dict[str, Floats], dict[str, Interval]]:
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
