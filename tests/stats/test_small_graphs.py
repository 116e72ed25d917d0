"""Neighbour scores of small corpora: place by place and row by row give the same, as does really leaving texts out."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.neighbours.exact import nearest
from evalkit.stats import small_graphs
from evalkit.stats.labelled_graph import LabelledGraph
from evalkit.stats.small_graphs import complete_lists, delete_each, score_places, score_rows, untied_depth


def unit(n, dimension=16, seed=0, copies=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, dimension)).astype(np.float32)
    rows[n - copies :] = rows[:copies]  # texts alike: tied with one another for everybody
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def laid_out(vectors, labels, ks, k):
    sizes = np.bincount(labels).astype(np.int64)
    return LabelledGraph.of(nearest(vectors, k), sizes, ks, r_scores=True)


def test_places_by_hand():
    """Relevant at places 1, 3 and 4 of 4, R = 3: precision at 2 is 1/2, R-precision 2/3, MAP@R (1 + 2/3) / 3."""
    there = [np.array([value]) for value in (True, False, True, True)]
    found = score_places(there, np.array([3]), np.array([2, 4]))
    np.testing.assert_allclose(found[:, 0], [1 / 2, 3 / 4, 2 / 3, (1 + 2 / 3) / 3])
    assert (score_places(there, np.array([0]), np.array([1]))[1:] == 0).all()  # a label of one text has no R


@pytest.mark.parametrize("seed", [0, 1])
def test_place_by_place_is_row_by_row(seed):
    """Against the path for tied places, which holds for untied ones too."""
    rng = np.random.default_rng(seed)
    relevant = rng.random((7, 20, 12)) < 0.4
    places = rng.integers(0, 9, size=(7, 20))
    ks = np.array([1, 5, 12])
    untied = np.arange(12)[None].repeat(20, axis=0)
    one_pair = untied.copy()
    one_pair[0, 11] = 10
    expected = score_rows(relevant[:, 1:], one_pair[1:], places[:, 1:], ks)
    tied = score_rows(relevant, one_pair, places, ks)[:, :, 1:]  # the tie in row 0 sends all rows the other way
    np.testing.assert_allclose(tied, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("n", "copies", "k"), [(12, 0, 11), (12, 0, 8), (15, 3, 9), (15, 3, 14), (9, 4, 5)])
def test_leaving_a_text_out_is_scoring_without_it(n, copies, k):
    """Against graphs of the corpora that really lack one text."""
    labels = np.arange(n, dtype=np.int32) % 3
    ks, vectors = np.array([1, 3]), unit(n, copies=copies)
    graph = laid_out(vectors, labels, ks, k)
    order, groups = complete_lists(graph.arrays, graph.queries, n)
    values, changes = delete_each(order, groups, graph.queries, labels, graph.places, graph.after, ks)
    assert values.shape == (4, n)
    for m in range(n):
        keep = np.arange(n) != m
        left = laid_out(vectors[keep], labels[keep], ks, n - 2)
        their_order, their_groups = complete_lists(left.arrays, left.queries, n - 1)
        relevant = labels[keep][their_order] == labels[keep][:, None]
        expected = score_rows(relevant[None], their_groups, left.places[labels[keep]][None], ks)[:, 0]
        np.testing.assert_allclose(values[:, keep] + changes[:, keep, m], expected, rtol=1e-12, atol=1e-12)
        assert (changes[:, m, m] == 0).all()


def test_both_ways_of_leaving_out_agree(monkeypatch):
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2], dtype=np.int32)
    ks = np.array([1, 5])
    graph = laid_out(unit(12, seed=3), labels, ks, 11)
    order, groups = complete_lists(graph.arrays, graph.queries, 12)
    assert untied_depth(groups, ks + 1, 5) is not None
    arguments = (order, groups, graph.queries, labels, graph.places, graph.after, ks)
    quick = delete_each(*arguments)
    monkeypatch.setattr(small_graphs, "untied_depth", lambda *_: None)
    for one, other in zip(quick, delete_each(*arguments), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)


def test_lists_are_completed_with_the_tied_first():
    vectors = unit(10, copies=4, seed=2)
    graph = nearest(vectors, 3)
    sizes = np.array([10], dtype=np.int64)
    laid = LabelledGraph.of(graph, sizes, np.array([1]), r_scores=False)
    order, groups = complete_lists(laid.arrays, laid.queries, 10)
    similarity = vectors @ vectors.T
    for row in range(10):
        assert sorted([*order[row], row]) == list(range(10))
        assert (np.diff(groups[row]) >= 0).all()
        last = groups[row, -1]
        known = order[row][groups[row] < last]
        assert (np.diff(similarity[row, known].astype(np.float32)) <= 1e-6).all()
        for group in range(1, last):
            members = order[row][groups[row] == group]
            assert np.ptp(similarity[row, members]) < 1e-6
