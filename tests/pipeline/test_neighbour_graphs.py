import numpy as np
import pytest

from evalkit.pipeline.embed import unit_rows
from evalkit.pipeline.neighbour_graphs import (
    graph_key,
    graph_warnings,
    kept_graph,
    map_graph,
    projection_depth,
    projection_graph,
    scoring_graph,
    stratified_queries,
)
from evalkit.projections import tsne, umap
from evalkit.store import Store


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


@pytest.fixture(scope="module")
def unit():
    return unit_rows(np.random.default_rng(1).normal(size=(2100, 8)).astype(np.float32))


LABELS = (np.arange(2100) % 3).astype(np.int32)


@pytest.mark.parametrize("large", [50_000, 2_000])
def test_a_graph_comes_back_from_the_store_as_it_was(unit, tmp_path, large):
    made = []

    def make():
        made.append(scoring_graph(unit, LABELS, 20, seed=0, large=large))
        return made[-1]

    key = graph_key("a" * 64, 20, 2100, seed=0, labels="b" * 64)
    for store in (Store(tmp_path), Store(tmp_path)):
        found = kept_graph(store, key, 20 * 2100, make)
        for field in ("indices", "similarities", "queries"):
            np.testing.assert_array_equal(getattr(found, field), getattr(made[0], field))
        for field in ("rows", "starts", "members", "complement", "counts"):
            np.testing.assert_array_equal(getattr(found.ties, field), getattr(made[0].ties, field))
        assert (found.size, found.exact, found.recall) == (2100, True, None)
    assert len(made) == 1
    kept_graph(Store(tmp_path), key, 1 << 26, make)
    assert len(made) == 2, "a graph of half a gigabyte is not kept"


def test_keys_of_graphs_differ_where_the_graphs_do():
    small = {graph_key("a", 20, 30, seed=seed, labels=labels) for seed in (0, 1) for labels in (None, "b", "c")}
    assert len(small) == 1, "exact and of every text, whatever the seed and the labels"
    large = [graph_key("a", 20, 60_000, seed=seed, labels=labels) for seed in (0, 1) for labels in (None, "b", "c")]
    others = [graph_key("b", 20, 30, seed=0), graph_key("a", 21, 30, seed=0)]
    assert len({*small, *large, *others}) == 9


def test_a_large_corpus_gets_sampled_queries_and_an_approximate_graph(unit):
    scoring = scoring_graph(unit, LABELS, 20, seed=0, large=2_000)
    assert scoring.queries is not None
    assert scoring.exact
    whole = projection_graph(unit, 20, seed=0, large=2_000)
    assert whole.queries is None
    assert whole.indices.shape == (2100, 20)
    assert graph_warnings(projection_graph(unit, 20, seed=0)) == []
    assert bool(graph_warnings(whole)) != whole.exact
    plane = map_graph(unit[:, :2].astype(np.float64), (1, 5), scoring)
    np.testing.assert_array_equal(plane.queries, scoring.queries)
    assert plane.indices.shape[1] == projection_depth((1, 5), 0, 2100) == 11


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "options"), [(tsne, {"early_iterations": 5, "iterations": 5}), (umap, {"epochs": 5})]
)
def test_a_map_of_a_graph_from_the_store_is_the_same(unit, tmp_path, module, options):
    drawn = []
    for _ in range(2):  # built, then found
        graph = kept_graph(Store(tmp_path), "a" * 64, 90 * 2100, lambda: projection_graph(unit, 90, seed=0))
        drawn.append(module.project(unit, graph, seed=0, **options).points)
    assert np.array_equal(*drawn)
