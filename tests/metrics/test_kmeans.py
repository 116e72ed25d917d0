import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from evalkit.metrics import kmeans
from evalkit.metrics.kmeans import assign_clusters


def test_two_clumps_by_hand():
    clusters = assign_clusters(np.float32([[1], [1], [-1], [-1]]), np.arange(4), 2, 0, starts=10)
    assert clusters.dtype == np.int32
    assert clusters[0] == clusters[1] != clusters[2] == clusters[3]


def test_all_texts_are_assigned_to_the_centres_fitted_on_some():
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(12, 16))
    unit = (centres[rng.integers(12, size=3_000)] + 0.5 * rng.normal(size=(3_000, 16))).astype(np.float32)
    rows = np.arange(0, 3_000, 2)
    clusters = assign_clusters(unit, rows, 12, 5, starts=3)
    model = KMeans(12, n_init=3, random_state=5).fit(unit[rows])
    np.testing.assert_array_equal(clusters, model.predict(unit))
    np.testing.assert_array_equal(clusters[rows], model.labels_)


def test_word_counts_get_the_clusters_of_dense_vectors(monkeypatch):
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(4), 500)
    counts = (rng.random((2000, 600)) < 0.002 + 0.05 * (np.arange(600) % 4 == labels[:, None])).astype(np.float32)
    unit = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)
    thin = assign_clusters(unit, np.arange(2000), 4, 0, starts=3)
    monkeypatch.setattr(kmeans, "SPARSE", 0.0)
    dense = assign_clusters(unit, np.arange(2000), 4, 0, starts=3)
    # A text may lie midway between two centroids, and go to either by rounding.
    assert adjusted_rand_score(thin, dense) > 0.995


def test_fewer_distinct_vectors_than_clusters_leave_some_unused():
    assert set(assign_clusters(np.ones((6, 3), dtype=np.float32), np.arange(6), 2, 0, starts=3)) == {0}
