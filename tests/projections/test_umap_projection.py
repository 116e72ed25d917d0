import numpy as np
import pytest

from evalkit.errors import RequestError
from evalkit.neighbours import exact as neighbours
from evalkit.projections import umap


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def clusters(n, k=5, d=16, spread=0.15, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    return unit(rng.normal(size=(k, d))[labels] + spread * rng.normal(size=(n, d)) * np.sqrt(d) / 2), labels


def draw(vectors, seed=0, **parameters):
    graph = neighbours.nearest(vectors, max(1, umap.needs(len(vectors))))
    return umap.project(vectors, graph, seed=seed, **parameters)


def one_neighbour_accuracy(points, labels):
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.mean(labels[distances.argmin(axis=1)] == labels)


@pytest.mark.parametrize("n", [60, 700])
@pytest.mark.parametrize("initialisation", ["auto", "pca"])
def test_quality_rises_from_the_random_start_to_the_map(n, initialisation):
    vectors, labels = clusters(n)
    before = np.random.default_rng(0).normal(size=(n, 2))
    assert one_neighbour_accuracy(before, labels) < 0.5
    assert one_neighbour_accuracy(draw(vectors, initialisation=initialisation).points, labels) > 0.95


def test_seed_decides_the_points():
    vectors, _ = clusters(80)
    first, again, other = draw(vectors, 1), draw(vectors, 1), draw(vectors, 2)
    np.testing.assert_array_equal(first.points, again.points)
    assert np.abs(first.points - other.points).max() > 1e-2
    assert (first.seed, other.seed) == (1, 2)


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


def test_few_texts_get_a_pca_that_says_so():
    projection = draw(clusters(4)[0])
    assert projection.name == "pca"
    assert "UMAP was asked for, but 4 texts" in projection.warnings[0]


@pytest.mark.slow
def test_as_trustworthy_as_umap_learn_on_its_own_neighbours():
    from sklearn.manifold import trustworthiness

    vectors, _ = clusters(400, k=12, spread=0.5)
    umap_learn = umap._library().UMAP

    def trust(points):
        return trustworthiness(vectors, points, n_neighbors=10, metric="cosine")

    ours = [trust(draw(vectors, seed).points) for seed in range(4)]
    theirs = [
        trust(umap_learn(metric="cosine", random_state=seed, n_jobs=1).fit_transform(vectors)) for seed in range(4)
    ]
    assert np.mean(ours) >= np.mean(theirs) - 0.005


def test_start_follows_the_size_and_the_choice(monkeypatch):
    connected, _ = clusters(60, spread=0.6)
    assert draw(connected, epochs=5).parameters["initialisation"] == "spectral"
    assert draw(connected, epochs=5, initialisation="pca").parameters["initialisation"] == "pca"
    monkeypatch.setattr(umap, "SPECTRAL_TEXTS", 50)
    assert draw(connected, epochs=5).parameters["initialisation"] == "pca"
    assert np.isfinite(draw(clusters(200, k=4, spread=0.01)[0], initialisation="spectral").points).all()  # in parts


def test_distances_follow_the_metric():
    vectors, _ = clusters(60, spread=0.6)
    vectors[1] = vectors[0]
    graph = neighbours.nearest(vectors, 14)
    indices, cosine = umap._neighbours(graph, 15, "cosine")
    _, euclidean = umap._neighbours(graph, 15, "euclidean")
    assert (indices[:, 0] == np.arange(60)).all()
    assert (cosine[:, 0] == 0).all()
    assert cosine[0, 1] == euclidean[0, 1] == 0
    np.testing.assert_allclose(cosine[5], 1 - vectors[indices[5]] @ vectors[5], atol=1e-6)
    expected = np.linalg.norm(vectors[indices[5]] - vectors[5], axis=1)
    np.testing.assert_allclose(euclidean[5], expected, atol=1e-4)


def test_shallow_graph_lowers_n_neighbors_and_says_so():
    vectors, _ = clusters(60)
    projection = umap.project(vectors, neighbours.nearest(vectors, 6), seed=0, epochs=5)
    assert projection.parameters["n_neighbors"] == 7
    assert "the graph lists no more" in projection.warnings[0]


def test_needs_follow_n_neighbors():
    assert (umap.needs(9), umap.needs(12), umap.needs(1000), umap.needs(1000, n_neighbors=50)) == (0, 10, 14, 49)


@pytest.mark.parametrize("parameters", [{"n_neighbors": 1}, {"min_dist": 2.0}, {"epochs": -1}, {"spread": 0.0}])
def test_impossible_parameters_are_refused(parameters):
    with pytest.raises(RequestError):
        draw(clusters(30)[0], **parameters)
