from __future__ import annotations

import numpy as np
import pytest

from evalkit.neighbours import exact as neighbours
from evalkit.neighbours import symmetric_search as exact_neighbours
from evalkit.neighbours.exact import COSINE_TOLERANCE, nearest
from evalkit.neighbours.symmetric_search import BLOCK, CHUNK, nearest_lists


def unit_vectors(n: int, d: int = 24, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def doubtful_vectors(n: int) -> np.ndarray:
    """Some of them equal, some of them zero."""
    x = unit_vectors(n, seed=5)
    x[n // 2 : n // 2 + n // 8] = x[: n // 8]
    x[n - 30 :] = x[3]
    x[[7, n // 3, n - 1]] = 0
    return x


def check_lists(x: np.ndarray, count: int) -> None:
    """Against complete rows in float64: the same cosines, and texts that have them."""
    values, found = nearest_lists(x, count)
    exact = x.astype(np.float64) @ x.T.astype(np.float64)
    np.fill_diagonal(exact, -np.inf)
    expected = -np.sort(-exact, axis=1)[:, :count]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(exact, found, axis=1), expected, atol=COSINE_TOLERANCE)
    assert (np.diff(np.sort(found, axis=1), axis=1) > 0).all()
    steps = np.diff(values, axis=1)
    assert (steps <= 0).all()
    assert (np.diff(found, axis=1) > 0)[steps == 0].all()


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + CHUNK + 3])
@pytest.mark.parametrize("make", [unit_vectors, doubtful_vectors])
def test_lists_agree_with_complete_rows(n, make):
    check_lists(make(n), 12)


@pytest.mark.parametrize("block", [1, 7, 32, 300])
def test_lists_do_not_depend_on_the_blocks(monkeypatch, block):
    monkeypatch.setattr(exact_neighbours, "BLOCK", block)
    check_lists(unit_vectors(90), 89)


def test_equal_texts_stand_in_the_order_of_their_numbers():
    _, found = nearest_lists(np.tile(np.eye(1, 8, dtype=np.float32), (2 * BLOCK + 5, 1)), 4)
    assert found[0].tolist() == [1, 2, 3, 4]
    assert found[2].tolist() == [0, 1, 3, 4]
    assert (found[4:] == [0, 1, 2, 3]).all()


def test_a_place_without_a_text_is_marked():
    values, found = nearest_lists(unit_vectors(4), 5)
    assert (np.sort(found[:, :3], axis=1) == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]).all()
    assert (found[:, 3:] == -1).all()
    assert (values[:, 3:] == -np.inf).all()


def test_two_runs_find_the_same():
    x = doubtful_vectors(3 * BLOCK + 50)
    for one, other in zip(nearest_lists(x, 12), nearest_lists(x, 12), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", [unit_vectors, doubtful_vectors])
def test_the_graph_is_that_of_the_search_by_queries(make):
    x = make(neighbours.SMALL_CORPUS + 70)
    graph, by_queries = nearest(x, 10), nearest(x, 10, queries=np.arange(len(x)))
    np.testing.assert_allclose(graph.similarities, by_queries.similarities, atol=1e-6)
    assert (graph.indices == by_queries.indices).mean() > 0.9999
    np.testing.assert_array_equal(graph.ties.rows, by_queries.ties.rows)
    np.testing.assert_array_equal(graph.ties.counts, by_queries.ties.counts)


def test_long_lists_are_left_to_faiss(monkeypatch):
    monkeypatch.setattr(neighbours, "SMALL_CORPUS", 0)
    monkeypatch.setattr(neighbours, "FEW_NEIGHBOURS", 5)
    monkeypatch.setattr(exact_neighbours, "nearest_lists", None)
    assert nearest(unit_vectors(40), 6).indices.shape == (40, 6)
