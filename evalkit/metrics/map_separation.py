"""Do labels keep apart on the map? Silhouette, neighbourhood hit and leave-one-out centroids in the plane.

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
from evalkit.metrics.neighbours import evaluate_graph
from evalkit.stats.macro_tests import without_macro_tests
from evalkit.stats.mean_intervals import CENTROID_WIDENING, hit_statistics
from evalkit.stats.permutation import build_score, p_value, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Points, Sample, Score

__all__ = ["centroid_accuracy_samples", "evaluate", "silhouette_samples"]

NULL_QUERIES = 1_000
"""Texts whose silhouettes make a permuted score; what they are compared with is every text's label."""

MANY_PAIRS = 2e9  # distances that 999 permutations may cost: about a second on two cores
FEW_PAIRS = 1e6  # up to so many distances a thread takes longer to start than to work
AT_ONCE = 1_000_000  # texts of permuted maps that a thread scores at a time
BLOCK = 64
MANY = 999
QUERIES = 20_000  # of a large corpus
THREADS = 2
SAME = 1e-12  # of the map's extent: no distance at all
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
        (N, 2) coordinates.
    labels
        (N,) codes 0 … k − 1.
    rows
        (Q,) texts to score against all; None scores every text, in O(N²) time and O(N) memory.

    Returns
    -------
    ndarray
        (Q,) float64; 0 for the only text of a label, and where all distances are 0.

    References
    ----------
    Rousseeuw 1987, J. Comput. Appl. Math. 20.
    """
    from evalkit.metrics.map_loops import silhouettes, silhouettes_of_each

    points = np.ascontiguousarray(points, dtype=np.float64)
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    sizes = np.bincount(labels).astype(np.int64)
    rows = np.arange(labels.size) if rows is None else np.asarray(rows, dtype=np.int64)
    nothing = SAME * _extent(points)
    if rows.size * labels.size <= FEW_PAIRS:
        return np.asarray(silhouettes(points, labels, sizes, rows, nothing))
    with ThreadPoolExecutor(THREADS) as pool:
        # One labelling, but of many texts: there each distance of a block of texts is taken at once, too.
        each = pool.map(
            lambda part: silhouettes_of_each(points, labels[None], sizes, part, nothing)[0],
            np.array_split(rows, THREADS),
        )
        return np.concatenate(list(each))


def centroid_accuracy_samples(points: Points, labels: Codes) -> NDArray[np.float64]:
    """Whether a text's nearest label mean on the map is its own label's, the text itself left out of it.

    Parameters
    ----------
    points
        (N, 2) coordinates.
    labels
        (N,) codes 0 … k − 1.

    Returns
    -------
    ndarray
        (N,) float64: 1, 0, or 1/t where the own mean is one of t equally near; 0 for the only text of a label.
    """
    from evalkit.metrics.map_loops import centroid_hits

    points = np.ascontiguousarray(points, dtype=np.float64)
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    return centroid_hits(points, labels, np.bincount(labels).astype(np.int64), _same_square(points))


def evaluate(sample: Sample, rng: np.random.Generator, *, k: Sequence[int] | None = None) -> Evaluation:
    """Silhouette, neighbourhood hit at K and centroid accuracy of a map, each with its ``_macro`` twin.

    Parameters
    ----------
    sample
        Its points, labels and the neighbours on the map (``plane``).
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
    points = np.ascontiguousarray(sample.points, dtype=np.float64)
    labels = np.ascontiguousarray(sample.labels, dtype=np.int32)
    rows = np.arange(n) if n <= LARGE else stratified_rows(labels, QUERIES, rng)
    silhouettes = silhouette_samples(points, labels, rows)
    hits = centroid_accuracy_samples(points, labels)
    near = evaluate_graph(sample.plane, labels, rng, ks=ks, prefix="map/neighbourhood_hit_at_", space="map")
    shares = hit_statistics(hits, labels, sample.n_labels, widen=CENTROID_WIDENING)
    intervals = {f"centroid_accuracy{ending}": share.interval for ending, share in shares.items()}
    scores = [
        *_class_scores(points, labels, rows, silhouettes, hits, intervals, rng),
        *(_conditional(score, "neighbourhood_hit") for score in near.scores),
    ]
    per_text = {"map/silhouette": np.full(n, np.nan), "map/centroid_accuracy": hits, **near.per_text}
    per_text["map/silhouette"][rows] = silhouettes
    for ending, share in shares.items():
        per_text[f"map/centroid_accuracy{ending}.pseudo"] = share.pseudo
    return without_macro_tests(Evaluation(scores=tuple(scores), per_text=per_text), np.bincount(labels))


def _class_scores(
    points: Points,
    labels: Codes,
    rows: NDArray[np.int64],
    silhouettes: NDArray[np.float64],
    hits: NDArray[np.float64],
    intervals: dict[str, tuple[float, float]],
    rng: np.random.Generator,
) -> list[Score]:
    """The four scores that see a label through all of its texts, with their nulls."""
    values = {
        "silhouette": float(silhouettes.mean()),
        "silhouette_macro": _macro(silhouettes, labels[rows]),
        "centroid_accuracy": float(hits.mean()),
        "centroid_accuracy_macro": _macro(hits, labels),
    }
    null, observed, parameters = _null(points, labels, rng)
    scores = []
    for name, value in values.items():
        described: dict[str, Any] = {**parameters[name], "interval": INTERVALS[name.removesuffix("_macro")]}
        if rows.size < labels.size and name.startswith("silhouette"):
            described["queries"] = int(rows.size)
        score = build_score(
            f"map/{name}",
            "map",
            value,
            best=1.0,
            null=null[name],
            interval=intervals.get(name),
            parameters=described,
        )
        scores.append(replace(score, p_value=p_value(observed[name], null[name], higher_is_better=True)))
    return scores


def _null(
    points: Points, labels: Codes, rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float], dict[str, dict[str, Any]]]:
    """Permuted scores, what they are to be compared with, and how they were made."""
    from evalkit.metrics.map_loops import hits_of_each, silhouettes_of_each

    said: dict[str, Any] = {}
    if labels.size > LARGE:
        kept = stratified_rows(labels, QUERIES, rng)
        points, labels = np.ascontiguousarray(points[kept]), labels[kept]
        said["null_texts"] = int(labels.size)
    rows = stratified_rows(labels, NULL_QUERIES, rng)
    sizes = np.bincount(labels).astype(np.int64)
    same, same_square = SAME * _extent(points), _same_square(points)

    def score(labellings: NDArray[np.int32]) -> NDArray[np.float64]:
        far = silhouettes_of_each(points, labellings, sizes, rows, same)
        hits = hits_of_each(points, labellings, sizes, same_square)
        macros = _macros(far, labellings[:, rows], sizes.size), _macros(hits, labellings, sizes.size)
        return np.stack([far.mean(axis=1), macros[0], hits.mean(axis=1), macros[1]])

    names = ("silhouette", "silhouette_macro", "centroid_accuracy", "centroid_accuracy_macro")
    alone = labels.size * rows.size * BLOCK <= FEW_PAIRS
    block = MANY if alone else BLOCK
    at_once = block if alone else max(1, min(AT_ONCE // labels.size, BLOCK // THREADS))
    with ThreadPoolExecutor(THREADS) as pool:

        def statistic(labellings: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
            parts = [labellings[start : start + at_once] for start in range(0, len(labellings), at_once)]
            return dict(
                zip(names, np.concatenate(list((map if alone else pool.map)(score, parts)), axis=1), strict=True)
            )

        observed = {name: float(column[0]) for name, column in statistic(labels[None]).items()}
        many = not said and labels.size * rows.size * 999.0 <= MANY_PAIRS
        null = permute_scores(statistic, labels, count=MANY if many else 99, rng=rng, block=block)
    for name, values in null.items():
        # The same partition under other names differs in the last digits: that is a tie.
        values[np.isclose(values, observed[name], rtol=1e-9, atol=1e-12)] = observed[name]
    sampled = {**said, "null_queries": int(rows.size)} if rows.size < labels.size else said
    return null, observed, {name: sampled if name.startswith("silhouette") else said for name in names}


def _conditional(score: Score, kind: str) -> Score:
    return replace(score, parameters={**score.parameters, "interval": INTERVALS[kind]})


def _macro(values: NDArray[np.float64], labels: Codes) -> float:
    """Mean over the labels that bear a value of their mean."""
    sizes = np.bincount(labels)
    sums = np.bincount(labels, weights=values)
    return float((sums[sizes > 0] / sizes[sizes > 0]).mean())


def _macros(values: NDArray[np.float64], labellings: NDArray[np.int32], k: int) -> NDArray[np.float64]:
    """`_macro` of each of P labellings: (P, N) values → (P,)."""
    count = len(labellings)
    places = (labellings + k * np.arange(count)[:, None]).ravel()
    sizes = np.bincount(places, minlength=count * k).reshape(count, k)
    sums = np.bincount(places, weights=values.ravel(), minlength=count * k).reshape(count, k)
    if (sizes > 0).all():
        return np.asarray((sums / sizes).mean(axis=1))
    return np.array([(row[size > 0] / size[size > 0]).mean() for row, size in zip(sums, sizes, strict=True)])


def _extent(points: Points) -> float:
    return float(max(np.ptp(points[:, 0]), np.ptp(points[:, 1])))


def _same_square(points: Points) -> float:
    """Squared distances that differ by no more are equal: rounding, of the extent and of the coordinates."""
    return SAME * _extent(points) ** 2 + (1e-14 * float(np.abs(points).max())) ** 2
