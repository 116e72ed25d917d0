import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from evalkit.errors import RequestError
from evalkit.metrics import map_separation as map_scores
from evalkit.metrics.map_loops import silhouettes
from evalkit.neighbours import exact as neighbours
from evalkit.types import Sample


def sample_of(points, labels):
    points, labels = np.asarray(points, dtype=np.float64), np.asarray(labels, dtype=np.int32)
    vectors = np.random.default_rng(0).normal(size=(len(points), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    graph = neighbours.nearest(vectors, len(points) - 1)
    plane = neighbours.plane(points, len(points) - 1)
    return Sample(vectors, vectors, labels, int(labels.max()) + 1, graph, graph, points, plane)


def drawn(n=120, k=4, apart=2.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % k).astype(np.int32)
    return rng.normal(size=(k, 2))[labels] * apart + rng.normal(size=(n, 2)), labels


def by_name(evaluation):
    return {score.name: score for score in evaluation.scores}


def test_two_far_clumps_by_hand():
    # Label 0 at x = 0, 1; label 1 at x = 10, 11. Text 0: a = 1, b = 10.5; text 1: a = 1, b = 9.5.
    points = [[0, 0], [1, 0], [10, 0], [11, 0]]
    values = map_scores.silhouette_samples(np.array(points, float), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(values, [9.5 / 10.5, 8.5 / 9.5, 8.5 / 9.5, 9.5 / 10.5])
    hits = map_scores.centroid_accuracy_samples(np.array(points, float), np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(hits, 1)


@pytest.mark.parametrize("apart", [0.0, 1.0, 5.0])
def test_silhouette_equals_scikit_learn(apart):
    points, labels = drawn(apart=apart)
    np.testing.assert_allclose(
        map_scores.silhouette_samples(points, labels), silhouette_samples(points, labels), atol=1e-12
    )


def test_silhouette_of_some_rows_is_that_of_all():
    points, labels = drawn()
    rows = np.array([3, 50, 119])
    whole = map_scores.silhouette_samples(points, labels)
    np.testing.assert_array_equal(map_scores.silhouette_samples(points, labels, rows), whole[rows])


def test_centroid_accuracy_equals_a_loop():
    points, labels = drawn(apart=0.7)
    expected = []
    for i in range(len(points)):
        keep = np.arange(len(points)) != i
        means = [points[keep & (labels == label)].mean(axis=0) for label in range(4)]
        expected.append(np.argmin([np.linalg.norm(points[i] - mean) for mean in means]) == labels[i])
    np.testing.assert_array_equal(map_scores.centroid_accuracy_samples(points, labels), expected)
    assert 0.2 < np.mean(expected) < 0.9


def test_permuted_scores_stand_round_what_simulation_gives():
    points, labels = drawn(n=60, apart=0.0)
    found = by_name(map_scores.evaluate(sample_of(points, labels), np.random.default_rng(1), k=[1]))
    rng = np.random.default_rng(2)
    simulated = [map_scores.silhouette_samples(points, rng.permutation(labels)).mean() for _ in range(400)]
    assert found["map/silhouette"].chance == pytest.approx(np.mean(simulated), abs=4 * np.std(simulated) / 20)
    assert found["map/silhouette"].parameters["permutations"] == 999
    assert found["map/neighbourhood_hit_at_1"].chance == pytest.approx(14 / 59)


@pytest.mark.slow
def test_p_values_are_uniform_without_structure():
    p_values = {}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(4, dtype=np.int32), 6)
        for name, score in by_name(
            map_scores.evaluate(sample_of(rng.normal(size=(24, 2)), labels), rng, k=[1])
        ).items():
            p_values.setdefault(name, []).append(score.p_value)
    for name in ("map/silhouette", "map/silhouette_macro", "map/centroid_accuracy"):
        assert np.mean(np.array(p_values[name]) <= 0.2) <= 0.2 + 3 * np.sqrt(0.16 / 60), name
        assert np.mean(p_values[name]) == pytest.approx(0.5, abs=0.15), name


def test_perfect_map_reaches_the_best():
    points = np.repeat([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]], 10, axis=0)
    points += np.random.default_rng(0).normal(size=points.shape) * 1e-3
    found = by_name(map_scores.evaluate(sample_of(points, np.repeat([0, 1, 2], 10)), np.random.default_rng(0)))
    assert found["map/silhouette"].value == pytest.approx(1, abs=1e-3)
    assert found["map/centroid_accuracy"].value == 1
    assert found["map/neighbourhood_hit_at_5"].value == 1
    assert all(score.p_value == pytest.approx(0.001) for score in found.values())


def test_macro_differs_from_micro_where_sizes_do():
    points, _ = drawn(n=40, apart=0.5)
    labels = np.array([0] * 30 + [1] * 10, dtype=np.int32)
    evaluation = map_scores.evaluate(sample_of(points, labels), np.random.default_rng(0))
    found = by_name(evaluation)
    values = evaluation.per_text["map/silhouette"]
    assert found["map/silhouette"].value == pytest.approx(values.mean())
    assert found["map/silhouette_macro"].value == pytest.approx((values[:30].mean() + values[30:].mean()) / 2)
    pseudo = evaluation.per_text["map/centroid_accuracy_macro.pseudo"]
    assert pseudo.mean() == pytest.approx(found["map/centroid_accuracy_macro"].value)


def test_null_on_a_sample_of_queries_says_so_and_agrees(monkeypatch):
    points, labels = drawn(n=400, apart=0.0)
    exact = by_name(map_scores.evaluate(sample_of(points, labels), np.random.default_rng(0), k=[1]))
    monkeypatch.setattr(map_scores, "NULL_QUERIES", 100)
    sampled = by_name(map_scores.evaluate(sample_of(points, labels), np.random.default_rng(0), k=[1]))
    assert sampled["map/silhouette"].parameters["null_queries"] == 100
    assert sampled["map/silhouette"].value == exact["map/silhouette"].value
    assert sampled["map/silhouette"].chance == pytest.approx(exact["map/silhouette"].chance, abs=0.003)


def test_large_corpus_is_scored_on_a_stated_sample(monkeypatch):
    points, labels = drawn(n=600)
    monkeypatch.setattr(map_scores, "LARGE", 500)
    monkeypatch.setattr(map_scores, "QUERIES", 300)
    evaluation = map_scores.evaluate(sample_of(points, labels), np.random.default_rng(0), k=[1])
    found = by_name(evaluation)
    assert found["map/silhouette"].parameters["queries"] == 300
    assert found["map/silhouette"].parameters["null_texts"] == 300
    assert np.isfinite(evaluation.per_text["map/silhouette"]).sum() == 300
    exact = map_scores.silhouette_samples(points, labels).mean()
    assert found["map/silhouette"].value == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        (np.zeros((6, 2)), [0, 0, 0, 1, 1, 1]),
        (np.arange(12.0).reshape(6, 2), [0, 0, 0, 1, 1, 2]),
        (np.eye(4)[:, :2], [0, 0, 1, 1]),
    ],
    ids=["one point", "a label of one text", "four texts"],
)
def test_degenerate_maps_have_finite_scores(points, labels):
    evaluation = map_scores.evaluate(sample_of(points, labels), np.random.default_rng(0))
    for score in evaluation.scores:
        assert score.value is not None
        assert np.isfinite(score.value)
        assert 0 < score.p_value <= 1


def test_all_texts_on_one_point_score_zero_and_share_the_tie():
    points, labels = np.full((6, 2), 3.0), np.array([0, 0, 0, 1, 1, 1], dtype=np.int32)
    np.testing.assert_array_equal(map_scores.silhouette_samples(points, labels), 0)
    np.testing.assert_array_equal(map_scores.centroid_accuracy_samples(points, labels), 0.5)


def test_lone_text_has_silhouette_zero_and_is_wrong():
    points, labels = np.array([[0.0, 0], [1, 0], [9, 9]]), np.array([0, 0, 1], dtype=np.int32)
    assert map_scores.silhouette_samples(points, labels)[2] == 0
    assert map_scores.centroid_accuracy_samples(points, labels)[2] == 0


def test_k_of_n_or_more_is_refused():
    points, labels = drawn(n=12)
    with pytest.raises(RequestError, match="k must lie between 1 and 11"):
        map_scores.evaluate(sample_of(points, labels), np.random.default_rng(0), k=[12])


@pytest.mark.parametrize("n", [40, 200])  # one block of texts and queries, and several
def test_silhouettes_of_several_labellings_are_scikit_learns_of_each(n):
    rng = np.random.default_rng(n)
    points, labels = rng.normal(size=(n, 2)), np.minimum(np.arange(n) // 3, 6).astype(np.int32)
    labels[0] = 7  # a label of one text
    labellings = rng.permuted(np.tile(labels, (5, 1)), axis=1)
    found = silhouettes(points, labellings, np.bincount(labels), np.arange(n), 1e-12)
    np.testing.assert_allclose(found, [silhouette_samples(points, each) for each in labellings], atol=1e-12)
