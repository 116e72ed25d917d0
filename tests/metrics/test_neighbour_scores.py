from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from score_samples import by_name, codes, noise, sample_of, unit

from evalkit.errors import EvaluationError
from evalkit.metrics import neighbours
from evalkit.metrics.hubness import hubness
from evalkit.metrics.neighbours import average_precision_chance, evaluate_graph, precision_best, precision_chance
from evalkit.neighbours.exact import nearest, plane
from evalkit.stats import labelled_graph
from evalkit.stats.jackknife import jackknife
from evalkit.stats.labelled_graph import LabelledGraph, graph_depth, label_statistic


def evaluate(x, labels, ks=None, queries=None):
    depth = graph_depth(labels, [k for k in ks or (1, 5, 10) if k < len(labels)])
    return neighbours.evaluate(sample_of(x, labels, depth=depth, queries=queries), np.random.default_rng(0), k=ks)


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


def test_two_orthogonal_labels_of_three_equal_texts():
    found = by_name(evaluate(np.repeat(np.eye(2, dtype=np.float32), 3, axis=0), codes(3, 3)))
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
    by_label = pd.DataFrame(expected.T).groupby(labels).mean()
    np.testing.assert_allclose(found.means[1], by_label.mean(), atol=1e-12)
    again = label_statistic(laid, list("abrm"))(labels[None])
    for kind, suffix in enumerate(("", "_macro")):
        np.testing.assert_allclose([again[name + suffix][0] for name in "abrm"], found.means[kind], atol=1e-12)


def test_any_number_of_labels_is_counted():
    labels = codes(*[2] * 300)  # more than a byte holds
    x = unit(noise(600, 6, seed=7) + noise(300, 6, seed=8)[labels])
    laid = LabelledGraph.of(nearest(x, 4), np.bincount(labels), [1, 3], r_scores=True)
    found = label_statistic(laid, list("abrm"))(labels[None])
    np.testing.assert_allclose([found[name][0] for name in "abrm"], jackknife(laid, labels).means[0])
    near = np.argsort(-(x @ x.T) + 9 * np.eye(600), axis=1)[:, :3]
    assert found["b"][0] == pytest.approx((labels[near] == labels[:, None]).mean())


def test_closed_form_chance_is_the_mean_over_permutations():
    rng = np.random.default_rng(1)
    labels, graph = codes(1, 2, 5, 12), nearest(unit(rng.normal(size=(20, 6))), 13)
    found = by_name(
        evaluate_graph(
            graph, labels, rng, ks=[1, 5], prefix="n/precision_at_", space="embedding", r_prefix="n/", permutations=1
        )
    )
    laid = LabelledGraph.of(graph, np.bincount(labels), [1, 5], r_scores=True)
    labellings = rng.permuted(np.tile(labels, (5_000, 1)), axis=1)
    null = label_statistic(laid, ["precision_at_1", "precision_at_5", "r_precision", "map_at_r"])(labellings)
    assert len(null) == len(found) == 8
    for name, values in null.items():
        error = values.std() / np.sqrt(len(values))
        assert values.mean() == pytest.approx(found[name].chance, abs=4 * error), name


def test_all_vectors_equal_score_exactly_chance():
    found = by_name(evaluate(np.tile(unit(np.ones((1, 4))), (12, 1)), codes(5, 7)))
    assert found.pop("hubness").value is None
    assert len(found) == 10
    for score in found.values():
        assert score.value == pytest.approx(score.chance, abs=1e-12)
        assert score.p_value == 1.0
        assert score.ci_low < score.value < score.ci_high


def test_zero_vectors_are_near_to_nothing_in_particular():
    x = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    x[0] = 0
    values = evaluate(x, codes(4, 4, 4)).per_text["neighbours/precision_at_1"]
    assert values[0] == pytest.approx(3 / 11)
    assert values[1:].tolist() == [1.0] * 11


def test_two_texts():
    found = by_name(evaluate(unit(np.eye(2)), codes(1, 1)))
    one = found["precision_at_1"]
    assert (one.value, one.chance, one.best, one.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert (one.ci_low, one.ci_high) == (None, None)
    assert found["r_precision"].value is None
    assert by_name(evaluate(unit(np.eye(2)), codes(2)))["precision_at_1"].value == 1.0


def test_a_label_of_one_text_counts_in_precision_and_is_left_out_of_r_scores():
    x = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    found = evaluate(x, codes(2, 1, 3))
    scores = by_name(found)
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
    x = noise(18, 5, seed=2)
    score = by_name(evaluate(x, labels, ks=[1]))["map_at_r"]
    order = np.argsort(-(x @ x.T) + 9 * np.eye(18), axis=1)[:, :4]
    expected, chances = [], []
    for i in range(18):
        size = int((labels == labels[i]).sum())
        r = min(size - 1, 4)
        relevant = (labels[order[i, :r]] == labels[i]).astype(float)
        expected.append((relevant * np.cumsum(relevant) / np.arange(1, r + 1)).sum() / r)
        p, after = (size - 1) / 17, (size - 2) / 16
        chances.append(p * np.mean([(1 + place * after) / (place + 1) for place in range(r)]))
    assert score.value == pytest.approx(np.mean(expected))
    assert score.chance == pytest.approx(np.mean(chances))
    assert score.parameters["R"] == "min(n_c − 1, 1000)"


def test_a_sample_of_queries_is_weighted_to_the_corpus():
    labels = codes(40, 10)
    x = unit(np.random.default_rng(3).normal(size=(50, 4)) + 0.7 * np.eye(4)[labels])
    queries = np.concatenate([np.arange(0, 40, 4), np.arange(40, 50)])
    every, drawn = evaluate(x, labels), evaluate(x, labels, queries=queries)
    full, part = every.per_text["neighbours/precision_at_5"], drawn.per_text["neighbours/precision_at_5"]
    np.testing.assert_allclose(part[queries], full[queries])
    assert np.isnan(part).sum() == 30
    means = full[np.arange(0, 40, 4)].mean(), full[40:].mean()
    score, whole = by_name(drawn)["precision_at_5"], by_name(every)["precision_at_5"]
    assert score.value == pytest.approx(0.8 * means[0] + 0.2 * means[1])
    assert by_name(drawn)["precision_at_5_macro"].value == pytest.approx(np.mean(means))
    assert score.parameters["queries"] == 20
    assert score.chance == pytest.approx(whole.chance)
    assert score.ci_high - score.ci_low > whole.ci_high - whole.ci_low
    assert np.isfinite(drawn.per_text["neighbours/precision_at_5.pseudo"]).all()


def test_pseudo_values_average_to_the_scores():
    found = evaluate(noise(30, 8), codes(12, 8, 5, 5))
    for name, score in by_name(found).items():
        if name != "hubness":
            assert found.per_text[f"neighbours/{name}.pseudo"].mean() == pytest.approx(score.value, abs=1e-12)


def test_k_is_clipped_to_what_the_corpus_allows():
    x = noise(9, 8)
    assert [name for name in by_name(evaluate(x, codes(4, 5))) if name.startswith("precision")] == [
        "precision_at_1", "precision_at_1_macro", "precision_at_5", "precision_at_5_macro",
    ]  # fmt: skip
    eight = by_name(evaluate(x, codes(4, 5), ks=[8]))["precision_at_8"]
    assert eight.best == pytest.approx((4 * 3 / 8 + 5 * 4 / 8) / 9)


def test_a_graph_that_is_too_shallow_is_refused():
    with pytest.raises(EvaluationError, match="lists 3 neighbours a text, the scores need 6"):
        LabelledGraph.of(nearest(np.eye(20, dtype=np.float32), 3), np.array([10, 10]), [5], r_scores=False)


def test_the_map_has_the_same_scores_by_euclidean_neighbours():
    points, labels = np.random.default_rng(6).normal(size=(25, 2)), codes(10, 15)
    found = evaluate_graph(
        plane(points, 6), labels, np.random.default_rng(0), ks=[5], prefix="map/neighbourhood_hit_at_", space="map"
    ).scores
    assert [score.name for score in found] == ["map/neighbourhood_hit_at_5", "map/neighbourhood_hit_at_5_macro"]
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + 99 * np.eye(25)
    expected = (labels[np.argsort(distances, axis=1)[:, :5]] == labels[:, None]).mean()
    assert found[0].value == pytest.approx(expected)
    assert found[0].space == "map"


def test_chance_on_snips_and_clinc150(shared_data):
    def sizes(name):
        frame = pd.read_csv(shared_data / name / "data.csv").drop_duplicates(["text", "label"])
        return np.bincount(pd.factorize(frame["label"])[0])

    assert precision_chance(sizes("snips"))[0] == pytest.approx(0.14286, abs=5e-6)
    clinc = sizes("clinc150")
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
    def scored(x):
        return by_name(evaluate(unit(x), codes(len(x) // 2, len(x) // 2)))["hubness"]

    normal = np.random.default_rng(9).normal(size=(300, 64))
    score = scored(normal)
    assert score.value == pytest.approx(score.chance, abs=0.3)  # the vectors are a Gaussian's themselves
    assert scored(normal + 1.5).value > 2
    assert (score.ranks_models, score.p_value, score.best, score.parameters["K"]) == (False, None, None, 10)
    assert scored(normal[:8, :3]).parameters["K"] == 7


def test_long_lists_get_fewer_permutations_and_say_so(monkeypatch):
    monkeypatch.setattr(neighbours, "BUDGET", 999.0 * 200 * 10)
    found = by_name(evaluate(noise(200, 6), codes(100, 100)))
    assert found["precision_at_10"].parameters["permutations"] == 999
    assert found["map_at_r"].parameters["permutations"] == 99
    assert found["map_at_r_macro"].p_value >= 0.01
