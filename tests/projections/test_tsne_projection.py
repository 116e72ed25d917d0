import numpy as np
import pytest
from projection_fixtures import clusters, draw
from scipy import sparse

from evalkit.neighbours.exact import nearest
from evalkit.pipeline.embed import unit_rows
from evalkit.projections import tsne
from evalkit.projections.tsne_gradient import GridGradient


def differences_and_similarities(points):
    difference = points[:, None] - points[None]
    similarity = 1 / (1 + np.square(difference).sum(axis=2))
    np.fill_diagonal(similarity, 0)
    return difference, similarity


def random_affinities(n, rng):
    p = rng.random((n, n))
    p = p + p.T
    np.fill_diagonal(p, 0)
    return p / p.sum()


def test_threads_do_not_change_the_points():
    rng = np.random.default_rng(0)
    points, affinities = rng.normal(size=(600, 2)) * 10, sparse.csr_matrix(random_affinities(600, rng))
    one, two = GridGradient(1)(points, affinities)[1], GridGradient(2)(points, affinities)[1]
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("extent", [1e-4, 3.0, 60.0])
def test_repulsion_is_near_the_exact_sum(extent):
    points = np.random.default_rng(3).normal(size=(800, 2)) * extent / 4
    forces, normaliser = GridGradient(1).repulsion(points)
    difference, similarity = differences_and_similarities(points)
    expected = (difference * np.square(similarity)[..., None]).sum(axis=1)
    assert normaliser == pytest.approx(similarity.sum(), rel=0.002)
    error = np.sqrt(np.square(forces - expected).sum() / np.square(expected).sum())
    assert error < 0.01  # openTSNE's own are above 0.02 (docs/projections.md)


def test_gradient_and_divergence_equal_the_definition():
    rng = np.random.default_rng(4)
    points, p = rng.normal(size=(50, 2)), random_affinities(50, rng)
    error, gradient = GridGradient(1)(points, sparse.csr_matrix(p), should_eval_error=True)
    difference, similarity = differences_and_similarities(points)
    q = similarity / similarity.sum()
    expected = (((p - q) * similarity)[..., None] * difference).sum(axis=1)
    np.testing.assert_allclose(gradient, expected, atol=2e-5)
    off = ~np.eye(50, dtype=bool)
    assert error == pytest.approx((p[off] * np.log(p[off] / q[off])).sum(), abs=1e-3)


def test_divergence_is_as_low_as_scikit_learns():
    from sklearn.manifold import TSNE

    vectors, _ = clusters(60, k=6, spread=0.5)
    model = TSNE(perplexity=59 / 3, init="pca", random_state=0, n_jobs=1, method="exact")
    model.fit(vectors)
    assert draw(tsne, vectors).parameters["kl_divergence"] <= 1.03 * model.kl_divergence_ + 0.01


@pytest.mark.slow
def test_as_trustworthy_as_scikit_learn():
    from sklearn.manifold import TSNE, trustworthiness

    vectors, _ = clusters(600, k=12, spread=0.5)
    ours = trustworthiness(vectors, draw(tsne, vectors).points, n_neighbors=10, metric="cosine")
    theirs = TSNE(perplexity=30, init="pca", random_state=0, n_jobs=1).fit_transform(vectors)
    assert ours >= trustworthiness(vectors, theirs, n_neighbors=10, metric="cosine") - 0.005


@pytest.mark.slow
def test_noise_is_spread_out_although_exaggeration_would_contract_it():
    vectors = unit_rows(np.random.default_rng(5).normal(size=(30, 768)))
    for seed in range(3):
        projection = draw(tsne, vectors, seed)
        assert projection.parameters["exaggeration"] < 12
        assert projection.parameters["kl_divergence"] == pytest.approx(0.37, abs=0.02)  # openTSNE: 0.373 to 0.386
        assert np.ptp(projection.points, axis=0).min() > 1
    assert draw(tsne, clusters(200)[0]).parameters["exaggeration"] == 12


def test_perplexity_is_a_third_of_the_neighbours_at_most_and_says_so():
    followed, lowered = (draw(tsne, clusters(30)[0], perplexity=wanted, iterations=1) for wanted in (None, 30))
    assert followed.parameters["perplexity"] == lowered.parameters["perplexity"] == pytest.approx(29 / 3)
    assert followed.warnings == ()
    assert "was lowered to 9.67" in lowered.warnings[0]


def test_shallow_graph_lowers_the_perplexity_and_says_so():
    vectors, _ = clusters(100)
    projection = tsne.project(vectors, nearest(vectors, 12), seed=0, perplexity=20, iterations=1)
    assert projection.parameters["perplexity"] == 4
    assert "lists 12 neighbours" in projection.warnings[0]


def test_deeper_graph_changes_nothing():
    vectors, _ = clusters(60)
    shallow = tsne.project(vectors, nearest(vectors, 15), seed=0, perplexity=5)
    deep = tsne.project(vectors, nearest(vectors, 59), seed=0, perplexity=5)
    np.testing.assert_array_equal(shallow.points, deep.points)
