import numpy as np
import pytest

from evalkit.metrics.label_neighbours import evaluate, nearest_centroids
from evalkit.types import Sample


def draw(n, d, k, middles=None, seed=0):
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % k).astype(np.int32)
    vectors = rng.standard_normal((n, d)) + (0 if middles is None else np.asarray(middles)[labels])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def test_nearest_by_hand():
    # Centroids at 0°, 10°, 90° and 130°: the first two are mutual, the others too.
    angles = np.deg2rad([0, 10, 90, 130])
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = np.arange(4, dtype=np.int32)
    nearest, cosines = nearest_centroids(unit, labels, 4)
    assert nearest.tolist() == [1, 0, 3, 2]
    assert cosines == pytest.approx(np.cos(np.deg2rad([10, 10, 40, 40])), abs=1e-6)


def test_nearest_equals_the_plain_formula():
    unit, labels = draw(90, 20, 9)
    sums = np.stack([unit[labels == c].astype(float).sum(axis=0) for c in range(9)])
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    cosines = sums @ sums.T - 2 * np.eye(9)
    nearest, best = nearest_centroids(unit, labels, 9)
    assert np.array_equal(nearest, cosines.argmax(axis=1))
    assert best == pytest.approx(cosines.max(axis=1))


def evaluated(unit, labels, n_labels, seed=0):
    sample = Sample(unit, unit, labels, n_labels, None, None)
    columns = evaluate(sample, np.random.default_rng(seed)).per_label
    return {name.removeprefix("nearest_topic").removeprefix(".") or "nearest": c for name, c in columns.items()}


def test_neighbouring_topics_are_told_from_coincidence():
    middles = 3 * np.random.default_rng(3).standard_normal((6, 24))
    middles[1] = middles[0] + 0.3
    unit, labels = draw(60, 24, 6, middles)
    found = evaluated(unit, labels, 6)
    assert found["nearest"][:2].tolist() == [1, 0]
    assert found["mutual"][:2].tolist() == [1, 1]
    assert found["p_value"][0] == found["p_value"][1]
    # Of labels without meaning, two given ones of six are mutually nearest about one time in seven.
    assert found["chance"][0] == pytest.approx(1 / 7, abs=0.06)
    lonely = found["mutual"] == 0
    assert np.isnan(found["p_value"][lonely]).all()
    assert np.isnan(found["chance"][lonely]).all()


def test_the_same_generator_gives_the_same_columns():
    unit, labels = draw(30, 10, 5)
    first, second = (evaluated(unit, labels, 5, seed=1) for _ in range(2))
    for name, column in first.items():
        np.testing.assert_array_equal(column, second[name])


def test_p_values_are_not_too_small_where_labels_mean_nothing():
    p = []
    for seed in range(60):
        unit, labels = draw(40, 16, 8, seed=seed)
        found = evaluated(unit, labels, 8, seed)
        p.append(found["p_value"][0] if found["nearest"][0] == 1 and found["mutual"][0] else 1.0)  # of a given pair
    assert np.mean(np.array(p) <= 0.15) <= 0.15 + 3 * np.sqrt(0.15 * 0.85 / 60)


def test_two_labels_are_each_others_nearest():
    found = evaluated(*draw(8, 3, 2), 2)
    assert [found[name].tolist() for name in ("nearest", "mutual", "p_value")] == [[1, 0], [1, 1], [1, 1]]


def test_a_label_without_direction_has_no_nearest():
    unit = np.float32([[1, 0], [-1, 0], [0, 1], [0, 1], [0.6, 0.8], [0.6, 0.8]])
    found = evaluated(unit, np.repeat([0, 1, 2], 2).astype(np.int32), 3)
    assert found["nearest"].tolist() == [-1, 2, 1]
    assert np.isnan(found["similarity"]).tolist() == [True, False, False]
    nothing = evaluated(np.zeros((4, 2), np.float32), np.int32([0, 0, 1, 1]), 2)
    assert nothing["nearest"].tolist() == [-1, -1]
    assert np.isnan(nothing["mutual"]).all()
