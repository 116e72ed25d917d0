"""k-means of few vectors from their products, beside scikit-learn's."""

import numpy as np
import pytest

from evalkit.metrics import kmeans
from evalkit.metrics.clustering import ari, contingency
from evalkit.metrics.few_means import cluster_few


def drawn(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 120))
    k, d = int(rng.integers(2, min(9, n // 2))), int(rng.integers(2, 300))
    vectors = rng.normal(size=(k, d))[np.arange(n) % k] * (seed % 3) / 2 + rng.normal(size=(n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), k


@pytest.mark.parametrize("seed", range(20))
def test_finds_the_clusters_that_scikit_learn_finds_from_the_same_seed(seed):
    vectors, k = drawn(seed)
    found = cluster_few(vectors, k, 10, seed)
    if found is not None:  # where a start loses a cluster scikit-learn is asked
        assert found.dtype == np.int32
        assert ari(contingency(found, kmeans._fit(vectors, k, 10, seed).labels_)) == pytest.approx(1)


def test_one_start_is_scikit_learns_too():
    vectors, k = drawn(1)
    agree = [
        ari(contingency(cluster_few(vectors, k, 1, seed), kmeans._fit(vectors, k, 1, seed).labels_))
        for seed in range(12)
    ]
    np.testing.assert_allclose(agree, 1)


def test_a_lost_cluster_is_said():
    assert cluster_few(np.ones((6, 3), dtype=np.float32), 2, 3, 0) is None
    clusters, said = kmeans.assign_clusters(np.ones((6, 3), dtype=np.float32), 2, np.random.default_rng(0))
    assert set(clusters) == {0}
    assert "found 1 groups for 2 labels" in said[0]
