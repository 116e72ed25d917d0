from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evalkit.errors import EvaluationError, RequestError
from evalkit.metrics.hubness import hubness
from evalkit.metrics.neighbours import (
    average_precision_chance,
    evaluate,
    evaluate_graph,
    precision_best,
    precision_chance,
)
from evalkit.neighbours.exact import nearest, plane
from evalkit.stats import labelled_graph
from evalkit.stats.jackknife import jackknife
from evalkit.stats.labelled_graph import LabelledGraph, graph_depth, label_statistic
from evalkit.types import Sample


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def codes(*sizes: int) -> np.ndarray:
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)


def sample_of(x: np.ndarray, labels: np.ndarray, ks=(1, 5, 10), queries=None) -> Sample:
    depth = graph_depth(labels, [k for k in ks if k < len(labels)])
    whole = nearest(x, depth)
    graph = whole if queries is None else nearest(x, depth, queries=queries)
    return Sample(x, x, labels, int(labels.max()) + 1, graph, whole)


def scores_of(evaluation) -> dict:
    return {score.name.removeprefix("neighbours/"): score for score in evaluation.scores}


def by_all_orders(similarities: np.ndarray, labels: np.ndarray, ks) -> np.ndarray:
    """(scores, N): every score averaged over every order that agrees with the similarities."""
    n = len(labels)
    table = np.full((len(ks) + 2, n), np.nan)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        levels = sorted({similarities[i, j] for j in others}, reverse=True)
        groups = [[j for j in others if similarities[i, j] == level] for level in levels]
        r = int((labels == labels[i]).sum()) - 1
        found = []
        for orders in itertools.product(*(itertools.permutations(group) for group in groups)):
            relevant = [labels[j] == labels[i] for group in orders for j in group]
            row = [sum(relevant[:k]) / k for k in ks]
            if r:
                row.append(sum(relevant[:r]) / r)
                row.append(sum(sum(relevant[: p + 1]) / (p + 1) for p in range(r) if relevant[p]) / r)
            else:
                row += [np.nan, np.nan]
            found.append(row)
        table[:, i] = np.mean(found, axis=0)
    return table


def macro(values: np.ndarray, labels: np.ndarray) -> float:
    means = [values[labels == c] for c in np.unique(labels)]
    return float(np.mean([m.mean() for m in means if not np.isnan(m).any()]))


def test_two_orthogonal_labels_of_three_equal_texts():
    x = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    found = scores_of(evaluate(sample_of(x, codes(3, 3)), np.random.default_rng(0)))
    one = found["precision_at_1"]
    assert (one.value, one.chance, one.best, one.adjusted) == (1.0, 0.4, 1.0, 1.0)
    five = found["precision_at_5"]
    assert (five.value, five.chance, five.best, five.adjusted) == (pytest.approx(0.4), 0.4, 0.4, None)
    assert found["map_at_r"].value == 1.0
    # R = 2, p = 2/5, p' = 1/4: 0.4 · (1 + (1 + 0.25)/2)/2
    assert found["map_at_r"].chance == pytest.approx(0.4 * (1 + 0.625) / 2)
    assert "precision_at_10" not in found
    # 2 of the 20 labellings of six texts in threes are perfect.
    assert one.p_value == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_ties_are_averaged_over_every_order(depth, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(codes(1, 2, 3)) if depth == 3 else rng.permutation(codes(2, 4, 1))
    x = unit((rng.random((len(labels), 4)) < 0.5).astype(float))
    ks = [1, 2] if depth == 3 else [2, 4]
    exact = np.round(x.astype(float) @ x.T.astype(float), 5)
    expected = by_all_orders(exact, labels, ks)
    graph = nearest(x, depth)
    if depth == 3:
        assert graph.ties.rows.size  # or the test would not see ties beyond the list
    laid = LabelledGraph.of(graph, np.bincount(labels), ks, r_scores=True)
    found = jackknife(laid, labels)
    np.testing.assert_allclose(found.values, np.nan_to_num(expected), atol=1e-12)
    np.testing.assert_allclose(found.means[0], np.nanmean(expected, axis=1), atol=1e-12)
    np.testing.assert_allclose(found.means[1], [macro(row, labels) for row in expected], atol=1e-12)
    again = label_statistic(laid, ["a", "b", "r", "m"])(labels[None])
    np.testing.assert_allclose([again[n][0] for n in ("a", "b", "r", "m")], found.means[0], atol=1e-12)
    np.testing.assert_allclose([again[n + "_macro"][0] for n in ("a", "b", "r", "m")], found.means[1], atol=1e-12)


def test_any_number_of_labels_is_counted():
    labels = codes(*[2] * 300)  # more than a byte holds
    x = unit(
        np.random.default_rng(7).normal(size=(600, 6)) + 2 * np.random.default_rng(8).normal(size=(300, 6))[labels]
    )
    laid = LabelledGraph.of(nearest(x, 4), np.bincount(labels), [1, 3], r_scores=True)
    found = label_statistic(laid, list("abrm"))(labels[None])
    np.testing.assert_allclose([found[name][0] for name in "abrm"], jackknife(laid, labels).means[0])
    near = np.argsort(-(x @ x.T) + 9 * np.eye(600), axis=1)[:, :3]
    assert found["b"][0] == pytest.approx((labels[near] == labels[:, None]).mean())


def test_closed_form_chance_is_the_mean_over_permutations():
    rng = np.random.default_rng(1)
    labels = codes(1, 2, 5, 12)
    found = scores_of(
        evaluate_graph(
            nearest(unit(rng.normal(size=(20, 6))), 13),
            labels,
            rng,
            ks=[1, 5],
            prefix="precision_at_",
            space="embedding",
            r_prefix="",
            permutations=1,
        )
    )
    laid = LabelledGraph.of(nearest(unit(rng.normal(size=(20, 6))), 13), np.bincount(labels), [1, 5], r_scores=True)
    labellings = rng.permuted(np.tile(labels, (5_000, 1)), axis=1)
    null = label_statistic(laid, ["precision_at_1", "precision_at_5", "r_precision", "map_at_r"])(labellings)
    assert len(null) == len(found) == 8
    for name, values in null.items():
        error = values.std() / np.sqrt(len(values))
        assert values.mean() == pytest.approx(found[name].chance, abs=4 * error), name


def test_all_vectors_equal_score_exactly_chance():
    x = np.tile(unit(np.ones((1, 4))), (12, 1))
    found = scores_of(evaluate(sample_of(x, codes(5, 7)), np.random.default_rng(0)))
    for name in ("precision_at_1", "precision_at_5", "precision_at_10", "r_precision", "map_at_r"):
        for twin in (name, f"{name}_macro"):
            assert found[twin].value == pytest.approx(found[twin].chance, abs=1e-12)
            assert found[twin].p_value == 1.0
            assert found[twin].ci_low < found[twin].value < found[twin].ci_high
    assert found["hubness"].value is None


def test_zero_vectors_are_near_to_nothing_in_particular():
    x = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    x[0] = 0
    found = evaluate(sample_of(x, codes(4, 4, 4)), np.random.default_rng(0))
    values = found.per_text["neighbours/precision_at_1"]
    assert values[0] == pytest.approx(3 / 11)
    assert values[1:].tolist() == [1.0] * 11


def test_two_texts():
    found = scores_of(evaluate(sample_of(unit(np.eye(2)), codes(1, 1)), np.random.default_rng(0)))
    one = found["precision_at_1"]
    assert (one.value, one.chance, one.best, one.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert (one.ci_low, one.ci_high) == (None, None)
    assert found["r_precision"].value is None
    found = scores_of(evaluate(sample_of(unit(np.eye(2)), codes(2)), np.random.default_rng(0)))
    assert found["precision_at_1"].value == 1.0


def test_a_label_of_one_text_counts_in_precision_and_is_left_out_of_r_scores():
    x = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    labels = np.array([0, 0, 1, 2, 2, 2], dtype=np.int32)
    found = evaluate(sample_of(x, labels), np.random.default_rng(0))
    scores = scores_of(found)
    assert scores["precision_at_1"].value == pytest.approx((0.5 + 0.5 + 0 + 1 + 1 + 1) / 6)
    assert scores["precision_at_1_macro"].value == pytest.approx((0.5 + 0 + 1) / 3)
    assert scores["precision_at_1_macro"].best == pytest.approx(2 / 3)
    assert scores["r_precision"].value == pytest.approx((0.5 + 0.5 + 3) / 5)
    assert scores["r_precision_macro"].value == pytest.approx(0.75)
    assert scores["r_precision"].parameters["left_out"] == 1
    assert np.isnan(found.per_text["neighbours/map_at_r"]).tolist() == [False, False, True, False, False, False]


def test_r_is_capped_for_all_and_said_so(monkeypatch):
    monkeypatch.setattr(labelled_graph, "LONGEST_R", 6)
    monkeypatch.setattr(labelled_graph, "CAPPED_R", 4)
    labels = codes(3, 6, 9)
    x = unit(np.random.default_rng(2).normal(size=(18, 5)))
    sample = sample_of(x, labels, ks=(1,))
    found = scores_of(evaluate(sample, np.random.default_rng(0), k=[1]))
    order = np.argsort(-(x @ x.T) + 9 * np.eye(18), axis=1)[:, :4]
    expected, chances = [], []
    for i in range(18):
        size = int((labels == labels[i]).sum())
        r = min(size - 1, 4)
        relevant = (labels[order[i, :r]] == labels[i]).astype(float)
        expected.append((relevant * np.cumsum(relevant) / np.arange(1, r + 1)).sum() / r)
        p, after = (size - 1) / 17, (size - 2) / 16
        chances.append(p * np.mean([(1 + place * after) / (place + 1) for place in range(r)]))
    assert found["map_at_r"].value == pytest.approx(np.mean(expected))
    assert found["map_at_r"].chance == pytest.approx(np.mean(chances))
    assert found["map_at_r"].parameters["R"] == "min(n_c − 1, 1000)"


def test_a_sample_of_queries_is_weighted_to_the_corpus():
    rng = np.random.default_rng(3)
    labels = codes(40, 10)
    x = unit(rng.normal(size=(50, 4)) + 0.7 * np.eye(4)[labels])
    every = evaluate(sample_of(x, labels), np.random.default_rng(0))
    queries = np.concatenate([np.arange(0, 40, 4), np.arange(40, 50)])
    drawn = evaluate(sample_of(x, labels, queries=queries), np.random.default_rng(0))
    full, part = every.per_text["neighbours/precision_at_5"], drawn.per_text["neighbours/precision_at_5"]
    np.testing.assert_allclose(part[queries], full[queries])
    assert np.isnan(part).sum() == 30
    scores = scores_of(drawn)
    means = full[np.arange(0, 40, 4)].mean(), full[40:].mean()
    assert scores["precision_at_5"].value == pytest.approx(0.8 * means[0] + 0.2 * means[1])
    assert scores["precision_at_5_macro"].value == pytest.approx(np.mean(means))
    assert scores["precision_at_5"].parameters["queries"] == 20
    assert scores["precision_at_5"].chance == pytest.approx(scores_of(every)["precision_at_5"].chance)
    wide = scores["precision_at_5"].ci_high - scores["precision_at_5"].ci_low
    narrow = scores_of(every)["precision_at_5"]
    assert wide > narrow.ci_high - narrow.ci_low
    assert np.isfinite(drawn.per_text["neighbours/precision_at_5.pseudo"]).all()


def test_pseudo_values_average_to_the_scores():
    rng = np.random.default_rng(4)
    found = evaluate(sample_of(unit(rng.normal(size=(30, 8))), codes(12, 8, 5, 5)), rng)
    for name, score in scores_of(found).items():
        if name != "hubness":
            assert found.per_text[f"neighbours/{name}.pseudo"].mean() == pytest.approx(score.value, abs=1e-12)


def test_the_same_seed_gives_the_same_scores_and_every_k_is_clipped_or_refused():
    x = unit(np.random.default_rng(4).normal(size=(9, 8)))
    sample = sample_of(x, codes(4, 5))
    assert evaluate(sample, np.random.default_rng(7)).scores == evaluate(sample, np.random.default_rng(7)).scores
    assert [n for n in scores_of(evaluate(sample, np.random.default_rng(0))) if n.startswith("precision")] == [
        "precision_at_1", "precision_at_1_macro", "precision_at_5", "precision_at_5_macro",
    ]  # fmt: skip
    assert scores_of(evaluate(sample, np.random.default_rng(0), k=[8]))["precision_at_8"].best == pytest.approx(
        (4 * 3 / 8 + 5 * 4 / 8) / 9
    )
    for wrong in ([9], [0], []):
        with pytest.raises(RequestError, match="between 1 and 8"):
            evaluate(sample, np.random.default_rng(0), k=wrong)


def test_a_graph_that_is_too_shallow_is_refused():
    with pytest.raises(EvaluationError, match="lists 3 neighbours a text, the scores need 6"):
        LabelledGraph.of(nearest(np.eye(20, dtype=np.float32), 3), np.array([10, 10]), [5], r_scores=False)


def test_the_map_has_the_same_scores_by_euclidean_neighbours():
    points = np.random.default_rng(6).normal(size=(25, 2))
    labels = codes(10, 15)
    found = evaluate_graph(
        plane(points, 6), labels, np.random.default_rng(0), ks=[5], prefix="map/neighbourhood_hit_at_", space="map"
    )
    assert [score.name for score in found.scores] == [
        "map/neighbourhood_hit_at_5",
        "map/neighbourhood_hit_at_5_macro",
    ]
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + 99 * np.eye(25)
    expected = (labels[np.argsort(distances, axis=1)[:, :5]] == labels[:, None]).mean()
    assert found.scores[0].value == pytest.approx(expected)
    assert found.scores[0].space == "map"


def read_labels(path) -> np.ndarray:
    frame = pd.read_csv(path).drop_duplicates(["text", "label"])
    return np.bincount(pd.factorize(frame["label"])[0])


def test_chance_on_snips_and_clinc150(shared_data):
    snips = read_labels(shared_data / "snips" / "data.csv")
    assert precision_chance(snips)[0] == pytest.approx(0.14286, abs=5e-6)
    clinc = read_labels(shared_data / "clinc150" / "data.csv")
    assert len(clinc) == 150
    assert precision_chance(clinc)[0] == pytest.approx(0.0066225, abs=5e-8)


def test_best_and_chance_by_label_size():
    sizes = np.array([2, 6])
    assert precision_best(sizes, 5) == (pytest.approx((2 * 0.2 + 6 * 1) / 8), pytest.approx(0.6))
    assert precision_chance(sizes) == (pytest.approx((2 / 7 + 30 / 7) / 8), pytest.approx((1 / 7 + 5 / 7) / 2))
    assert average_precision_chance(np.array([2, 2])) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


@pytest.mark.parametrize("tied", [False, True])
def test_hubness_is_the_skewness_of_the_expected_occurrence_counts(tied):
    rng = np.random.default_rng(8)
    x = unit((rng.random((40, 7)) < 0.4).astype(float) if tied else rng.normal(size=(40, 7)))
    exact = np.round(x.astype(float) @ x.T.astype(float), 5)
    counts = np.zeros(40)
    for i in range(40):
        others = np.delete(np.arange(40), i)
        row = exact[i, others]
        kth = np.sort(row)[::-1][9]
        counts[others[row > kth]] += 1
        counts[others[row == kth]] += (10 - (row > kth).sum()) / (row == kth).sum()
    for depth in (10, 14, 39):
        assert hubness(nearest(x, depth)) == pytest.approx(stats.skew(counts), abs=1e-9)


def test_hubness_is_compared_with_gaussian_vectors_and_ranks_nothing():
    x = unit(np.random.default_rng(9).normal(size=(300, 64)))
    score = scores_of(evaluate(sample_of(x, codes(150, 150)), np.random.default_rng(0)))["hubness"]
    assert score.value == pytest.approx(score.chance, abs=0.3)  # the vectors are a Gaussian's themselves
    clumped = unit(np.random.default_rng(9).normal(size=(300, 64)) + 1.5)
    assert scores_of(evaluate(sample_of(clumped, codes(150, 150)), np.random.default_rng(0)))["hubness"].value > 2
    assert (score.ranks_models, score.p_value, score.best, score.parameters["K"]) == (False, None, None, 10)
    x = unit(np.random.default_rng(9).normal(size=(8, 3)))
    assert scores_of(evaluate(sample_of(x, codes(4, 4)), np.random.default_rng(0)))["hubness"].parameters["K"] == 7


def test_long_lists_get_fewer_permutations_and_say_so(monkeypatch):
    from evalkit.metrics import neighbours

    monkeypatch.setattr(neighbours, "BUDGET", 999.0 * 200 * 10)
    x = unit(np.random.default_rng(9).normal(size=(200, 6)))
    found = scores_of(evaluate(sample_of(x, codes(100, 100)), np.random.default_rng(0)))
    assert found["precision_at_10"].parameters["permutations"] == 999
    assert found["map_at_r"].parameters["permutations"] == 99
    assert found["map_at_r_macro"].p_value >= 0.01
