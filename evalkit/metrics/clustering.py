"""Agreement of the labels with k-means clusters, which are found without them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import xlogy
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evalkit.stats.permutation import build_score, permutation_count
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Evaluation, Floats, Sample, Score, Vectors

Tables = NDArray[np.int64]

TABLE_VALUES = 1 << 22  # entries of permuted tables in memory
SPARSE = 0.05  # share of non-zero values below which vectors (of word counts) are fitted as a sparse matrix


def evaluate(sample: Sample, rng: np.random.Generator, *, fit_sample: int = 20_000) -> Evaluation:
    """AMI, ARI and V-measure between the labels and k-means with as many clusters.

    Parameters
    ----------
    sample, rng
        Unit vectors and labels, and the source of the seed of k-means and of the nulls.
    fit_sample
        Above 50,000 texts k-means has 3 starts, on a stratified sample of this size; all texts are assigned.
    """
    from sklearn.metrics.cluster import contingency_matrix

    unit, labels = sample.unit, sample.labels
    # k-means draws its starts by position. Along a random direction the positions are those of the vectors.
    order = np.argsort(unit @ rng.standard_normal(unit.shape[1], dtype=np.float32), kind="stable")
    parameters: dict[str, Any] = {"n_clusters": sample.n_labels, "starts": 10}
    if len(unit) > LARGE:
        order = order[stratified_rows(labels[order], fit_sample, rng)]
        parameters |= {"starts": 3, "fitted_texts": int(order.size)}
    seed = int(rng.integers(2**31))
    clusters = assign_clusters(unit, order, sample.n_labels, seed, starts=parameters["starts"])
    table = contingency_matrix(labels, clusters).astype(np.int64)
    fewer = (f"k-means found {table.shape[1]} groups for {sample.n_labels} labels: too few vectors differ.",)
    warned = fewer if table.shape[1] < sample.n_labels else ()
    return Evaluation(scores=_scores(table, rng, parameters), warnings=warned)


def assign_clusters(
    unit: Vectors, rows: NDArray[np.int64], n_clusters: int, seed: int, *, starts: int
) -> NDArray[np.int32]:
    """(N,) k-means clusters of all texts, fitted on the texts `rows`, among which the starts are drawn in this order.

    The k-means++ start of least inertia is kept. Codes stay unused where fewer than `n_clusters` vectors differ.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    fitted = unit[rows]
    thin = np.count_nonzero(fitted) < SPARSE * fitted.size
    model = KMeans(n_clusters, n_init=starts, random_state=seed, copy_x=False)
    # One thread: two that wait for each other in a loop take ten times the processor time.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct vectors than clusters: `evaluate` warns
        model.fit(sparse.csr_matrix(fitted) if thin else fitted)
        return np.asarray(model.predict(unit), dtype=np.int32)


def _scores(table: Tables, rng: np.random.Generator, parameters: Mapping[str, Any]) -> tuple[Score, ...]:
    """Scores with their nulls; permuting labels is drawing a table of the same margins, so no text is touched."""
    from scipy import stats
    from sklearn.metrics.cluster import expected_mutual_information

    expected = float(expected_mutual_information(table, int(table.sum())))
    source = stats.random_table(table.sum(axis=1), table.sum(axis=0))
    # scipy's other method returns negative counts where there is a single row or column.
    method = "boyett" if 1 in table.shape else None
    count, step = permutation_count(20.0 * table.size), max(1, TABLE_VALUES // table.size)
    blocks = []
    for start in range(0, count, step):
        tables = source.rvs(size=min(step, count - start), method=method, random_state=rng).astype(np.int64)
        blocks.append([ami(tables, expected), ari(tables), v_measure(tables)])
    nulls = np.concatenate(blocks, axis=1)
    return tuple(
        build_score(
            f"clustering/{name}", "embedding", float(value), best=1.0, chance=chance, null=null, parameters=parameters
        )
        for name, value, chance, null in (
            ("ami", ami(table, expected), 0.0, nulls[0]),
            ("ari", ari(table), 0.0, nulls[1]),
            ("v_measure", v_measure(table), None, nulls[2]),
        )
    )


def mutual_information(tables: Tables) -> Floats:
    """(…,) mutual information in nats of (…, R, C) contingency tables."""
    joint = _entropy(tables.reshape(*tables.shape[:-2], -1))
    return np.asarray(np.maximum(_entropy(tables.sum(axis=-1)) + _entropy(tables.sum(axis=-2)) - joint, 0.0))


def ami(tables: Tables, expected: float) -> Floats:
    """Adjusted mutual information of (…, R, C) tables of the same margins: at most 1, 0 expected by chance.

    `expected` is these margins' expected mutual information in nats. NaN where all their tables have the same
    information (scikit-learn returns 1). Arithmetic mean of the entropies (Vinh, Epps & Bailey 2010).
    """
    mean_entropy = (_entropy(tables.sum(axis=-1)) + _entropy(tables.sum(axis=-2))) / 2
    return _ratio(mutual_information(tables) - expected, mean_entropy - expected)


def ari(tables: Tables) -> Floats:
    """Adjusted Rand index of (…, R, C) contingency tables: at most 1, 0 expected by chance; NaN as in `ami`."""
    n = tables.sum(axis=(-2, -1)).astype(np.float64)
    rows, columns = _pairs(tables.sum(axis=-1)), _pairs(tables.sum(axis=-2))
    expected = rows * columns / (n * (n - 1) / 2)
    return _ratio(_pairs(tables.reshape(*tables.shape[:-2], -1)) - expected, (rows + columns) / 2 - expected)


def v_measure(tables: Tables) -> Floats:
    """V-measure of (…, R, C) contingency tables: from 0 to 1, and well above 0 by chance with many labels."""
    both = _entropy(tables.sum(axis=-1)) + _entropy(tables.sum(axis=-2))
    return _ratio(2 * mutual_information(tables), both)


def _ratio(value: Floats, best: Floats) -> Floats:
    """Quotient; NaN where the best is 0."""
    undefined = np.full(np.broadcast_shapes(value.shape, best.shape), np.nan)
    return np.asarray(np.divide(value, best, out=undefined, where=np.abs(best) > 1e-12))


def _pairs(counts: Tables) -> Floats:
    """Pairs within the groups of the last axis; in double precision, since a million texts have 5·10¹¹."""
    exact = counts.astype(np.float64)
    return np.asarray((exact * (exact - 1) / 2).sum(axis=-1))


def _entropy(counts: Tables) -> Floats:
    """Entropy in nats of the groups of the last axis."""
    n = counts.sum(axis=-1)
    return np.asarray(np.log(n) - xlogy(counts, counts).sum(axis=-1) / n)
