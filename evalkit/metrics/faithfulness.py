"""Faithfulness of a map to the embedding: of neighbours (trustworthiness, continuity) and of labels.

The scores of labels are after Jeon et al. 2023, with leave-one-out centroid accuracy in the place of distance
consistency, which is 1.00 on noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from evalkit.errors import RequestError
from evalkit.metrics.label_pairs import embedding_rates, map_rates, pair_accuracy
from evalkit.stats.mean_intervals import macro_mean
from evalkit.stats.permutation import build_score
from evalkit.stats.stratified_rows import stratified_rows
from evalkit.types import Codes, Evaluation, Floats, Points, Sample, Score, Vectors

ALL_TEXTS = 5_000  # up to this number every text is a query
MOST_QUERIES, FEWEST_QUERIES = 2_000, 300
WORK = 2e11  # multiplications that the queries' similarities may cost: some seconds
BLOCK_VALUES = 1 << 22  # similarities in memory
INTERVAL = "none: conditional on the map, which is one draw"


def evaluate(sample: Sample, rng: np.random.Generator, *, k: int = 10) -> Evaluation:
    """Trustworthiness and continuity at K with their ``_macro`` twins, label trustworthiness and continuity.

    They judge the map, so they rank no models, and have no p-value. Of texts tied for the K-th place those that the
    graph lists are taken.

    Parameters
    ----------
    sample
        Reads unit vectors, points, labels and both neighbour graphs.
    rng
        Draws the queries of a large corpus.
    k
        K, at least 1, lowered to the largest below N/2.
    """
    if sample.points is None or sample.plane is None:
        raise RequestError("The faithfulness of a map needs a projection, and there is none: choose one.")
    if k < 1:
        raise RequestError(f"The k of trustworthiness must be 1 or more, found {k}: raise it.")
    n = sample.labels.size
    k = min(k, (n - 1) // 2, sample.plane.indices.shape[1], sample.graph.indices.shape[1])
    places = _places(sample, rng)
    rows = places if sample.graph.queries is None else np.asarray(sample.graph.queries[places])
    trust = trustworthiness_samples(sample.unit, rows, sample.plane.indices[places, :k])
    continuity = continuity_samples(sample.points, rows, sample.graph.indices[places, :k])
    parameters: dict[str, Any] = {"K": k, "interval": INTERVAL}
    if rows.size < n:
        parameters["queries"] = int(rows.size)
    scores, per_text = [], {}
    for name, each in (("trustworthiness", trust), ("continuity", continuity)):
        column = f"faithfulness/{name}_at_{k}"
        per_text[column] = np.full(n, np.nan)
        per_text[column][rows] = each
        scores += [
            _score(column, float(each.mean()), parameters, chance(n, k)),
            _score(f"{column}_macro", macro_mean(each, sample.labels[rows]), parameters, chance(n, k)),
        ]
    of_labels = label_faithfulness(sample.unit, sample.points, sample.labels, sample.n_labels)
    for name, value in zip(("label_trustworthiness", "label_continuity"), of_labels, strict=True):
        scores.append(_score(f"faithfulness/{name}", value, {"interval": INTERVAL}))
    return Evaluation(scores=tuple(scores), per_text=per_text)


def _score(name: str, value: float, parameters: dict[str, Any], expected: float | None = None) -> Score:
    return build_score(name, "map", value, best=1.0, chance=expected, ranks_models=False, parameters=parameters)


def _places(sample: Sample, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of the graphs to score: all, or a stratified sample that takes some seconds."""
    queries = sample.graph.queries
    labels = sample.labels if queries is None else sample.labels[queries]
    n, d = sample.unit.shape
    if queries is None and n <= ALL_TEXTS:
        return np.arange(n)
    count = int(np.clip(WORK / (n * d), FEWEST_QUERIES, MOST_QUERIES))
    return stratified_rows(labels, count, rng)


def chance(n: int, k: int) -> float:
    """Expected trustworthiness, and continuity, of a map whose rows are shuffled: about one half, for K below N/2."""
    return 1.0 - (n - k) * (n - k - 1) / ((n - 1) * (2 * n - 3 * k - 1))


def trustworthiness_samples(unit: Vectors, rows: NDArray[np.int64], near_on_map: NDArray[np.int32]) -> Floats:
    """(Q,) 0 to 1: whether the texts' (Q, K) nearest on the map are their nearest by cosine; 1 where none is new.

    Texts equally near share the mean of their ranks; K is below N/2 (Venna & Kaski 2001).
    """
    return _unpenalised(rows, near_on_map, len(unit), lambda queries: unit[queries] @ unit.T)


def continuity_samples(points: Points, rows: NDArray[np.int64], near: NDArray[np.int32]) -> Floats:
    """(Q,) as `trustworthiness_samples`, from the (Q, K) nearest in the embedding: 1 where the map loses none."""
    return _unpenalised(rows, near, len(points), lambda queries: -cdist(points[queries], points, "sqeuclidean"))


def _unpenalised(
    rows: NDArray[np.int64],
    near: NDArray[np.int32],
    n: int,
    nearness: Callable[[NDArray[np.int64]], NDArray[np.floating[Any]]],
) -> Floats:
    """One minus each query's share of the largest penalty, which is the sum of its neighbours' ranks beyond K."""
    k = near.shape[1]
    penalties = np.empty(rows.size)
    step = max(1, BLOCK_VALUES // n)
    for start in range(0, rows.size, step):
        part = slice(start, start + step)
        ranks = _ranks(nearness(rows[part]), rows[part], near[part])
        penalties[part] = np.maximum(ranks - k, 0.0).sum(axis=1)
    return np.asarray(1.0 - 2.0 / (k * (2 * n - 3 * k - 1)) * penalties)


def _ranks(nearness: NDArray[np.floating[Any]], rows: NDArray[np.int64], others: NDArray[np.int32]) -> Floats:
    """(Q, K) ranks of some texts among all others of each query, 1 the nearest; overwrites the query's own column."""
    ranks = np.empty(others.shape)
    for query, (near, own, texts) in enumerate(zip(nearness, rows, others, strict=True)):
        near[own] = -np.inf
        for place, level in enumerate(near[texts]):
            # The mean rank of the tied lies between the number of nearer texts and that of texts at least as near.
            ranks[query, place] = (np.count_nonzero(near > level) + np.count_nonzero(near >= level) + 1) / 2
    return ranks


def label_faithfulness(unit: Vectors, points: Points, labels: Codes, n_labels: int) -> tuple[float, float]:
    """Label trustworthiness and label continuity, each from 0 to 1, higher is better.

    With M the balanced two-label leave-one-out centroid accuracy of each pair of labels: one minus the mean of
    what the map lost, max(0, M_embedding − M_map), and of what only the map has, max(0, M_map − M_embedding).
    """
    pairs = np.triu_indices(n_labels, 1)
    inside = pair_accuracy(embedding_rates(unit, labels, n_labels))[pairs]
    drawn = pair_accuracy(map_rates(points, labels, n_labels))[pairs]
    lost, added = np.maximum(inside - drawn, 0.0), np.maximum(drawn - inside, 0.0)
    return 1.0 - float(lost.mean()), 1.0 - float(added.mean())
