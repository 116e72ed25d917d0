"""k-means from many starts at once, against scikit-learn from each."""

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus

from evalkit.metrics import lloyd
from evalkit.metrics.lloyd import draw_starts, fit_starts, nearest_centres


def groups(n: int, d: int, k: int, *, spread: float, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed)
    x = drawn.normal(size=(k, d))[drawn.integers(k, size=n)] + spread * drawn.normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_starts_are_those_that_scikit_learn_draws():
    x = groups(700, 12, 9, spread=0.6, seed=0).astype(np.float64)
    for start, seed in zip(draw_starts(x, 9, [3, 4, 11]), [3, 4, 11], strict=True):
        np.testing.assert_array_equal(start, kmeans_plusplus(x, 9, random_state=seed)[0])


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("starts", [1, 3])
def test_clusters_are_those_of_scikit_learns_best_start(monkeypatch, spread, starts):
    monkeypatch.setattr(lloyd, "BLOCK_VALUES", 5_000)  # several blocks
    x = groups(900, 16, 6, spread=spread, seed=1)
    drawn = draw_starts(x.astype(np.float64), 6, list(range(starts)))
    models = [KMeans(6, init=start.astype(np.float32), n_init=1).fit(x) for start in drawn]
    theirs = min(models, key=lambda model: model.inertia_)
    clusters, centres = fit_starts(x, drawn)
    np.testing.assert_array_equal(clusters, theirs.labels_)
    np.testing.assert_allclose(centres, theirs.cluster_centers_, atol=1e-6)
    np.testing.assert_array_equal(nearest_centres(x, centres), clusters)


def test_a_start_that_loses_a_cluster_is_given_another():
    x = groups(300, 8, 3, spread=0.2, seed=2)
    start = np.concatenate([x[:2], 9 + x[:1]])[None].astype(np.float64)  # nothing is near the third centre
    clusters, centres = fit_starts(x, start)
    assert np.unique(clusters).size == 3
    np.testing.assert_array_equal(nearest_centres(x, centres), clusters)
