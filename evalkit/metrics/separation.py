"""How far labels keep apart in the embedding, from label sums alone: O(N·k·d), no N × N matrix."""

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
from evalkit.types import Codes, Evaluation, Floats, Sample, Vectors

NULL_BUDGET = 2e10  # multiplications that 999 permutations may cost (about a second); else 99 are taken
MEANS_A_PASS = 256  # label means in a block of labellings: with fewer, a pass over long vectors only waits for memory
BEST = {"davies_bouldin": 0.0, "calinski_harabasz": None}
INTERVALS = {"silhouette": "infinitesimal jackknife", "centroid_accuracy": "conditional on centroids, widened by 4/3"}


def evaluate(sample: Sample, rng: np.random.Generator, *, null_sample: int = 20_000) -> Evaluation:
    """Silhouette, Davies–Bouldin, Caliński–Harabasz and leave-one-out centroid accuracy of an embedding.

    Parameters
    ----------
    sample, rng
        Unit vectors and labels (two or more different ones), and the source of the permutations.
    null_sample
        Above 50,000 texts the permutations are of a stratified sample of so many.
    """
    codes, sizes = sample.labels, np.bincount(sample.labels)
    if sizes.size < 2:
        raise RequestError(f"separation needs two labels or more, and all {codes.size} texts bear the same one.")
    vectors = centre(sample.unit, sizes.size)
    result = score_labellings(vectors, codes[None, :], sizes)
    values = {name: float(column[0]) for name, column in _summarise(result, codes[None, :], sizes).items()}
    null, observed, parameters = _null(sample.unit, vectors, codes, values, rng, null_sample)
    per_text, intervals = _intervals(vectors, codes, sizes, result, values)
    scores = []
    for name, value in values.items():
        interval = {"interval": INTERVALS[name.removesuffix("_macro")]} if name in intervals else {}
        score = build_score(
            f"separation/{name}", "embedding", value, best=BEST.get(name, 1.0),
            chance=1.0 if name == "calinski_harabasz" else None, null=null[name], observed=observed[name],
            interval=intervals.get(name), higher_is_better=name != "davies_bouldin",
            parameters={**parameters, **interval},
        )  # fmt: skip
        scores.append(score)
    alone = int((sizes == 1).sum())
    warnings = (f"{alone} labels have one text: it has silhouette 0 and counts as wrong in centroid accuracy.",)
    return without_macro_tests(Evaluation(tuple(scores), per_text, warnings=warnings if alone else ()), sizes)


def _summarise(result: CentroidScores, labellings: NDArray[np.int32], sizes: NDArray[np.int64]) -> dict[str, Floats]:
    """Name → (P,) scores."""
    summary = {}
    for name, samples in (("silhouette", result.silhouettes), ("centroid_accuracy", result.hits)):
        pairs = zip(labellings, samples.T, strict=True)
        sums = np.stack([np.bincount(codes, values, sizes.size) for codes, values in pairs])
        summary[name] = sums.sum(axis=1) / len(samples)
        summary[f"{name}_macro"] = (sums / sizes).mean(axis=1)
    return {**summary, "davies_bouldin": result.davies_bouldin, "calinski_harabasz": result.calinski_harabasz}


def _null(
    unit: Vectors,
    vectors: CentredVectors,
    codes: Codes,
    values: dict[str, float],
    rng: np.random.Generator,
    null_sample: int,
) -> tuple[dict[str, Floats], dict[str, float], dict[str, Any]]:
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
    null = permute_scores(statistic, codes, count=count, rng=rng, block=block)
    return null, observed, {"null_texts": codes.size} if sampled else {}


def _intervals(
    vectors: CentredVectors, codes: Codes, sizes: NDArray[np.int64], result: CentroidScores, values: dict[str, float]
) -> tuple[dict[str, Floats], dict[str, Interval]]:
    """Per-text columns with their pseudo-values, and the intervals that rest on them."""
    n, k = codes.size, sizes.size
    silhouettes, hits = result.silhouettes[:, 0], result.hits[:, 0]
    columns = {"separation/silhouette": silhouettes, "separation/centroid_accuracy": hits}
    intervals = {}
    for name, weights in (("silhouette", np.full(n, 1 / n)), ("silhouette_macro", 1 / (k * sizes[codes]))):
        pseudo = silhouette_pseudo_values(vectors, codes, sizes, result, weights)
        columns[f"separation/{name}.pseudo"] = pseudo
        intervals[name] = pseudo_value_interval(values[name], pseudo, low=-1.0, high=1.0)
    for ending, share in hit_statistics(hits, codes, k, widen=CENTROID_WIDENING).items():
        columns[f"separation/centroid_accuracy{ending}.pseudo"] = share.pseudo
        intervals[f"centroid_accuracy{ending}"] = share.interval
    return columns, intervals
