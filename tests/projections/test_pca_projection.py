import numpy as np
import pytest
from projection_fixtures import draw

from evalkit.pipeline.embed import unit_rows
from evalkit.projections import pca


def drawn(n, d):
    return unit_rows(np.random.default_rng(0).normal(size=(n, d)) * np.linspace(3, 1, d))


@pytest.mark.parametrize(("n", "d"), [(50, 8), (12, 300), (30, 30)])
def test_equals_scikit_learn_up_to_signs(n, d):
    from sklearn.decomposition import PCA

    vectors = drawn(n, d)
    points, share = pca.principal_plane(vectors, seed=0)
    model = PCA(2, svd_solver="full").fit(vectors.astype(np.float64))
    expected = model.transform(vectors.astype(np.float64))
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-5)
    assert share == pytest.approx(model.explained_variance_ratio_.sum(), abs=1e-5)


def test_blocks_do_not_change_the_result(monkeypatch):
    vectors = drawn(500, 16)
    whole, _ = pca.principal_plane(vectors, seed=0)
    monkeypatch.setattr(pca, "BLOCK_ROWS", 64)
    blocks, _ = pca.principal_plane(vectors, seed=0)
    np.testing.assert_allclose(blocks, whole, atol=1e-4)  # float32 products, and two close eigenvalues


def test_randomised_solver_agrees_and_takes_the_seed(monkeypatch):
    vectors = drawn(80, 60)
    exact, _ = pca.principal_plane(vectors, seed=0)
    monkeypatch.setattr(pca, "DENSE_SIDE", 10)
    first, again = (draw(pca, vectors, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)
    np.testing.assert_allclose(first.points, exact, atol=1e-2)
    assert first.parameters["solver"] == "randomised"


def test_hand_worked_square():
    # Four unit vectors in two dimensions: the axes' variances are 0.5 each way, exactly known.
    vectors = np.array([[0.6, 0.8], [-0.6, -0.8], [0.6, 0.8], [-0.6, -0.8]], dtype=np.float32)
    points, share = pca.principal_plane(vectors, seed=0)
    np.testing.assert_allclose(points, [[1, 0], [-1, 0], [1, 0], [-1, 0]], atol=1e-6)
    assert share == pytest.approx(1)


def test_sign_follows_the_largest_loading():
    vectors = drawn(40, 5)
    points, _ = pca.principal_plane(vectors, seed=0)
    axes = np.linalg.lstsq(vectors - vectors.mean(axis=0), points, rcond=None)[0]
    assert (axes[np.abs(axes).argmax(axis=0), [0, 1]] > 0).all()


def test_equal_vectors_lie_on_one_point():
    points, share = pca.principal_plane(unit_rows(np.full((30, 7), 0.3)), seed=0)
    np.testing.assert_array_equal(points, 0)
    assert share == 0
