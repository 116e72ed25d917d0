"""Separation of the labels on a map: silhouette, neighbourhood hit and leave-one-out centroid accuracy in the plane.

References
----------
Rousseeuw 1987, "Silhouettes", J. Comput. Appl. Math. 20. Paulovich et al. 2008, "Least square projection", IEEE
TVCG 14 (neighbourhood hit). Sips et al. 2009, "Selecting good views of high-dimensional data using class
consistency", CGF 28 (distance consistency, made leave-one-out here).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics.map_loops import centroid_hits, silhouettes
from evalkit.metrics.neighbours import evaluate_graph
from evalkit.stats.macro_tests import without_macro_tests
from evalkit.stats.mean_intervals import CENTROID_WIDENING, hit_statistics, macro_mean
from evalkit.stats.permutation import build_score, permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Points, Sample

__all__ = ["centroid_accuracy_samples", "evaluate", "silhouette_samples"]

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


def silhouette_samples(points: Points, labels: Codes, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Euclidean silhouette of each text on the map, from −1 to 1, higher is better.

    Parameters
    ----------
    points
        (N, 2) float64 coordinates.
    labels
        (N,) int32 codes 0 … k − 1.
    rows
        (Q,) int64 texts to score against all; None scores every text, in O(N²) time and O(N) memory.

    Returns
    -------
    ndarray
        (Q,) float64; 0 for the only text of a label, and where all distances are 0.

    References
    ----------
    Rousseeuw 1987, J. Comput. Appl. Math. 20.
    """
    points, labels = _as_arrays(points, labels)
    sizes, same = np.bincount(labels), SAME * _extent(points)
    parts = np.array_split(np.arange(labels.size) if rows is None else rows, THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        scored = pool.map(lambda part: silhouettes(points, labels[None], sizes, part, same)[0], parts)
        return np.concatenate(list(scored))


def centroid_accuracy_samples(points: Points, labels: Codes) -> NDArray[np.float64]:
    """Whether a text's nearest label mean on the map is its own label's, the text itself left out of it.

    Parameters
    ----------
    points
        (N, 2) float64 coordinates.
    labels
        (N,) int32 codes 0 … k − 1.

    Returns
    -------
    ndarray
        (N,) float64: 1, 0, or 1/t where the own mean is one of t equally near; 0 for the only text of a label.

    References
    ----------
    After Sips et al. 2009, CGF 28.
    """
    points, labels = _as_arrays(points, labels)
    return centroid_hits(points, labels, np.bincount(labels), _same_square(points))


def evaluate(sample: Sample, rng: np.random.Generator, *, k: Sequence[int] | None = None) -> Evaluation:
    """Silhouette, neighbourhood hit at K and centroid accuracy of a map, each with its ``_macro`` twin.

    Parameters
    ----------
    sample
        Reads points, labels and the neighbours on the map (``plane``).
    rng
        Draws permutations and, in a large corpus, the texts scored.
    k
        K of the neighbourhood hit; None takes those of 1, 5, 10 below N.

    Raises
    ------
    RequestError
        There is no map, or a K of N or more.
    """
    if sample.points is None or sample.plane is None:
        raise RequestError("The scores of the map need a projection, and there is none: choose one.")
    n = sample.labels.size
    ks = [each for each in (1, 5, 10) if each < n] if k is None else sorted({int(each) for each in k})
    if not ks or ks[0] < 1 or ks[-1] >= n:
        raise RequestError(f"k must lie between 1 and {n - 1} for {n} texts, found {list(k or ())}: change k.")
    points, labels = _as_arrays(sample.points, sample.labels)
    rows = np.arange(n) if n <= LARGE else stratified_rows(labels, QUERIES, rng)
    per_text = {
        "map/silhouette": np.full(n, np.nan),
        "map/centroid_accuracy": centroid_accuracy_samples(points, labels),
    }
    per_text["map/silhouette"][rows] = silhouette_samples(points, labels, rows)
    near = evaluate_graph(sample.plane, labels, rng, ks=ks, prefix="map/neighbourhood_hit_at_", space="map")
    hits = per_text["map/centroid_accuracy"]
    shares = hit_statistics(hits, labels, sample.n_labels, widen=CENTROID_WIDENING)
    null, observed, parameters = _null(points, labels, rng)
    scores = []
    for name, value in zip(NAMES, _means(per_text["map/silhouette"][rows], labels[rows], hits, labels), strict=True):
        kind = name.removesuffix("_macro")
        described: dict[str, Any] = {**parameters[kind], "interval": INTERVALS[kind]}
        if rows.size < n and kind == "silhouette":
            described["queries"] = int(rows.size)
        interval = shares[name.removeprefix(kind)].interval if kind == "centroid_accuracy" else None
        score = build_score(
            f"map/{name}",
            "map",
            value,
            best=1.0,
            null=null[name],
            observed=observed[name],
            interval=interval,
            parameters=described,
        )
        scores.append(score)
    for score in near.scores:
        described = {**score.parameters, "interval": INTERVALS["neighbourhood_hit"]}
        scores.append(replace(score, parameters=described))
    pseudo = {f"map/centroid_accuracy{ending}.pseudo": share.pseudo for ending, share in shares.items()}
    evaluation = Evaluation(scores=tuple(scores), per_text={**per_text, **near.per_text, **pseudo})
    return without_macro_tests(evaluation, np.bincount(labels))


def _null(
    points: Points, labels: Codes, rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float], dict[str, dict[str, Any]]]:
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

        def statistic(labellings: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
            parts = pool.map(score, np.array_split(labellings, THREADS))
            return dict(zip(NAMES, np.array([row for part in parts for row in part]).T, strict=True))

        observed = {name: float(values[0]) for name, values in statistic(labels[None]).items()}
        count = 99 if sampled else permutation_count(float(labels.size * rows.size))
        null = permute_scores(statistic, labels, count=count, rng=rng, block=BLOCK)
    for name, values in null.items():
        # The same partition under other codes differs in the last digits: that is a tie.
        values[np.isclose(values, observed[name], rtol=1e-9, atol=1e-12)] = observed[name]
    queries = {"null_queries": int(rows.size)} if rows.size < labels.size else {}
    return null, observed, {"silhouette": {**sampled, **queries}, "centroid_accuracy": sampled}


def _means(
    apart: NDArray[np.float64], apart_labels: Codes, hits: NDArray[np.float64], labels: Codes
) -> tuple[float, ...]:
    """Values of `NAMES`, from the silhouettes of some texts and the hits of all."""
    return float(apart.mean()), macro_mean(apart, apart_labels), float(hits.mean()), macro_mean(hits, labels)


def _as_arrays(points: Points, labels: Codes) -> tuple[Points, Codes]:
    """The types and the memory layout that the loops are compiled for."""
    return np.ascontiguousarray(points, dtype=np.float64), np.ascontiguousarray(labels, dtype=np.int32)


def _extent(points: Points) -> float:
    return float(np.ptp(points, axis=0).max())


def _same_square(points: Points) -> float:
    """Squared distances that differ by no more are equal: rounding, of the extent and of the coordinates."""
    return SAME * _extent(points) ** 2 + (1e-14 * float(np.abs(points).max())) ** 2
