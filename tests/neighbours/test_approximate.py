"""Approximate neighbours: what they find, what they say of it, and that they can be repeated."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.neighbours.approximate import approximate
from evalkit.neighbours.exact import nearest


def grouped(n: int, d: int = 16, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(30, d)) * 2
    x = centres[rng.integers(30, size=n)] + rng.normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def recall_of(graph, x, rows):
    truth = nearest(x, graph.indices.shape[1], queries=rows).indices
    return np.mean([np.isin(a, b).mean() for a, b in zip(truth, graph.indices[rows], strict=True)])


@pytest.mark.slow
def test_it_states_the_recall_it_has_and_is_repeatable():
    x = grouped(30_000)
    graph = approximate(x, 8, seed=7)
    assert graph.exact is False
    assert graph.recall is not None
    assert recall_of(graph, x, np.arange(0, 30_000, 61)) == pytest.approx(graph.recall, abs=0.03)
    assert not (graph.indices == np.arange(30_000)[:, None]).any()
    np.testing.assert_array_equal(graph.indices, approximate(x, 8, seed=7).indices)


def test_what_it_lists_is_sorted_distinct_and_has_its_own_cosine():
    x = grouped(12_000)
    graph = approximate(x, 12, seed=0)
    assert (np.diff(graph.similarities, axis=1) <= 0).all()
    assert all(np.unique(row).size == 12 for row in graph.indices[::97])
    cosines = np.einsum("nkd,nd->nk", x[graph.indices[::97]], x[::97])
    np.testing.assert_allclose(graph.similarities[::97], cosines, atol=2e-6)


def test_more_lists_are_searched_until_enough_is_found():
    x = grouped(20_000, d=24)
    few, many = (approximate(x, 10, seed=1, enough=enough) for enough in (0.3, 0.95))
    assert 0.3 <= few.recall < 0.95 <= many.recall


def test_lists_that_hold_too_few_are_filled_with_exact_neighbours(capfd):
    x = grouped(9_000)
    x[:20] = x[0]
    graph = approximate(x, 400, seed=0, enough=0.01)  # more than some lists hold
    assert np.isfinite(graph.similarities).all()
    assert (graph.indices >= 0).all()
    np.testing.assert_array_equal(np.sort(graph.indices[0, :19]), np.arange(1, 20))
    np.testing.assert_allclose(graph.similarities[0, :19], 1.0, atol=1e-6)
    assert capfd.readouterr() == ("", ""), "faiss prints its progress"
