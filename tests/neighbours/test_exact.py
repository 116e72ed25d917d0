from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from evalkit.errors import RequestError
from evalkit.neighbours.approximate import approximate
from evalkit.neighbours.exact import COSINE_TOLERANCE, PLANE_TOLERANCE, nearest, plane
from evalkit.stats.labelled_graph import graph_depth, r_places


def unit_vectors(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def tied_vectors(n: int, d: int = 6, seed: int = 1) -> np.ndarray:
    """Rows with a few ones: many equal cosines, as tf-idf has."""
    x = (np.random.default_rng(seed).random((n, d)) < 0.35).astype(np.float64)
    return (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def tied_texts(graph, position: int) -> set[int]:
    """The unlisted texts tied with the last listed one, however they are stored."""
    ties = graph.ties
    if position not in ties.rows:
        return set()
    t = int(np.searchsorted(ties.rows, position))
    members = set(ties.members[ties.starts[t] : ties.starts[t + 1]].tolist())
    if not ties.complement[t]:
        return members
    text = position if graph.queries is None else int(graph.queries[position])
    return set(range(graph.size)) - members - set(graph.indices[position].tolist()) - {text}


def check_against_rows(graph, similarities: np.ndarray, tolerance: float) -> None:
    """Every list, every tie, against complete rows in float64."""
    rows = np.arange(graph.size) if graph.queries is None else graph.queries
    for position, text in enumerate(rows):
        row = similarities[text].copy()
        row[text] = -np.inf
        listed = graph.indices[position]
        assert text not in listed
        assert len(set(listed.tolist())) == listed.size
        nearest_values = np.sort(row)[::-1][: listed.size]
        np.testing.assert_allclose(graph.similarities[position], nearest_values, atol=2 * tolerance)
        unlisted = set(np.flatnonzero(row >= nearest_values[-1] - tolerance).tolist()) - set(listed.tolist())
        assert tied_texts(graph, position) == unlisted
        assert graph.ties.counts[graph.ties.rows == position].sum() == len(unlisted)
        shared = graph.similarities[position]
        assert (np.diff(shared) <= 0).all()
        for value in np.unique(shared):
            group = listed[shared == value]
            assert (np.diff(group) > 0).all()
            assert all(group[-1] < other for other in unlisted) or value != shared[-1]


@pytest.mark.parametrize("k", [1, 7, 59])
@pytest.mark.parametrize("make", [unit_vectors, tied_vectors])
def test_nearest_agrees_with_complete_rows(k, make):
    x = make(60, 6)
    exact = x.astype(np.float64) @ x.T.astype(np.float64)
    check_against_rows(nearest(x, k), exact, COSINE_TOLERANCE)
    some = np.array([3, 4, 17, 59])
    check_against_rows(nearest(x, k, queries=some), exact, COSINE_TOLERANCE)


@pytest.mark.parametrize("k", [1, 7, 59])
@pytest.mark.parametrize("grid", [False, True])
def test_plane_agrees_with_complete_rows(k, grid):
    points = np.random.default_rng(3).normal(size=(60, 2)) * 40
    if grid:
        points = np.round(points / 20)
    exact = -np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    tolerance = PLANE_TOLERANCE * float(np.ptp(points, axis=0).max())
    check_against_rows(plane(points, k), exact, tolerance)


def test_nearest_agrees_with_scikit_learn():
    x = unit_vectors(500, 32)
    independent = NearestNeighbors(n_neighbors=12, metric="cosine", algorithm="brute").fit(x)
    np.testing.assert_array_equal(nearest(x, 12).indices, independent.kneighbors(return_distance=False))
    points = x[:, :2].astype(np.float64)
    distances, found = NearestNeighbors(n_neighbors=12).fit(points).kneighbors()
    graph = plane(points, 12)
    np.testing.assert_allclose(graph.similarities, -distances, atol=4e-7)
    assert (graph.indices == found).mean() > 0.999  # the rest are nearer to one another than float32 tells


def test_equal_vectors_are_all_tied_in_the_order_of_their_numbers():
    x = np.tile(unit_vectors(1, 5), (9, 1))
    for graph in (nearest(x, 3), plane(x[:, :2].astype(np.float64), 3)):
        assert graph.indices[0].tolist() == [1, 2, 3]
        assert graph.indices[8].tolist() == [0, 1, 2]
        assert graph.ties.rows.tolist() == list(range(9))
        assert (graph.ties.counts == 5).all()
        assert graph.ties.complement.all()
        assert graph.ties.members.size == 0


def test_a_zero_vector_is_equally_far_from_everything():
    x = unit_vectors(8, 4)
    x[5] = 0
    graph = nearest(x, 2)
    assert graph.indices[5].tolist() == [0, 1]
    assert graph.similarities[5].tolist() == [0.0, 0.0]
    assert tied_texts(graph, 5) == {2, 3, 4, 6, 7}


def test_two_texts_and_too_many_neighbours():
    x = unit_vectors(2, 3)
    graph = nearest(x, 10)
    assert graph.indices.tolist() == [[1], [0]]
    assert graph.ties.rows.size == 0
    assert plane(np.zeros((2, 2)), 4).indices.tolist() == [[1], [0]]
    assert nearest(unit_vectors(1, 3).repeat(4, axis=0)[:, :1], 99).indices.shape == (4, 3)


@pytest.mark.parametrize("search", [nearest, plane, partial(approximate, seed=0)])
@pytest.mark.parametrize(("n", "k", "said"), [(1, 1, "at least two texts, found 1"), (5, 0, "at least 1, found 0")])
def test_requests_that_cannot_be_are_refused(search, n, k, said):
    with pytest.raises(RequestError, match=said):
        search(unit_vectors(n, 3), k)


def test_depth_holds_the_longest_r_and_one_to_spare():
    assert graph_depth(np.repeat(np.arange(5, dtype=np.int32), 6), (1, 5, 10)) == 11
    assert graph_depth(np.repeat(np.arange(3, dtype=np.int32), 100), (1, 5, 10)) == 100
    assert graph_depth(np.zeros(4, dtype=np.int32), (1,)) == 3
    assert graph_depth(np.repeat([0, 1], [5, 2049]).astype(np.int32), (1,)) == 2049
    assert graph_depth(np.repeat([0, 1], [5, 2050]).astype(np.int32), (1,)) == 1001


def test_r_is_capped_for_all_labels_once_one_is_too_long():
    for sizes, expected in (([1, 3, 2049], [0, 2, 2048]), ([1, 3, 1500, 2050], [0, 2, 1000, 1000])):
        places, capped = r_places(np.array(sizes))
        assert (places.tolist(), capped) == (expected, sizes[-1] == 2050)
