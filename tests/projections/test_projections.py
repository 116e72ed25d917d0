"""What all projections have in common."""

import numpy as np
import pytest
from projection_fixtures import clusters, draw, one_neighbour_accuracy

from evalkit.errors import RequestError
from evalkit.pipeline.embed import unit_rows
from evalkit.projections import pca, tsne, umap


@pytest.mark.parametrize(
    ("projection", "n", "parameters"),
    [
        (tsne, 60, {}),
        (tsne, 1100, {}),
        (umap, 60, {}),
        (umap, 700, {}),
        (umap, 60, {"initialisation": "pca"}),
        (umap, 700, {"initialisation": "pca"}),
    ],
)
def test_quality_rises_from_the_random_start_to_the_map(projection, n, parameters):
    vectors, labels = clusters(n)
    before = np.random.default_rng(0).normal(size=(n, 2))
    assert one_neighbour_accuracy(before, labels) < 0.5
    assert one_neighbour_accuracy(draw(projection, vectors, **parameters).points, labels) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("projection", "n"), [(tsne, 40), (tsne, 1100), (umap, 80)])
def test_seed_decides_the_points(projection, n):
    vectors, _ = clusters(n)
    first, again, other = (draw(projection, vectors, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.points, again.points)
    assert np.abs(first.points - other.points).max() > 1e-6
    assert (first.seed, other.seed) == (1, 2)


@pytest.mark.parametrize("n", [4, 9, 10, 11, 30])
@pytest.mark.parametrize("projection", [tsne, umap, pca])
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
def test_degenerate_vectors_have_finite_points(make, projection, n):
    points = draw(projection, unit_rows(make(n))).points
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize(("projection", "name"), [(tsne, "t-SNE"), (umap, "UMAP")])
def test_few_texts_get_a_pca_that_says_so(projection, name):
    drawn = draw(projection, clusters(9)[0])
    assert drawn.name == "pca"
    assert f"{name} was asked for, but 9 texts" in drawn.warnings[0]


def test_needs_follow_the_number_of_texts_and_the_parameters():
    assert [tsne.needs(n) for n in (9, 30, 20_000)] == [0, 29, 90]
    assert tsne.needs(20_000, perplexity=50) == 150
    assert [umap.needs(n) for n in (9, 12, 1_000)] == [0, 10, 14]
    assert umap.needs(1_000, n_neighbors=50) == 49
    assert pca.needs(30) == 0


@pytest.mark.parametrize(
    ("projection", "parameters"),
    [
        (tsne, {"perplexity": 1}),
        (tsne, {"perplexity": float("nan")}),
        (tsne, {"iterations": -1}),
        (umap, {"n_neighbors": 1}),
        (umap, {"min_dist": 2.0}),
        (umap, {"epochs": -1}),
        (umap, {"spread": 0.0}),
    ],
)
def test_impossible_parameters_are_refused(projection, parameters):
    with pytest.raises(RequestError, match=r"found .*: (leave|correct)"):
        draw(projection, clusters(30)[0], **parameters)
