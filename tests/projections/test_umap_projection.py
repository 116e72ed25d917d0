import sys
import warnings

import numpy as np
import pytest

from evalkit.errors import RequestError
from evalkit.neighbours import exact as neighbours
from evalkit.projections import layout, umap


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


def library():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap.umap_  # noqa: F401  (the installed package, not this project's module)
    return sys.modules["umap.umap_"], sys.modules["umap.layouts"]


def with_self(graph, size):
    n = graph.size
    indices = np.hstack([np.arange(n, dtype=np.int32)[:, None], graph.indices[:, : size - 1]])
    distances = np.hstack([np.zeros((n, 1)), 1 - graph.similarities[:, : size - 1]]).astype(np.float32)
    return indices, np.maximum(distances, 0)


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


@pytest.mark.slow  # umap-learn compiles
def test_fuzzy_graph_equals_umap_learns():
    theirs, _ = library()
    vectors, _ = clusters(200, spread=0.6)
    graph = neighbours.nearest(vectors, 14)
    indices, distances = with_self(graph, 15)
    expected, _, _ = theirs.fuzzy_simplicial_set(
        vectors, 15, np.random.RandomState(0), "cosine", knn_indices=indices, knn_dists=distances
    )
    ours = umap.fuzzy_graph(graph, 15, "cosine")
    np.testing.assert_allclose(ours.toarray(), expected.toarray(), atol=2e-5)


@pytest.mark.slow
def test_layout_equals_umap_learns_for_the_first_epochs():
    _, theirs = library()
    vectors, _ = clusters(150, spread=0.6)
    edges = umap.fuzzy_graph(neighbours.nearest(vectors, 14), 15, "cosine").tocoo()
    start = np.random.default_rng(0).uniform(0, 10, size=(150, 2)).astype(np.float32)
    periods = edges.data.max() / edges.data.astype(np.float64)
    draws = np.array([11, -22, 33], dtype=np.int64)
    a, b = umap.similarity_curve(0.1, 1.0)
    expected = start.copy()
    theirs.optimize_layout_euclidean(
        expected, expected, edges.row, edges.col, 6, 150, periods.copy(), a, b, draws, move_other=True
    )
    ours = start.copy()
    states = draws + start[:, :1].astype(np.float64).view(np.int64)
    layout.lay_out(ours, edges.row, edges.col, periods, states, (a, b), 6, 5)
    assert np.abs(expected - start).max() > 1
    np.testing.assert_allclose(ours, expected, atol=2e-2)


@pytest.mark.parametrize("exponent", [0.4, 0.895, 1.6])
def test_powers_from_tables_are_the_librarys(exponent):
    drawn = np.random.default_rng(0)
    bases = np.exp2(drawn.uniform(-140, 127, size=3_000)).astype(np.float32)  # the smallest are no normal numbers
    tables = layout._power_tables(exponent)
    found = [layout._power(base, *tables) for base in bases]
    np.testing.assert_allclose(found, bases.astype(np.float64) ** exponent, rtol=3e-15)


def test_curve_equals_umap_learns():
    theirs, _ = library()
    for min_dist, spread in [(0.0, 1.0), (0.1, 1.0), (0.5, 2.0)]:
        np.testing.assert_allclose(
            umap.similarity_curve(min_dist, spread), theirs.find_ab_params(spread, min_dist), rtol=1e-6
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_as_trustworthy_as_umap_learn():
    from sklearn.manifold import trustworthiness

    library()
    vectors, _ = clusters(400, k=12, spread=0.5)
    indices, distances = with_self(neighbours.nearest(vectors, 14), 15)
    ours = [trustworthiness(vectors, draw(vectors, s).points, n_neighbors=10, metric="cosine") for s in range(4)]
    theirs = [
        trustworthiness(
            vectors,
            sys.modules["umap"]
            .UMAP(random_state=s, n_jobs=1, metric="cosine", precomputed_knn=(indices, distances))
            .fit_transform(vectors),
            n_neighbors=10,
            metric="cosine",
        )
        for s in range(4)
    ]
    assert np.mean(ours) >= np.mean(theirs) - 0.005


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


def test_graph_in_parts_starts_from_principal_components():
    vectors, _ = clusters(200, k=4, spread=0.01)
    projection = draw(vectors)
    assert projection.parameters["initialisation"] == "pca"
    connected, _ = clusters(30, spread=0.6)
    assert draw(connected).parameters["initialisation"] == "spectral"


def test_sparse_and_dense_eigenvectors_agree(monkeypatch):
    vectors, _ = clusters(150, k=2, spread=0.9)
    weights = umap.fuzzy_graph(neighbours.nearest(vectors, 14), 15, "cosine")
    dense = umap._eigenvectors(weights)
    monkeypatch.setattr(umap, "DENSE_TEXTS", 0)
    sparse = umap._eigenvectors(weights)
    np.testing.assert_allclose(sparse, dense, atol=1e-3)


def test_metric_changes_the_memberships_alone():
    vectors, _ = clusters(60, spread=0.6)
    graph = neighbours.nearest(vectors, 14)
    cosine, euclidean = (umap.fuzzy_graph(graph, 15, metric) for metric in ("cosine", "euclidean"))
    np.testing.assert_array_equal(cosine.toarray() > 0, euclidean.toarray() > 0)
    assert np.abs(cosine.toarray() - euclidean.toarray()).max() > 1e-3


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


def test_the_library_is_not_imported():
    import subprocess

    code = "import sys, evalkit.projections.umap, evalkit.projections.layout; sys.exit('umap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
