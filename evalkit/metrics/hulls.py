"""Overlap of the labels' convex hulls on a map: lower is better, 0 is the separation one looks for in the picture.

Labels with fewer than three non-collinear points have a hull of area 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics.hull_geometry import convex_hulls, foreign_points, hull_areas, shared_areas
from evalkit.metrics.label_pairs import accuracy_intervals, chance_accuracies, embedding_rates, pair_accuracy
from evalkit.stats.mean_intervals import macro_mean
from evalkit.stats.permutation import build_score, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Floats, Points, Sample, Vectors

MANY_LABELS = 50  # from here on the null has 19 permutations instead of 99
NULL_TEXTS = 20_000  # of a large corpus
BOUNDARY = 1e-9  # share of the map's extent within which a point is on a boundary
FLAT = 1e-12  # share of the extent's square up to which an area counts as 0
PAIR_TEXTS = 250  # texts of a label that a pair's chance level is permuted over
MANY_PAIRS = 500  # above it a pair's chance level has 19 permutations instead of 99
INTERVAL = "none: the map is one draw, and every hull hangs on its outermost texts"


@dataclass(frozen=True, slots=True, eq=False)
class HullScores:
    """Overlap of the hulls of one labelling."""

    values: Mapping[str, float]  # the scores by name, each from 0 to 1; an area's share is NaN where no hull has one
    foreign: NDArray[np.bool_]  # (N,) whether a text lies in, or on the boundary of, another label's hull
    a: NDArray[np.int32]  # (P,) label codes of the overlapping pairs, a < b
    b: NDArray[np.int32]
    intersection: Floats  # (P,) area of their intersection
    iou: Floats  # (P,) its share of their union


def evaluate(sample: Sample, rng: np.random.Generator) -> Evaluation:
    """Overlap of the labels' hulls, with a row for each overlapping pair on how the embedding separates the two.

    Parameters
    ----------
    sample, rng
        Points, labels and, for the pairs, unit vectors; source of the permutations.
    """
    if sample.points is None:
        raise RequestError("The scores of the hulls need a projection, and there is none: choose one.")
    points = np.ascontiguousarray(sample.points, dtype=np.float64)
    labels = np.ascontiguousarray(sample.labels, dtype=np.int32)
    hulls = score_hulls(points, labels, sample.n_labels)
    null, observed, parameters = _null(points, labels, sample.n_labels, rng)
    pairs, pair_permutations = _pairs(hulls, sample.unit, labels, sample.n_labels, rng)
    scores = []
    for name, value in hulls.values.items():
        described: dict[str, Any] = {**parameters, "interval": INTERVAL}
        if name == "overlapping_pairs":
            described |= {"pairs": int(hulls.a.size), "pair_permutations": pair_permutations}
        score = build_score(
            f"hulls/{name}", "map", value, best=0.0, null=null[name], observed=observed[name], higher_is_better=False,
            parameters=described,
        )  # fmt: skip
        scores.append(score)
    foreign = hulls.foreign.astype(np.float64)
    return Evaluation(scores=tuple(scores), per_text={"hulls/foreign_share": foreign}, pairs=pairs)


def score_hulls(points: Points, labels: Codes, n_labels: int) -> HullScores:
    """Scores of the convex hulls of labels 0 … n_labels − 1, every code in use.

    ``overlap`` is the area in two or more hulls over that in any, ``mean_iou`` the mean over label pairs of
    intersection over union, ``overlapping_pairs`` the share of pairs whose intersection has an area.
    """
    extent = float(np.ptp(points, axis=0).max())
    flat = FLAT * extent**2
    order = np.lexsort((points[:, 1], points[:, 0], labels))
    starts = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n_labels))])
    corners, begins = convex_hulls(points[order], starts, flat)
    areas, shared = hull_areas(corners, begins), shared_areas(corners, begins)
    a, b = (codes.astype(np.int32) for codes in np.nonzero(shared > flat))
    intersection = shared[a, b]
    iou = intersection / (areas[a] + areas[b] - intersection)
    total, twice = _covered_areas([corners[begins[c] : begins[c + 1]] for c in np.flatnonzero(areas > flat)])
    foreign = foreign_points(points, labels, corners, begins, BOUNDARY * extent)
    n_pairs = n_labels * (n_labels - 1) / 2
    values = {
        "overlap": twice / total if total > flat else np.nan,
        "foreign_share": float(foreign.mean()),
        "foreign_share_macro": macro_mean(foreign.astype(np.float64), labels),
        "mean_iou": float(iou.sum()) / n_pairs if total > flat else np.nan,
        "overlapping_pairs": a.size / n_pairs,
    }
    return HullScores(values, foreign, a, b, intersection, iou)


def _covered_areas(polygons: list[Floats]) -> tuple[float, float]:
    """Area that any of the convex polygons covers, and area that two or more of them cover."""
    covered: Any = shapely.Polygon()
    twice: Any = shapely.Polygon()
    for corners in polygons:
        polygon = shapely.Polygon(corners)
        twice = shapely.union(twice, shapely.intersection(covered, polygon))
        covered = shapely.union(covered, polygon)
    return float(shapely.area(covered)), float(shapely.area(twice))


def _null(
    points: Points, labels: Codes, n_labels: int, rng: np.random.Generator
) -> tuple[dict[str, Floats], Mapping[str, float], dict[str, int]]:
    """Scores of permuted labels, the scores they are compared with, and parameters of the sample."""
    parameters = {}
    if labels.size > LARGE:
        rows = stratified_rows(labels, NULL_TEXTS, rng)
        points, labels = points[rows], labels[rows]
        parameters["null_texts"] = int(labels.size)

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        rows = [score_hulls(points, labelling, n_labels).values for labelling in labellings]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    observed = score_hulls(points, labels, n_labels).values
    null = permute_scores(statistic, labels, count=19 if n_labels >= MANY_LABELS else 99, rng=rng)
    return null, observed, parameters


def _pairs(
    hulls: HullScores, unit: Vectors, labels: Codes, n_labels: int, rng: np.random.Generator
) -> tuple[dict[str, NDArray[Any]], int]:
    """Columns of pairs.csv, and the number of permutations of each pair's chance level."""
    sizes = np.bincount(labels, minlength=n_labels)
    rates = embedding_rates(unit, labels, n_labels)
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    permutations = 99 if hulls.a.size <= MANY_PAIRS else 19
    drawn = [
        texts if texts.size <= PAIR_TEXTS else np.sort(rng.choice(texts, PAIR_TEXTS, replace=False))
        for texts in members
    ]
    low, high = accuracy_intervals(rates, sizes, hulls.a, hulls.b)
    return {
        "a": hulls.a,
        "b": hulls.b,
        "intersection": hulls.intersection,
        "iou": hulls.iou,
        "accuracy": pair_accuracy(rates)[hulls.a, hulls.b],
        "chance": chance_accuracies(unit, drawn, hulls.a, hulls.b, rng, permutations=permutations),
        "ci_low": low,
        "ci_high": high,
    }, permutations
