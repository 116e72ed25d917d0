"""k-means, which clustering scores rest on."""

import numpy as np
from scipy import sparse

from evalkit.metrics import kmeans
from evalkit.metrics.clustering import ari, contingency
from evalkit.metrics.kmeans import assign_clusters


def test_clusters_of_one_dimension():
    clusters, said = assign_clusters(np.float32([[1], [1], [-1], [-1]]), 2, np.random.default_rng(0))
    assert clusters[0] == clusters[1] != clusters[2] == clusters[3]
    assert said == ()


def inertia_of(unit, clusters):
    middles = np.stack([unit[clusters == c].mean(axis=0) for c in range(clusters.max() + 1)])
    return float(np.square(unit - middles[clusters]).sum())


def test_word_counts_give_the_same_clusters_sparse_as_dense(monkeypatch):
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(4), 500)
    counts = (rng.random((2000, 600)) < 0.002 + 0.05 * (np.arange(600) % 4 == labels[:, None])).astype(np.float32)
    unit = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)
    assert sparse.issparse(kmeans._thin(unit))
    thin, _ = assign_clusters(unit, 4, np.random.default_rng(0), starts=3)
    monkeypatch.setattr(kmeans, "THIN", 0.0)
    dense, _ = assign_clusters(unit, 4, np.random.default_rng(0), starts=3)
    # A text may lie midway between two centroids, and fall to one by rounding: as good, and all others alike.
    assert ari(contingency(thin, dense)) > 0.995
    assert abs(inertia_of(unit, thin) / inertia_of(unit, dense) - 1) < 1e-5


def test_many_values_are_fitted_as_well_as_scikit_learn_fits_them(monkeypatch):
    from sklearn.cluster import KMeans

    monkeypatch.setattr(kmeans, "MANY_VALUES", 1_000)
    drawn = np.random.default_rng(3)
    centres = drawn.normal(size=(12, 16))
    x = centres[drawn.integers(12, size=3_000)] + 0.5 * drawn.normal(size=(3_000, 16))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    clusters, said = assign_clusters(x, 12, np.random.default_rng(0), starts=3, rows=np.arange(0, 3_000, 2))
    theirs = KMeans(12, n_init=3, random_state=0).fit(x).inertia_
    assert said == ()
    assert inertia_of(x, clusters) <= 1.05 * theirs
    again, _ = assign_clusters(x, 12, np.random.default_rng(0), starts=3, rows=np.arange(0, 3_000, 2))
    np.testing.assert_array_equal(clusters, again)
