import numpy as np
import pytest

from evalkit.errors import RequestError
from evalkit.neighbours import exact as neighbours
from evalkit.projections import tsne
from evalkit.projections.tsne_gradient import GridGradient


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def clusters(n, k=5, d=16, spread=0.15, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    return unit(rng.normal(size=(k, d))[labels] + spread * rng.normal(size=(n, d)) * np.sqrt(d) / 2), labels


def draw(vectors, seed=0, **parameters):
    n = len(vectors)
    graph = neighbours.nearest(vectors, max(1, tsne.needs(n, perplexity=parameters.get("perplexity"))))
    return tsne.project(vectors, graph, seed=seed, **parameters)


def one_neighbour_accuracy(points, labels):
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.mean(labels[distances.argmin(axis=1)] == labels)


def exact_repulsion(points):
    difference = points[:, None] - points[None]
    similarity = 1 / (1 + np.square(difference).sum(axis=2))
    np.fill_diagonal(similarity, 0)
    return (difference * np.square(similarity)[..., None]).sum(axis=1), similarity.sum()


@pytest.mark.parametrize("n", [60, 1100])
def test_quality_rises_from_the_random_start_to_the_map(n):
    vectors, labels = clusters(n)
    before = np.random.default_rng(0).normal(size=(n, 2))
    assert one_neighbour_accuracy(before, labels) < 0.5
    assert one_neighbour_accuracy(draw(vectors).points, labels) > 0.95


@pytest.mark.parametrize("n", [40, 1100])
def test_seed_decides_the_points(n):
    vectors, _ = clusters(n)
    first, again, other = draw(vectors, 1), draw(vectors, 1), draw(vectors, 2)
    np.testing.assert_array_equal(first.points, again.points)
    assert np.abs(first.points - other.points).max() > 1e-6
    assert (first.seed, other.seed) == (1, 2)


def test_threads_do_not_change_the_points():
    vectors, _ = clusters(600)
    points = np.random.default_rng(0).normal(size=(600, 2)) * 10
    graph = neighbours.nearest(vectors, 90)
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    distances = np.sqrt(2 - 2 * graph.similarities.clip(max=1).astype(float))
    affinities = PerplexityBasedNN(perplexity=30, knn_index=PrecomputedNeighbors(graph.indices, distances)).P
    one, two = GridGradient(1)(points, affinities)[1], GridGradient(2)(points, affinities)[1]
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("extent", [1e-4, 3.0, 60.0])
def test_repulsion_is_near_the_exact_sum(extent):
    points = np.random.default_rng(3).normal(size=(800, 2)) * extent / 4
    forces, normaliser = GridGradient(1).repulsion(points)
    expected, total = exact_repulsion(points)
    assert normaliser == pytest.approx(total, rel=0.002)
    error = np.sqrt(np.square(forces - expected).sum() / np.square(expected).sum())
    assert error < 0.01  # openTSNE: 0.018 by quadtree, 0.044 on its grid


def test_gradient_and_divergence_equal_the_definition():
    from scipy import sparse

    rng = np.random.default_rng(4)
    points = rng.normal(size=(50, 2))
    p = rng.random((50, 50))
    p = p + p.T
    np.fill_diagonal(p, 0)
    p /= p.sum()
    error, gradient = GridGradient(1)(points, sparse.csr_matrix(p), should_eval_error=True)
    difference = points[:, None] - points[None]
    similarity = 1 / (1 + np.square(difference).sum(axis=2))
    np.fill_diagonal(similarity, 0)
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
    assert draw(vectors).parameters["kl_divergence"] <= 1.03 * model.kl_divergence_ + 0.01


@pytest.mark.slow
def test_as_trustworthy_as_scikit_learn():
    from sklearn.manifold import TSNE, trustworthiness

    vectors, _ = clusters(600, k=12, spread=0.5)
    ours = trustworthiness(vectors, draw(vectors).points, n_neighbors=10, metric="cosine")
    theirs = TSNE(perplexity=30, init="pca", random_state=0, n_jobs=1).fit_transform(vectors)
    assert ours >= trustworthiness(vectors, theirs, n_neighbors=10, metric="cosine") - 0.005


@pytest.mark.parametrize("n", [4, 9, 10, 11, 30])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: np.ones((n, 6)),
        lambda n: np.zeros((n, 6)),
        lambda n: np.where(np.arange(n) % 2, 1.0, -1.0)[:, None],
        lambda n: np.vstack([np.zeros((2, 6)), clusters(n - 2, d=6)[0]]),
    ],
    ids=["equal", "zero", "one dimension", "two zero vectors"],
)
def test_degenerate_vectors_have_finite_points(make, n):
    projection = draw(unit(make(n)))
    assert projection.points.shape == (n, 2)
    assert np.isfinite(projection.points).all()


def test_noise_is_spread_out_although_exaggeration_would_contract_it():
    vectors = unit(np.random.default_rng(5).normal(size=(30, 768)))
    for seed in range(3):
        projection = draw(vectors, seed)
        assert projection.parameters["exaggeration"] < 12
        assert projection.parameters["kl_divergence"] == pytest.approx(0.37, abs=0.02)  # openTSNE: 0.373 to 0.386
        assert np.ptp(projection.points, axis=0).min() > 1
    assert draw(clusters(200)[0]).parameters["exaggeration"] == 12


def test_few_texts_get_a_pca_that_says_so():
    projection = draw(clusters(9)[0])
    assert projection.name == "pca"
    assert "t-SNE was asked for, but 9 texts" in projection.warnings[0]


def test_perplexity_follows_the_number_of_texts():
    assert draw(clusters(30)[0], iterations=1).parameters["perplexity"] == pytest.approx(29 / 3)
    assert tsne.needs(30) == 29
    assert tsne.needs(20_000) == 90
    assert tsne.needs(20_000, perplexity=50) == 150
    assert tsne.needs(9) == 0


def test_too_large_a_perplexity_is_lowered_and_said():
    projection = draw(clusters(30)[0], perplexity=30, iterations=1)
    assert projection.parameters["perplexity"] == pytest.approx(29 / 3)
    assert "was lowered to 9.67" in projection.warnings[0]


def test_shallow_graph_lowers_the_perplexity_and_says_so():
    vectors, _ = clusters(100)
    projection = tsne.project(vectors, neighbours.nearest(vectors, 12), seed=0, perplexity=20, iterations=1)
    assert projection.parameters["perplexity"] == 4
    assert "lists 12 neighbours" in projection.warnings[0]


def test_deeper_graph_changes_nothing():
    vectors, _ = clusters(60)
    shallow = tsne.project(vectors, neighbours.nearest(vectors, 15), seed=0, perplexity=5)
    deep = tsne.project(vectors, neighbours.nearest(vectors, 59), seed=0, perplexity=5)
    np.testing.assert_array_equal(shallow.points, deep.points)


@pytest.mark.parametrize("parameters", [{"perplexity": 1}, {"perplexity": float("nan")}, {"iterations": -1}])
def test_impossible_parameters_are_refused(parameters):
    with pytest.raises(RequestError):
        draw(clusters(30)[0], **parameters)
