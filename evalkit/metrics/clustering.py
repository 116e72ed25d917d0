"""Does k-means, which does not see the labels, find the labels' groups again.

References
----------
Vinh, Epps & Bailey 2010, "Information Theoretic Measures for Clusterings Comparison", JMLR 11.
Hubert & Arabie 1985, "Comparing partitions", J. Classif. 2.
Rosenberg & Hirschberg 2007, "V-Measure", EMNLP-CoNLL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from evalkit.metrics.kmeans import assign_clusters
from evalkit.stats.permutation import build_score, permutation_count
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Sample, Score

__all__ = [
    "ami",
    "ari",
    "contingency",
    "evaluate",
    "expected_mutual_information",
    "mutual_information",
    "v_measure",
]

TABLE_VALUES = 1 << 22


def contingency(labels: Codes, clusters: Codes) -> NDArray[np.int64]:
    """Count texts by label and cluster, without empty rows or columns.

    Parameters
    ----------
    labels, clusters
        (N,) codes.

    Returns
    -------
    ndarray
        (labels, clusters) int64.
    """
    _, rows = np.unique(labels, return_inverse=True)
    _, columns = np.unique(clusters, return_inverse=True)
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)


def mutual_information(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mutual information in nats of (…, R, C) contingency tables."""
    n = tables.sum(axis=(-2, -1))
    joint = xlogy(tables, tables).sum(axis=(-2, -1))
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    shared = (joint - xlogy(rows, rows).sum(axis=-1) - xlogy(columns, columns).sum(axis=-1)) / n + np.log(n)
    return np.asarray(np.maximum(shared, 0.0))


def expected_mutual_information(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
    """Mean mutual information, in nats, of all tables with these margins (labels permuted).

    Depends on the margins only, so it is computed once for all permutations. Counts more than
    40 + 12 standard deviations from their mean have no weight that a double could show, and are left out.

    References
    ----------
    Vinh, Epps & Bailey 2010, JMLR 11, eq. 24.
    """
    n = int(rows.sum())
    total = 0.0
    sizes, times = np.unique(columns, return_counts=True)
    for a, repeated in zip(*np.unique(rows, return_counts=True), strict=True):
        mean = a * sizes / n
        reach = 12 * np.sqrt(mean) + 40
        low = np.maximum(np.maximum(1, a + sizes - n), np.floor(mean - reach).astype(np.int64))
        high = np.minimum(np.minimum(a, sizes), np.ceil(mean + reach).astype(np.int64))
        lengths = np.maximum(high - low + 1, 0)
        b = np.repeat(sizes, lengths)
        weight = np.repeat(times, lengths)
        counts = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(low, lengths)
        log_probability = (
            gammaln(a + 1) + gammaln(b + 1) + gammaln(n - a + 1) + gammaln(n - b + 1) - gammaln(n + 1)
            - gammaln(counts + 1) - gammaln(a - counts + 1) - gammaln(b - counts + 1) - gammaln(n - a - b + counts + 1)
        )  # fmt: skip
        terms = counts / n * (np.log(n * counts) - np.log(a * b)) * np.exp(log_probability)
        total += float(repeated) * float(terms @ weight)
    return total


def ami(tables: NDArray[np.int64], expected: float | None = None) -> NDArray[np.float64]:
    """Adjusted mutual information (arithmetic mean of the entropies): at most 1, 0 expected by chance.

    Parameters
    ----------
    tables
        (…, R, C) contingency tables of the same margins.
    expected
        Their expected mutual information, where it is known.

    Returns
    -------
    ndarray
        (…,); NaN where every table of these margins has the same information (scikit-learn gives 1 there).
    """
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    if expected is None:
        first = tables.reshape(-1, *tables.shape[-2:])[0]
        expected = expected_mutual_information(first.sum(axis=1), first.sum(axis=0))
    middle = (_entropy(rows) + _entropy(columns)) / 2
    return _ratio(mutual_information(tables) - expected, middle - expected)


def ari(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Adjusted Rand index of (…, R, C) contingency tables: at most 1, 0 expected by chance."""
    exact = tables.astype(np.float64)
    together = _pairs(exact).sum(axis=(-2, -1))
    rows, columns = _pairs(exact.sum(axis=-1)).sum(axis=-1), _pairs(exact.sum(axis=-2)).sum(axis=-1)
    expected = rows * columns / _pairs(exact.sum(axis=(-2, -1)))
    return _ratio(together - expected, (rows + columns) / 2 - expected)


def v_measure(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """V-measure of (…, R, C) contingency tables: from 0 to 1, and well above 0 by chance with many labels."""
    both = _entropy(tables.sum(axis=-1)) + _entropy(tables.sum(axis=-2))
    return _ratio(2 * mutual_information(tables), both)


def _ratio(value: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient; NaN where labels and clusters can be grouped in one way only."""
    undefined = np.full(np.broadcast_shapes(value.shape, best.shape), np.nan)
    return np.asarray(np.divide(value, best, out=undefined, where=np.abs(best) > 1e-12))


def _pairs(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts * (counts - 1) / 2


def _entropy(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    n = counts.sum(axis=-1)
    return np.asarray(np.log(n) - xlogy(counts, counts).sum(axis=-1) / n)


def evaluate(sample: Sample, rng: np.random.Generator, *, fit_sample: int = 20_000) -> Evaluation:
    """AMI, ARI and V-measure between the labels and k-means with as many clusters.

    Parameters
    ----------
    sample
        Its unit vectors and labels are read.
    rng
        Seeds k-means and draws the nulls.
    fit_sample
        Above 50,000 texts k-means has 3 starts, on a stratified sample of so many; all are assigned.
    """
    large = len(sample.unit) > LARGE
    starts = 3 if large else 10
    rows = stratified_rows(sample.labels, fit_sample, rng) if large else None
    clusters, said = assign_clusters(sample.unit, sample.n_labels, rng, starts=starts, rows=rows)
    table = contingency(sample.labels, clusters)
    described: dict[str, Any] = {"n_clusters": sample.n_labels, "starts": starts}
    if rows is not None:
        described["fitted_texts"] = int(rows.size)
    return Evaluation(scores=_scores(table, rng, described), warnings=said)


def _scores(table: NDArray[np.int64], rng: np.random.Generator, described: dict[str, Any]) -> tuple[Score, ...]:
    """Permuting labels against clusters is drawing a table of the same margins: no text is touched."""
    margins = table.sum(axis=1), table.sum(axis=0)
    expected = expected_mutual_information(*margins)
    count = permutation_count(20.0 * table.size)
    from scipy import stats  # half a second, which no run needs whose results are stored

    source = stats.random_table(*margins)
    # scipy's other method gives negative counts where there is a single row or column.
    method = "boyett" if 1 in table.shape else None
    step = max(1, TABLE_VALUES // table.size)
    null: dict[str, list[NDArray[np.float64]]] = {"ami": [], "ari": [], "v_measure": []}
    for start in range(0, count, step):
        tables = source.rvs(size=min(step, count - start), method=method, random_state=rng).astype(np.int64)
        null["ami"].append(ami(tables, expected))
        null["ari"].append(ari(tables))
        null["v_measure"].append(v_measure(tables))
    values = {"ami": ami(table, expected), "ari": ari(table), "v_measure": v_measure(table)}
    return tuple(
        build_score(
            f"clustering/{name}",
            "embedding",
            float(value),
            best=1.0,
            chance=None if name == "v_measure" else 0.0,
            null=np.concatenate(null[name]),
            parameters=described,
        )
        for name, value in values.items()
    )
