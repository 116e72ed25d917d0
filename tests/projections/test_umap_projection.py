import numpy as np
import pytest
from projection_fixtures import clusters, draw

from evalkit.neighbours.exact import nearest
from evalkit.projections import umap


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ImportWarning")  # umap-learn's own, where TensorFlow is missing
def test_as_trustworthy_as_umap_learn_on_its_own_neighbours():
    from sklearn.manifold import trustworthiness
    from umap import UMAP

    vectors, _ = clusters(400, k=12, spread=0.5)

    def trust(points):
        return trustworthiness(vectors, points, n_neighbors=10, metric="cosine")

    ours = [trust(draw(umap, vectors, seed).points) for seed in range(4)]
    theirs = [trust(UMAP(metric="cosine", random_state=seed, n_jobs=1).fit_transform(vectors)) for seed in range(4)]
    assert np.mean(ours) >= np.mean(theirs) - 0.005


def test_start_follows_the_size_and_the_choice(monkeypatch):
    connected, _ = clusters(60, spread=0.6)
    assert draw(umap, connected, epochs=5).parameters["initialisation"] == "spectral"
    assert draw(umap, connected, epochs=5, initialisation="pca").parameters["initialisation"] == "pca"
    monkeypatch.setattr(umap, "SPECTRAL_TEXTS", 50)
    assert draw(umap, connected, epochs=5).parameters["initialisation"] == "pca"
    in_parts, _ = clusters(200, k=4, spread=0.01)
    assert np.isfinite(draw(umap, in_parts, initialisation="spectral").points).all()


def test_distances_follow_the_metric():
    vectors, _ = clusters(60, spread=0.6)
    vectors[1] = vectors[0]
    graph = nearest(vectors, 14)
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
    projection = umap.project(vectors, nearest(vectors, 6), seed=0, epochs=5)
    assert projection.parameters["n_neighbors"] == 7
    assert "the graph lists no more" in projection.warnings[0]
