"""Do the labels' convex hulls overlap on the map? What one sees in the picture, counted.

A label of fewer than three distinct points, or of collinear ones, has a point or a segment of area 0 for a hull.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics import label_pairs as pairs
from evalkit.metrics.hull_areas import covered_areas, hull_areas, shared_areas
from evalkit.metrics.hull_geometry import convex_hulls, foreign_points
from evalkit.metrics.hull_labellings import summaries
from evalkit.stats.mean_intervals import mean_by_label
from evalkit.stats.permutation import Statistic, build_score, p_value, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Points, Sample, Vectors

__all__ = ["HullScores", "Hulls", "evaluate", "hulls_of", "score_hulls"]

MANY_LABELS = 50  # from here on the pairs are so many that 19 permutations have to do
FEW = 8  # hulls whose every common part is looked at: beyond, they are united one after the other
NULL_TEXTS = 20_000
SAME = 1e-9  # of the map's extent: on the boundary
FLAT = 1e-12  # of the extent's square: no area
PAIR_TEXTS = 250  # texts of a label that a pair's chance is permuted over
MANY_PAIRS = 500
INTERVAL = "none: the map is one draw, and every hull hangs on its outermost texts"


@dataclass(frozen=True, slots=True, eq=False)
class Hulls:
    """Convex hulls of the labels on a map.

    Attributes
    ----------
    corners
        (V, 2) counter-clockwise, label after label; two for a segment, one for a point.
    begins
        (k + 1,) where each label's corners begin.
    extent
        The map's larger side.
    """

    corners: NDArray[np.float64]
    begins: NDArray[np.int64]
    extent: float

    def polygon(self, label: int) -> NDArray[np.float64]:
        """(v, 2) corners of one label's hull."""
        return self.corners[self.begins[label] : self.begins[label + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class HullScores:
    """What the hulls say.

    Attributes
    ----------
    overlap
        Area covered by two or more hulls / area covered by any, 0 to 1; NaN where no hull has an area.
    mean_iou
        Mean over label pairs of intersection / union area (0 where one has no area); NaN like `overlap`.
    overlapping_pairs
        Share of label pairs whose intersection has an area.
    foreign
        (N,) whether a text lies inside, or on the boundary of, another label's hull.
    a, b
        Label codes of the overlapping pairs, a < b.
    intersection, iou
        Area and share of each overlapping pair.
    """

    overlap: float
    mean_iou: float
    overlapping_pairs: float
    foreign: NDArray[np.bool_]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    intersection: NDArray[np.float64]
    iou: NDArray[np.float64]


def hulls_of(points: Points, labels: Codes, n_labels: int, *, order: NDArray[np.int64] | None = None) -> Hulls:
    """Convex hull of each label's points.

    Parameters
    ----------
    points
        (N, 2) coordinates.
    labels
        (N,) codes 0 … n_labels − 1.
    order
        Point numbers by x, then y, where they are at hand.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    extent = float(np.ptp(points, axis=0).max())
    if order is None:
        order = np.lexsort((points[:, 1], points[:, 0]))
    codes = np.ascontiguousarray(labels, dtype=np.int32)
    corners, begins = convex_hulls(points, order, codes, n_labels, FLAT * extent**2)
    return Hulls(corners, begins, extent)


def score_hulls(points: Points, labels: Codes, hulls: Hulls) -> HullScores:
    """Overlap of the hulls; lower is better, 0 is the separation one looks for in the picture.

    Parameters
    ----------
    points, labels
        (N, 2) and (N,).
    hulls
        From `hulls_of`, of these points or of others on the same map.
    """
    k = hulls.begins.size - 1
    nothing = FLAT * hulls.extent**2
    shared = shared_areas(hulls.corners, hulls.begins)
    a, b = (each.astype(np.int32) for each in np.nonzero(shared > nothing))
    area, intersection = hull_areas(hulls.corners, hulls.begins), shared[a, b]
    iou = intersection / (area[a] + area[b] - intersection)
    total, twice = _covered(hulls, np.flatnonzero(area > nothing))
    n_pairs = k * (k - 1) / 2
    foreign = foreign_points(
        np.ascontiguousarray(points, dtype=np.float64),
        np.ascontiguousarray(labels, dtype=np.int32),
        hulls.corners,
        hulls.begins,
        SAME * hulls.extent,
    )
    return HullScores(
        overlap=twice / total if total > nothing else np.nan,
        mean_iou=float(iou.sum()) / n_pairs if total > nothing else np.nan,
        overlapping_pairs=a.size / n_pairs,
        foreign=foreign,
        a=a,
        b=b,
        intersection=intersection,
        iou=iou,
    )


def _covered(hulls: Hulls, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Area that any of the labels' hulls covers, and that two or more of them cover."""
    if labels.size <= FEW:
        once, twice = covered_areas(hulls.corners, hulls.begins, labels)
        return float(once), max(float(twice), 0.0)
    import shapely

    whole: Any = shapely.Polygon()
    common: Any = shapely.Polygon()
    for label in labels:
        # What two of the hulls so far cover grows by what the next has in common with what one covers.
        polygon = shapely.Polygon(hulls.polygon(int(label)))
        common = shapely.union(common, shapely.intersection(whole, polygon))
        whole = shapely.union(whole, polygon)
    return float(shapely.area(whole)), float(shapely.area(common))


def evaluate(sample: Sample, rng: np.random.Generator) -> Evaluation:
    """Overlap of the labels' hulls, with a row for each overlapping pair that says what the embedding makes of it.

    Parameters
    ----------
    sample
        Its points and labels; the unit vectors for the pairs.
    rng
        Draws the permutations.

    Raises
    ------
    RequestError
        There is no map.
    """
    if sample.points is None:
        raise RequestError("The scores of the hulls need a projection, and there is none: choose one.")
    points = np.ascontiguousarray(sample.points, dtype=np.float64)
    labels = np.ascontiguousarray(sample.labels, dtype=np.int32)
    found = score_hulls(points, labels, hulls_of(points, labels, sample.n_labels))
    values = _summary(found, labels, sample.n_labels)
    null, observed, said = _null(points, labels, sample.n_labels, rng)
    overlapping, pair_permutations = _pairs(found, sample.unit, labels, sample.n_labels, rng)
    scores = []
    for name, value in values.items():
        described: dict[str, Any] = {**said, "interval": INTERVAL}
        if name == "overlapping_pairs":
            described |= {"pairs": int(found.a.size), "pair_permutations": pair_permutations}
        score = build_score(
            f"hulls/{name}",
            "map",
            value,
            best=0.0,
            null=null[name],
            higher_is_better=False,
            parameters=described,
        )
        scores.append(replace(score, p_value=p_value(observed[name], null[name], higher_is_better=False)))
    return Evaluation(
        scores=tuple(scores), per_text={"hulls/foreign_share": found.foreign.astype(np.float64)}, pairs=overlapping
    )


def _summary(found: HullScores, labels: Codes, n_labels: int) -> dict[str, float]:
    foreign = found.foreign.astype(np.float64)
    return {
        "overlap": found.overlap,
        "foreign_share": float(foreign.mean()),
        "foreign_share_macro": float(mean_by_label(foreign, labels, n_labels).mean()),
        "mean_iou": found.mean_iou,
        "overlapping_pairs": found.overlapping_pairs,
    }


def _null(
    points: Points, labels: Codes, n_labels: int, rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float | None], dict[str, int]]:
    """Permuted scores, what they are to be compared with, and how they were made."""
    said = {}
    if labels.size > LARGE:
        rows = stratified_rows(labels, NULL_TEXTS, rng)
        points, labels = points[rows], labels[rows]
        said["null_texts"] = int(labels.size)
    order = np.lexsort((points[:, 1], points[:, 0]))
    if n_labels <= FEW:
        sizes, extent = np.bincount(labels, minlength=n_labels).astype(np.int64), float(np.ptp(points, axis=0).max())
        statistic = summaries(points, order, sizes, FLAT * extent**2, SAME * extent)
    else:
        statistic = _one_by_one(points, order, n_labels)
    observed = {name: float(values[0]) for name, values in statistic(labels[None]).items()}
    null = permute_scores(statistic, labels, count=19 if n_labels >= MANY_LABELS else 99, rng=rng)
    for name, values in null.items():
        # Areas of the same partition differ in the last digits: that is a tie.
        values[np.isclose(values, observed[name], rtol=1e-9, atol=1e-12)] = observed[name]
    return null, {name: value if np.isfinite(value) else None for name, value in observed.items()}, said


def _one_by_one(points: Points, order: NDArray[np.int64], n_labels: int) -> Statistic:
    def score(labelling: NDArray[np.int32]) -> dict[str, float]:
        hulls = hulls_of(points, labelling, n_labels, order=order)
        return _summary(score_hulls(points, labelling, hulls), labelling, n_labels)

    def statistic(labellings: NDArray[np.int32]) -> Mapping[str, NDArray[np.float64]]:
        rows = [score(labelling) for labelling in labellings]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    return statistic


def _pairs(
    found: HullScores, unit: Vectors, labels: Codes, n_labels: int, rng: np.random.Generator
) -> tuple[dict[str, NDArray[Any]], int]:
    """How well the embedding tells the overlapping pairs apart, and the permutations that its chance rests on."""
    sizes = np.bincount(labels, minlength=n_labels)
    rates = pairs.embedding_rates(unit, labels, n_labels)
    order = np.argsort(labels, kind="stable")
    ends = np.concatenate([[0], np.cumsum(sizes)])
    members = [order[start:end] for start, end in pairwise(ends)]
    permutations = 99 if found.a.size <= MANY_PAIRS else 19
    drawn = [
        each if each.size <= PAIR_TEXTS else np.sort(rng.choice(each, PAIR_TEXTS, replace=False)) for each in members
    ]
    chance = pairs.chance_accuracies(unit, drawn, found.a, found.b, rng, permutations=permutations)
    low, high = pairs.accuracy_intervals(rates, sizes, found.a, found.b)
    return {
        "a": found.a,
        "b": found.b,
        "intersection": found.intersection,
        "iou": found.iou,
        "accuracy": pairs.pair_accuracy(rates)[found.a, found.b],
        "chance": chance,
        "ci_low": low,
        "ci_high": high,
    }, permutations
