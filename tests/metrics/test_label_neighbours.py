import numpy as np
import pytest

from evalkit.metrics.label_neighbours import mutual_over_embeddings, nearest_centroids, nearest_topics


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


def test_neighbouring_topics_are_told_from_coincidence():
    middles = 3 * np.random.default_rng(3).standard_normal((6, 24))
    middles[1] = middles[0] + 0.3
    unit, labels = draw(60, 24, 6, middles)
    found = {row.label: row for row in nearest_topics(unit, labels, 6, np.random.default_rng(0))}
    assert found[0].nearest == 1
    assert found[1].nearest == 0
    assert found[0].mutual
    assert found[0].p_value == found[1].p_value
    # Of labels without meaning, two given ones of six are mutually nearest about one time in seven.
    assert found[0].chance == pytest.approx(1 / 7, abs=0.06)
    assert set(found[0].described()) == {"similarity", "mutual", "chance", "p_value"}
    lonely = [row for row in found.values() if not row.mutual]
    assert all(row.p_value is None and row.chance is None for row in lonely)


def test_the_same_generator_gives_the_same_rows():
    unit, labels = draw(30, 10, 5)
    first, second = (nearest_topics(unit, labels, 5, np.random.default_rng(1)) for _ in range(2))
    assert first == second


def test_agreement_of_many_embeddings_is_more_than_one_coincidence():
    middles = np.random.default_rng(3).standard_normal((6, 24))
    middles[1] = middles[0]
    several = [draw(120, 24, 6, middles, seed)[0] for seed in range(4)]
    labels = draw(120, 24, 6)[1]
    share, chance, p = mutual_over_embeddings(several, labels, 6, 0, 1, np.random.default_rng(0))
    assert share == 1
    assert chance == pytest.approx(1 / 7, abs=0.08)
    assert p < 0.05
    same = [several[0]] * 4
    _, _, alone = mutual_over_embeddings(same, labels, 6, 0, 1, np.random.default_rng(0))
    assert alone == pytest.approx(chance, abs=0.1)


def test_p_values_are_not_too_small_where_labels_mean_nothing():
    p = []
    for seed in range(60):
        unit, labels = draw(40, 16, 8, seed=seed)
        share_p = mutual_over_embeddings([unit], labels, 8, 0, 1, np.random.default_rng(seed))
        p.append(share_p[2])
    assert np.mean(np.array(p) <= 0.15) <= 0.15 + 3 * np.sqrt(0.15 * 0.85 / 60)


def test_two_labels_are_each_others_nearest():
    unit, labels = draw(8, 3, 2)
    rows = nearest_topics(unit, labels, 2, np.random.default_rng(0))
    assert [(row.nearest, row.mutual, row.p_value) for row in rows] == [(1, True, 1.0), (0, True, 1.0)]


def test_a_label_without_direction_has_no_nearest():
    unit = np.float32([[1, 0], [-1, 0], [0, 1], [0, 1], [0.6, 0.8], [0.6, 0.8]])
    rows = nearest_topics(unit, np.repeat([0, 1, 2], 2).astype(np.int32), 3, np.random.default_rng(0))
    assert [row.label for row in rows] == [1, 2]
    assert nearest_topics(np.zeros((4, 2), np.float32), np.int32([0, 0, 1, 1]), 2, np.random.default_rng(0)) == []
