import numpy as np
import pytest
from score_samples import by_name, clouds, codes, sample_of
from sklearn.metrics import silhouette_samples as sklearn_silhouettes

from evalkit.metrics import map_separation
from evalkit.metrics.map_loops import centroid_hits, silhouettes
from evalkit.metrics.map_separation import silhouette_samples


def evaluate(points, labels, seed=0, k=None):
    points = np.asarray(points, dtype=np.float64)
    vectors = np.ones((len(points), 1), dtype=np.float32)
    sample = sample_of(vectors, labels, points, depth=len(points) - 1)
    return map_separation.evaluate(sample, np.random.default_rng(seed), k=k)


def apart(points, labels):
    return silhouette_samples(points, labels, np.arange(len(labels)))


def hits(points, labels):
    return centroid_hits(points, labels, np.bincount(labels), 1e-12)


def test_two_far_clumps_by_hand():
    # Label 0 at x = 0, 1; label 1 at x = 10, 11. Text 0: a = 1, b = 10.5; text 1: a = 1, b = 9.5.
    points, labels = np.array([[0.0, 0], [1, 0], [10, 0], [11, 0]]), codes(2, 2)
    np.testing.assert_allclose(apart(points, labels), [9.5 / 10.5, 8.5 / 9.5, 8.5 / 9.5, 9.5 / 10.5])
    np.testing.assert_array_equal(hits(points, labels), 1)


@pytest.mark.parametrize("separation", [0.0, 1.0, 5.0])
def test_silhouette_equals_scikit_learn(separation):
    points, labels = clouds(120, 4, separation)
    expected = sklearn_silhouettes(points, labels)
    np.testing.assert_allclose(apart(points, labels), expected, atol=1e-12)
    some = np.array([3, 50, 119])
    np.testing.assert_allclose(silhouette_samples(points, labels, some), expected[some], atol=1e-12)


def test_centroid_accuracy_equals_a_loop():
    points, labels = clouds(120, 4, 0.7)
    expected = []
    for i in range(len(points)):
        keep = np.arange(len(points)) != i
        means = [points[keep & (labels == label)].mean(axis=0) for label in range(4)]
        expected.append(np.argmin([np.linalg.norm(points[i] - mean) for mean in means]) == labels[i])
    np.testing.assert_array_equal(hits(points, labels), expected)
    assert 0.2 < np.mean(expected) < 0.9


def test_permuted_scores_stand_round_what_simulation_gives():
    points, labels = clouds(60, 4, 0.0)
    found = by_name(evaluate(points, labels, seed=1, k=[1]))
    rng = np.random.default_rng(2)
    simulated = [apart(points, rng.permutation(labels)).mean() for _ in range(400)]
    assert found["silhouette"].chance == pytest.approx(np.mean(simulated), abs=4 * np.std(simulated) / 20)
    assert found["silhouette"].parameters["permutations"] == 999
    assert found["neighbourhood_hit_at_1"].chance == pytest.approx(14 / 59)


def test_perfect_map_reaches_the_best():
    points = np.repeat([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]], 10, axis=0)
    points += np.random.default_rng(0).normal(size=points.shape) * 1e-3
    found = by_name(evaluate(points, codes(10, 10, 10)))
    assert found["silhouette"].value == pytest.approx(1, abs=1e-3)
    assert found["centroid_accuracy"].value == 1
    assert found["neighbourhood_hit_at_5"].value == 1
    assert all(score.p_value == pytest.approx(0.001) for score in found.values())


def test_macro_differs_from_micro_where_sizes_do():
    evaluation = evaluate(clouds(40, 4, 0.5)[0], codes(30, 10))
    found, values = by_name(evaluation), evaluation.per_text["map/silhouette"]
    assert found["silhouette"].value == pytest.approx(values.mean())
    assert found["silhouette_macro"].value == pytest.approx((values[:30].mean() + values[30:].mean()) / 2)
    pseudo = evaluation.per_text["map/centroid_accuracy_macro.pseudo"]
    assert pseudo.mean() == pytest.approx(found["centroid_accuracy_macro"].value)


def test_null_on_a_sample_of_queries_says_so_and_agrees(monkeypatch):
    points, labels = clouds(400, 4, 0.0)
    exact = by_name(evaluate(points, labels, k=[1]))["silhouette"]
    monkeypatch.setattr(map_separation, "NULL_QUERIES", 100)
    sampled = by_name(evaluate(points, labels, k=[1]))["silhouette"]
    assert sampled.parameters["null_queries"] == 100
    assert sampled.value == exact.value
    assert sampled.chance == pytest.approx(exact.chance, abs=0.003)


def test_large_corpus_is_scored_on_a_stated_sample(monkeypatch):
    points, labels = clouds(600, 4, 2.0)
    monkeypatch.setattr(map_separation, "LARGE", 500)
    monkeypatch.setattr(map_separation, "QUERIES", 300)
    evaluation = evaluate(points, labels, k=[1])
    score = by_name(evaluation)["silhouette"]
    assert score.parameters["queries"] == score.parameters["null_texts"] == 300
    assert np.isfinite(evaluation.per_text["map/silhouette"]).sum() == 300
    assert score.value == pytest.approx(apart(points, labels).mean(), abs=0.05)


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        (np.zeros((6, 2)), codes(3, 3)),
        (np.arange(12.0).reshape(6, 2), codes(3, 2, 1)),
        (np.eye(4)[:, :2], codes(2, 2)),
    ],
    ids=["one point", "a label of one text", "four texts"],
)
def test_degenerate_maps_have_finite_scores(points, labels):
    for score in evaluate(points, labels).scores:
        assert score.value is not None
        assert np.isfinite(score.value)
        assert 0 < score.p_value <= 1


def test_texts_on_one_point_share_the_tie_and_a_lone_text_is_wrong():
    points = np.full((6, 2), 3.0)
    np.testing.assert_array_equal(apart(points, codes(3, 3)), 0)
    np.testing.assert_array_equal(hits(points, codes(3, 3)), 0.5)
    points = np.array([[0.0, 0], [1, 0], [9, 9]])
    assert apart(points, codes(2, 1))[2] == hits(points, codes(2, 1))[2] == 0


@pytest.mark.parametrize("n", [40, 200])  # one block of texts and queries, and several
def test_silhouettes_of_several_labellings_are_scikit_learns_of_each(n):
    rng = np.random.default_rng(n)
    points, labels = rng.normal(size=(n, 2)), np.minimum(np.arange(n) // 3, 6).astype(np.int32)
    labels[0] = 7  # a label of one text
    labellings = rng.permuted(np.tile(labels, (5, 1)), axis=1)
    found = silhouettes(points, labellings, np.bincount(labels), np.arange(n), 1e-12)
    np.testing.assert_allclose(found, [sklearn_silhouettes(points, each) for each in labellings], atol=1e-12)
