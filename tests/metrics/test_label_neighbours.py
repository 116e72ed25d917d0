import numpy as np
import pytest
from score_samples import codes, draw, sample_of, unit

from evalkit.metrics.label_neighbours import evaluate, nearest_centroids, neighbour_confusion
from evalkit.neighbours.exact import nearest


def test_nearest_by_hand():
    # Centroids at 0°, 10°, 90° and 130°: the first two are mutual, the others too.
    angles = np.deg2rad([0, 10, 90, 130])
    found, cosines = nearest_centroids(unit(np.stack([np.cos(angles), np.sin(angles)], axis=1)), codes(1, 1, 1, 1), 4)
    assert found.tolist() == [1, 0, 3, 2]
    assert cosines == pytest.approx(np.cos(np.deg2rad([10, 10, 40, 40])), abs=1e-6)


def test_nearest_equals_the_plain_formula():
    vectors, labels = draw(90, 20, 9)
    sums = np.stack([vectors[labels == c].astype(float).sum(axis=0) for c in range(9)])
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    cosines = sums @ sums.T - 2 * np.eye(9)
    found, best = nearest_centroids(vectors, labels, 9)
    assert np.array_equal(found, cosines.argmax(axis=1))
    assert best == pytest.approx(cosines.max(axis=1))


def evaluated(vectors, labels, seed=0):
    columns = evaluate(sample_of(vectors, labels), np.random.default_rng(seed)).per_label
    return {name.removeprefix("nearest_topic").removeprefix(".") or "nearest": c for name, c in columns.items()}


def test_neighbouring_topics_are_told_from_coincidence():
    middles = 3 * np.random.default_rng(3).standard_normal((6, 24))
    middles[1] = middles[0] + 0.3
    labels = np.arange(60) % 6
    found = evaluated(unit(middles[labels] + np.random.default_rng(0).standard_normal((60, 24))), labels)
    assert found["nearest"][:2].tolist() == [1, 0]
    assert found["mutual"][:2].tolist() == [1, 1]
    assert found["p_value"][0] == found["p_value"][1]
    # Of labels without meaning, two given ones of six are mutually nearest about one time in seven.
    assert found["chance"][0] == pytest.approx(1 / 7, abs=0.06)
    lonely = found["mutual"] == 0
    assert np.isnan(found["p_value"][lonely]).all()
    assert np.isnan(found["chance"][lonely]).all()


def test_p_values_are_not_too_small_where_labels_mean_nothing():
    p = []
    for seed in range(60):
        found = evaluated(*draw(40, 16, 8, seed=seed), seed)
        p.append(found["p_value"][0] if found["nearest"][0] == 1 and found["mutual"][0] else 1.0)  # of a given pair
    assert np.mean(np.array(p) <= 0.15) <= 0.15 + 3 * np.sqrt(0.15 * 0.85 / 60)


def test_two_labels_are_each_others_nearest():
    found = evaluated(*draw(8, 3, 2))
    assert [found[name].tolist() for name in ("nearest", "mutual", "p_value")] == [[1, 0], [1, 1], [1, 1]]


def test_a_label_without_direction_has_no_nearest():
    vectors = np.float32([[1, 0], [-1, 0], [0, 1], [0, 1], [0.6, 0.8], [0.6, 0.8]])
    found = evaluated(vectors, codes(2, 2, 2))
    assert found["nearest"].tolist() == [-1, 2, 1]
    assert np.isnan(found["similarity"]).tolist() == [True, False, False]
    nothing = evaluated(np.zeros((4, 2), np.float32), codes(2, 2))
    assert nothing["nearest"].tolist() == [-1, -1]
    assert np.isnan(nothing["mutual"]).all()


def test_confusion_is_the_share_of_nearest_texts_that_bear_the_other_label():
    vectors, labels = draw(30, 5, 3)
    near = labels[np.argsort(-(vectors @ vectors.T) + 9 * np.eye(30), axis=1)[:, :4]]
    expected = np.array([[(near[labels == a] == b).mean() for b in range(3)] for a in range(3)])
    np.testing.assert_allclose(neighbour_confusion(nearest(vectors, 4), labels, 3), expected)
    sampled = neighbour_confusion(nearest(vectors, 4, queries=np.flatnonzero(labels == 1)), labels, 3)
    np.testing.assert_allclose(sampled, [[0, 0, 0], expected[1], [0, 0, 0]])
