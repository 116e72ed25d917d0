"""Is the map true to the embedding? Of neighbours (trustworthiness, continuity) and of labels.

References
----------
Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods", ICANN. After Jeon et al. 2023,
"Classes are not clusters: improving label-based evaluation of dimensionality reduction", IEEE TVCG (the scores of
labels, with leave-one-out centroid accuracy in the place of distance consistency, which is 1.00 on noise).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics.label_pairs import embedding_rates, map_rates, pair_accuracy
from evalkit.stats.permutation import build_score
from evalkit.stats.stratified_rows import stratified_rows
from evalkit.types import Codes, Evaluation, NeighbourGraph, Points, Sample, Score, Vectors

__all__ = ["chance", "continuity_samples", "evaluate", "label_faithfulness", "trustworthiness_samples"]

Floats = NDArray[np.float64]

ALL_TEXTS = 5_000  # up to so many every text is a query
MOST_QUERIES, FEWEST_QUERIES = 2_000, 300
WORK = 2e11  # multiplications that the queries' similarities may cost: some seconds
BLOCK_VALUES = 1 << 24
INTERVAL = "none: conditional on the map, which is one draw"


def chance(n: int, k: int) -> float:
    """Expected trustworthiness, and continuity, of a map whose rows are shuffled.

    A text's K neighbours are then K of the N − 1 others, any of them, so the expectation is
    1 − (N − K)(N − K − 1) / ((N − 1)(2N − 3K − 1)): about one half.

    Parameters
    ----------
    n
        Number of texts.
    k
        K, below N/2.
    """
    return 1.0 - (n - k) * (n - k - 1) / ((n - 1) * (2 * n - 3 * k - 1))


def trustworthiness_samples(unit: Vectors, rows: NDArray[np.int64], near_on_map: NDArray[np.int32]) -> Floats:
    """Whether a text's neighbours on the map are its neighbours in the embedding, from 0 to 1.

    Parameters
    ----------
    unit
        (N, d) vectors of length 1; ranks are by cosine.
    rows
        (Q,) texts to score.
    near_on_map
        (Q, K) their nearest others on the map, K below N/2.

    Returns
    -------
    ndarray
        (Q,) float64, 1 where no neighbour is new. Texts equally near share the mean of their places.

    References
    ----------
    Venna & Kaski 2001, ICANN.
    """
    from evalkit.metrics.rank_loops import similarity_ranks

    ranks = np.empty(near_on_map.shape)
    step = max(1, BLOCK_VALUES // len(unit))
    for start in range(0, rows.size, step):
        part = slice(start, start + step)
        ranks[part] = similarity_ranks(unit[rows[part]] @ unit.T, rows[part], near_on_map[part])
    return _penalised(ranks, len(unit))


def continuity_samples(points: Points, rows: NDArray[np.int64], near: NDArray[np.int32]) -> Floats:
    """Whether a text's neighbours in the embedding are still its neighbours on the map, from 0 to 1.

    Parameters
    ----------
    points
        (N, 2) coordinates.
    rows
        (Q,) texts to score.
    near
        (Q, K) their nearest others in the embedding, K below N/2.

    Returns
    -------
    ndarray
        (Q,) float64, 1 where no neighbour is lost.

    References
    ----------
    Venna & Kaski 2001, ICANN.
    """
    from evalkit.metrics.rank_loops import map_ranks

    return _penalised(map_ranks(np.ascontiguousarray(points, dtype=np.float64), rows, near), len(points))


def label_faithfulness(unit: Vectors, points: Points, labels: Codes, n_labels: int) -> tuple[float, float]:
    """Label trustworthiness and label continuity, each from 0 to 1, higher is better.

    With M the balanced two-label leave-one-out centroid accuracy of each pair of labels: one minus the mean of
    what the map lost, max(0, M_embedding − M_map), and of what only the map has, max(0, M_map − M_embedding).

    Parameters
    ----------
    unit, points
        (N, d) unit vectors and (N, 2) coordinates.
    labels, n_labels
        (N,) codes and their number.

    References
    ----------
    After Jeon et al. 2023, IEEE TVCG.
    """
    pairs = np.triu_indices(n_labels, 1)
    inside = pair_accuracy(embedding_rates(unit, labels, n_labels))[pairs]
    drawn = pair_accuracy(map_rates(points, labels, n_labels))[pairs]
    lost, added = np.maximum(inside - drawn, 0.0), np.maximum(drawn - inside, 0.0)
    return 1.0 - float(lost.mean()), 1.0 - float(added.mean())


def evaluate(sample: Sample, rng: np.random.Generator, *, k: int = 10) -> Evaluation:
    """Trustworthiness and continuity at K with their ``_macro`` twins, label trustworthiness and continuity.

    They judge the map, so they rank no models, and have no p-value. Of texts tied for the K-th place the listed
    ones are taken.

    Parameters
    ----------
    sample
        Its vectors, points, labels and both neighbour graphs.
    rng
        Draws the queries of a large corpus.
    k
        K, lowered to the largest below N/2.

    Raises
    ------
    RequestError
        There is no map, or a K below 1.
    """
    if sample.points is None or sample.plane is None:
        raise RequestError("The faithfulness of a map needs a projection, and there is none: choose one.")
    if k < 1:
        raise RequestError(f"The k of trustworthiness must be 1 or more, found {k}: raise it.")
    n = sample.labels.size
    k = min(k, (n - 1) // 2, sample.plane.indices.shape[1], sample.graph.indices.shape[1])
    places = _places(sample, rng)
    rows = places if sample.graph.queries is None else np.asarray(sample.graph.queries[places])
    values = {
        "trustworthiness": trustworthiness_samples(sample.unit, rows, _near(sample.plane, places, k)),
        "continuity": continuity_samples(sample.points, rows, _near(sample.graph, places, k)),
    }
    described: dict[str, Any] = {"K": k, "interval": INTERVAL}
    if rows.size < n:
        described["queries"] = int(rows.size)
    scores, per_text = [], {}
    for name, each in values.items():
        column = f"faithfulness/{name}_at_{k}"
        per_text[column] = np.full(n, np.nan)
        per_text[column][rows] = each
        scores += [
            _score(column, float(each.mean()), described, chance(n, k)),
            _score(f"{column}_macro", _macro(each, sample.labels[rows]), described, chance(n, k)),
        ]
    trust, continuity = label_faithfulness(sample.unit, sample.points, sample.labels, sample.n_labels)
    scores += [
        _score("faithfulness/label_trustworthiness", trust, {"interval": INTERVAL}),
        _score("faithfulness/label_continuity", continuity, {"interval": INTERVAL}),
    ]
    return Evaluation(scores=tuple(scores), per_text=per_text)


def _score(name: str, value: float, parameters: dict[str, Any], expected: float | None = None) -> Score:
    return build_score(name, "map", value, best=1.0, chance=expected, ranks_models=False, parameters=parameters)


def _places(sample: Sample, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of the graphs to score: all, or a stratified sample that some seconds suffice for."""
    queries = sample.graph.queries
    labels = sample.labels if queries is None else sample.labels[queries]
    n, d = sample.unit.shape
    if queries is None and n <= ALL_TEXTS:
        return np.arange(n)
    count = int(np.clip(WORK / (n * d), FEWEST_QUERIES, MOST_QUERIES))
    return stratified_rows(labels, count, rng)


def _near(graph: NeighbourGraph, places: NDArray[np.int64], k: int) -> NDArray[np.int32]:
    return np.ascontiguousarray(graph.indices[places, :k])


def _penalised(ranks: Floats, n: int) -> Floats:
    k = ranks.shape[1]
    penalties = np.maximum(ranks - k, 0.0).sum(axis=1)
    return np.asarray(1.0 - 2.0 / (k * (2 * n - 3 * k - 1)) * penalties)


def _macro(values: Floats, labels: Codes) -> float:
    sizes, sums = np.bincount(labels), np.bincount(labels, weights=values)
    return float((sums[sizes > 0] / sizes[sizes > 0]).mean())
