"""Which other labels lie near a label: by centroid, compared with labels that mean nothing, and by nearest texts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.label_means import BLOCK_VALUES, centre, label_means
from evalkit.stats.permutation import permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Floats, NeighbourGraph, Sample, Vectors

LISTED = 10  # nearest texts of each text that confusion counts


def evaluate(sample: Sample, rng: np.random.Generator, *, null_sample: int = 20_000) -> Evaluation:
    """Nearest other label of each label, and whether the two being each other's nearest is more than coincidence.

    Parameters
    ----------
    sample, rng
        Unit vectors and labels, and the source of the label permutations.
    null_sample
        Above 50,000 texts the permutations are of a stratified sample of so many.

    Returns
    -------
    Evaluation
        No scores; per_label ``nearest_topic`` (codes, −1 where the label's vectors sum to zero), and
        ``nearest_topic.similarity`` (cosine), ``.mutual`` (1 where each is the other's nearest, else 0), ``.chance``
        (how often the two are mutually nearest when labels are permuted) and ``.p_value`` ((1 + that number of
        times) / (1 + B)); the last two are NaN where the two are not mutually nearest.
    """
    nearest, cosines = nearest_centroids(sample.unit, sample.labels, sample.n_labels)
    mutual = _mutual(nearest[None, :])[0]
    hits = _permuted_hits(sample.unit, sample.labels, nearest, rng, null_sample)
    often, count = hits.sum(axis=0), len(hits)
    known = nearest >= 0
    columns = {
        "similarity": np.where(known, cosines, np.nan),
        "mutual": np.where(known, mutual, np.nan),
        "chance": np.where(mutual, often / count, np.nan),
        "p_value": np.where(mutual, (1 + often) / (1 + count), np.nan),
    }
    named = {f"nearest_topic.{name}": column for name, column in columns.items()}
    return Evaluation(scores=(), per_label={"nearest_topic": nearest.astype(np.int64), **named})


def nearest_centroids(unit: Vectors, labels: Codes, n_labels: int) -> tuple[NDArray[np.int32], Floats]:
    """(k,) nearest other label of each label, −1 where either's sum is zero, and (k,) cosines of the label sums."""
    nearest, cosines = _nearest(_centroid_cosines(unit, labels, n_labels)(labels[None, :]))
    return nearest[0], cosines[0]


def neighbour_confusion(graph: NeighbourGraph, labels: Codes, n_labels: int) -> Floats:
    """(k, k) share of the 10 nearest texts of label a's texts that bear label b; row a sums to 1, or to 0 without rows.

    The diagonal is the label's precision at 10, but for ties, which this table takes in the graph's order.
    """
    own = labels if graph.queries is None else labels[graph.queries]
    near = labels[np.asarray(graph.indices[:, :LISTED])]
    flat = own[:, None].astype(np.int64) * n_labels + near
    counts = np.bincount(flat.ravel(), minlength=n_labels * n_labels).reshape(n_labels, n_labels)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _centroid_cosines(unit: Vectors, labels: Codes, n_labels: int) -> Callable[[NDArray[np.int32]], Floats]:
    """Labellings → (P, k, k) cosines of their centroids; −inf on the diagonal and where a sum is zero."""
    vectors = centre(unit, n_labels)
    sizes = np.bincount(labels, minlength=n_labels)

    def cosines(labellings: NDArray[np.int32]) -> Floats:
        means = label_means(vectors, labellings, sizes)
        inner = vectors.mean_square + means.lift[:, :, None] + means.lift[:, None, :]
        inner += means.centred @ means.centred.transpose(0, 2, 1)
        lengths = np.sqrt(means.mean_squares(vectors.mean_square))
        none = lengths <= 1e-7
        lengths[none] = 1.0
        inner /= lengths[:, :, None] * lengths[:, None, :]
        inner[none[:, :, None] | none[:, None, :] | np.eye(n_labels, dtype=bool)] = -np.inf
        return np.asarray(inner)

    return cosines


def _nearest(cosines: Floats) -> tuple[NDArray[np.int32], Floats]:
    """(P, k) nearest labels (−1: none) and their cosines."""
    best = cosines.max(axis=2)
    return np.where(np.isfinite(best), cosines.argmax(axis=2), -1).astype(np.int32), best


def _mutual(nearest: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(P, k): whether a label is the nearest of its own nearest."""
    back = np.take_along_axis(nearest, np.maximum(nearest, 0), axis=1)
    return np.asarray((nearest >= 0) & (back == np.arange(nearest.shape[1])))


def _permuted_hits(
    unit: Vectors, labels: Codes, nearest: NDArray[np.int32], rng: np.random.Generator, null_sample: int
) -> NDArray[np.bool_]:
    """(B, k): whether label c and nearest[c] are mutually nearest under permuted labels."""
    if labels.size > LARGE:
        rows = stratified_rows(labels, null_sample, rng)
        unit, labels = unit[rows], labels[rows]
    n_labels = nearest.size
    cosines = _centroid_cosines(unit, labels, n_labels)

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        drawn, _ = _nearest(cosines(labellings))
        return {"hits": ((drawn == nearest) & _mutual(drawn)).astype(np.float64)}

    count = permutation_count(float((labels.size + n_labels**2) * unit.shape[1]))
    block = int(np.clip(BLOCK_VALUES // (labels.size * n_labels), 16, count))
    return np.asarray(permute_scores(statistic, labels, count=count, rng=rng, block=block)["hits"] > 0)
