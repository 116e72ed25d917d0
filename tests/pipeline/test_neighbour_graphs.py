from __future__ import annotations

import numpy as np
import pytest

from evalkit.pipeline.embed import unit_rows
from evalkit.pipeline.neighbour_graphs import Graphs, stratified_queries
from evalkit.store import Store
from evalkit.types import Embedding, EncoderIdentity

NOBODY = EncoderIdentity("random", "r", "", "none", "none", normalised=False)


def test_unit_rows_keeps_zero_rows_and_survives_extreme_lengths():
    rows = np.array([[3, 4], [0, 0], [3e-38, 4e-38], [3e37, 4e37]], dtype=np.float32)
    unit = unit_rows(rows, block=2)
    assert unit[1].tolist() == [0, 0]
    np.testing.assert_allclose(unit[[0, 2, 3]], [[0.6, 0.8]] * 3, rtol=1e-5)


def test_a_stratified_sample_keeps_shares_and_every_label():
    labels = np.repeat([0, 1, 2], [900, 99, 1]).astype(np.int32)
    rows = stratified_queries(labels, 100, np.random.default_rng(0))
    assert np.all(np.diff(rows) > 0)
    counts = np.bincount(labels[rows], minlength=3)
    assert counts[2] == 1
    assert abs(counts[0] - 90) <= 1
    assert abs(counts[1] - 10) <= 1
    assert stratified_queries(labels, 2000, np.random.default_rng(0)).size == 1000


@pytest.fixture
def embedding():
    vectors = np.random.default_rng(1).normal(size=(2100, 8)).astype(np.float32)
    return Embedding(raw=vectors, unit=unit_rows(vectors), encoder=NOBODY, key="k" * 16)


def test_one_exact_graph_serves_scores_and_maps(embedding, tmp_path, monkeypatch):
    from evalkit.neighbours import exact as neighbours

    built = []
    original = neighbours.nearest
    monkeypatch.setattr(neighbours, "nearest", lambda *a, **k: built.append(a[1]) or original(*a, **k))
    labels = (np.arange(2100) % 30).astype(np.int32)
    graphs = Graphs(embedding, labels, (1, 5), Store(tmp_path), seed=0, large=50_000)
    graphs.want(90)
    assert graphs.deep() is graphs.whole() is graphs.shallow()
    assert built == [90]
    again = Graphs(embedding, labels, (1, 5), Store(tmp_path), seed=1, large=50_000)
    again.want(90)
    assert np.array_equal(again.deep().indices, graphs.deep().indices)
    assert built == [90], "another run finds it in the store"


def test_a_large_corpus_gets_sampled_queries_and_an_approximate_graph(embedding, tmp_path):
    labels = (np.arange(2100) % 3).astype(np.int32)
    graphs = Graphs(embedding, labels, (1, 5), Store(tmp_path), seed=0, large=2_000)
    assert graphs.deep().queries is not None
    assert graphs.whole().queries is None
    assert graphs.whole().indices.shape[0] == 2100
    assert "approximate neighbour graph" in graphs.warnings[0]


@pytest.mark.parametrize("projection", ["tsne", "umap"])
def test_a_map_is_drawn_from_a_graph_that_came_from_the_store(embedding, tmp_path, projection):
    import importlib

    module = importlib.import_module(f"evalkit.projections.{projection}")
    labels = (np.arange(2100) % 30).astype(np.int32)
    options = {"epochs": 5} if projection == "umap" else {"early_iterations": 5, "iterations": 5}
    drawn = []
    for _ in range(2):  # built, then found
        graphs = Graphs(embedding, labels, (1, 5), Store(tmp_path), seed=0, large=50_000)
        graphs.want(90)
        drawn.append(module.project(embedding.unit, graphs.whole(), seed=0, **options).points)
    assert np.array_equal(*drawn)
