"""Separation of the labels on a map: silhouette, neighbourhood hit and leave-one-out centroid accuracy in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics.map_loops import centroid_hits, silhouettes
from evalkit.metrics.neighbours import checked_ks, evaluate_graph
from evalkit.stats.macro_tests import without_macro_tests
from evalkit.stats.mean_intervals import CENTROID_WIDENING, hit_statistics, macro_mean
from evalkit.stats.permutation import build_score, permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Floats, Points, Sample

NULL_QUERIES = 1_000  # texts whose silhouettes, each against all texts, make a permuted score
QUERIES = 20_000  # texts scored in a large corpus
BLOCK = 64  # labellings scored at a time, shared among the threads
THREADS = 2
SAME = 1e-12  # share of the map's extent up to which a distance counts as 0
NAMES = ("silhouette", "silhouette_macro", "centroid_accuracy", "centroid_accuracy_macro")
INTERVALS = {
    "silhouette": "none: the map is one draw, and texts share their labels' mean distances",
    "centroid_accuracy": "conditional on the map and the centroids, widened by 4/3",
    "neighbourhood_hit": "conditional on the map",
}


def evaluate(sample: Sample, rng: np.random.Generator, *, k: Sequence[int] | None = None) -> Evaluation:
    """Silhouette, neighbourhood hit at K and centroid accuracy of a map, each with its ``_macro`` twin.

    Parameters
    ----------
    sample
        Reads points, labels and the neighbours on the map (``plane``).
    rng
        Draws permutations and, in a large corpus, the texts scored.
    k
        K of the neighbourhood hit; None takes those of 1, 5, 10 below N. A K of N or more, or below 1, is refused.
    """
    if sample.points is None or sample.plane is None:
        raise RequestError("The scores of the map need a projection, and there is none: choose one.")
    n = sample.labels.size
    ks = checked_ks(k, n)
    # The types and the memory layout that the loops are compiled for.
    points = np.ascontiguousarray(sample.points, dtype=np.float64)
    labels = np.ascontiguousarray(sample.labels, dtype=np.int32)
    rows = np.arange(n) if n <= LARGE else stratified_rows(labels, QUERIES, rng)
    apart, hits = np.full(n, np.nan), centroid_hits(points, labels, np.bincount(labels), _same_square(points))
    apart[rows] = silhouette_samples(points, labels, rows)
    near = evaluate_graph(sample.plane, labels, rng, ks=ks, prefix="map/neighbourhood_hit_at_", space="map")
    shares = hit_statistics(hits, labels, sample.n_labels, widen=CENTROID_WIDENING)
    intervals = {f"centroid_accuracy{ending}": share.interval for ending, share in shares.items()}
    null, observed, parameters = _null(points, labels, rng)
    if rows.size < n:
        parameters["silhouette"]["queries"] = int(rows.size)
    scores = []
    for name, value in zip(NAMES, _means(apart[rows], labels[rows], hits, labels), strict=True):
        kind = name.removesuffix("_macro")
        score = build_score(
            f"map/{name}", "map", value, best=1.0, null=null[name], observed=observed[name],
            interval=intervals.get(name), parameters={**parameters[kind], "interval": INTERVALS[kind]},
        )  # fmt: skip
        scores.append(score)
    for score in near.scores:
        scores.append(replace(score, parameters={**score.parameters, "interval": INTERVALS["neighbourhood_hit"]}))
    per_text = {"map/silhouette": apart, "map/centroid_accuracy": hits, **near.per_text}
    per_text |= {f"map/centroid_accuracy{ending}.pseudo": share.pseudo for ending, share in shares.items()}
    return without_macro_tests(Evaluation(scores=tuple(scores), per_text=per_text), np.bincount(labels))


def silhouette_samples(points: Points, labels: Codes, rows: NDArray[np.int64]) -> Floats:
    """(Q,) Euclidean silhouettes of the texts `rows` against all, from −1 to 1: O(Q·N) time, O(N) memory.

    0 for the only text of a label, and where all distances are 0.
    """
    sizes, same = np.bincount(labels), SAME * _extent(points)
    with ThreadPoolExecutor(THREADS) as pool:
        parts = np.array_split(rows, THREADS)
        scored = pool.map(lambda part: silhouettes(points, labels[None], sizes, part, same)[0], parts)
        return np.concatenate(list(scored))


def _null(
    points: Points, labels: Codes, rng: np.random.Generator
) -> tuple[dict[str, Floats], dict[str, float], dict[str, dict[str, Any]]]:
    """Scores of permuted labels, the scores they are compared with, and parameters of silhouette and accuracy."""
    sampled: dict[str, Any] = {}
    if labels.size > LARGE:
        kept = stratified_rows(labels, QUERIES, rng)
        points, labels = points[kept], labels[kept]
        sampled["null_texts"] = int(labels.size)
    rows = stratified_rows(labels, NULL_QUERIES, rng)
    sizes, same, same_square = np.bincount(labels), SAME * _extent(points), _same_square(points)

    def score(labellings: NDArray[np.int32]) -> list[tuple[float, ...]]:
        apart = silhouettes(points, labellings, sizes, rows, same)
        return [
            _means(each, labelling[rows], centroid_hits(points, labelling, sizes, same_square), labelling)
            for each, labelling in zip(apart, labellings, strict=True)
        ]

    with ThreadPoolExecutor(THREADS) as pool:

        def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
            parts = pool.map(score, np.array_split(labellings, THREADS))
            return dict(zip(NAMES, np.array([row for part in parts for row in part]).T, strict=True))

        observed = {name: float(values[0]) for name, values in statistic(labels[None]).items()}
        count = 99 if sampled else permutation_count(float(labels.size * rows.size))
        null = permute_scores(statistic, labels, count=count, rng=rng, block=BLOCK)
    queries = {"null_queries": int(rows.size)} if rows.size < labels.size else {}
    return null, observed, {"silhouette": {**sampled, **queries}, "centroid_accuracy": sampled}


def _means(apart: Floats, apart_labels: Codes, hits: Floats, labels: Codes) -> tuple[float, ...]:
    """Values of `NAMES`, from the silhouettes of some texts and the hits of all."""
    return float(apart.mean()), macro_mean(apart, apart_labels), float(hits.mean()), macro_mean(hits, labels)


def _extent(points: Points) -> float:
    return float(np.ptp(points, axis=0).max())


def _same_square(points: Points) -> float:
    """Squared distances that differ by no more are equal: rounding, of the extent and of the coordinates."""
    return SAME * _extent(points) ** 2 + (1e-14 * float(np.abs(points).max())) ** 2
