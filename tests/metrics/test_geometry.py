import numpy as np
import pytest
from score_samples import by_name, codes, noise, sample_of

from evalkit.metrics.geometry import alignments, anisotropy, evaluate, uniform_uniformity, uniformity
from evalkit.metrics.intrinsic_dimension import gaussian_intrinsic_dimension, intrinsic_dimension, neighbour_distances
from evalkit.neighbours.exact import nearest


def scored(unit, labels):
    return by_name(evaluate(sample_of(unit, labels, depth=10), np.random.default_rng(0)))


def alignment(unit, labels):
    labels = np.asarray(labels, dtype=np.int32)
    return alignments(unit, labels)(labels[None])["alignment"][0]


def test_anisotropy_by_hand_and_by_all_pairs():
    assert anisotropy(np.float32([[1, 0], [0, 1], [-1, 0]])) == pytest.approx(-1 / 3)
    unit = noise(40, 8)
    pairs = (unit.astype(float) @ unit.T.astype(float))[np.triu_indices(40, 1)]
    assert anisotropy(unit) == pytest.approx(pairs.mean(), abs=1e-9)


def test_alignment_by_hand_and_by_all_pairs():
    # Label 0: one pair at squared distance 2; label 1: one at 4; label 2 has a single text.
    assert alignment(np.float32([[1, 0], [0, 1], [1, 0], [-1, 0], [0, 1]]), [0, 0, 1, 1, 2]) == pytest.approx(3)
    unit, labels = noise(50, 8), np.random.default_rng(1).integers(0, 4, 50)
    first, second = np.nonzero((labels[:, None] == labels) & ~np.eye(50, dtype=bool))
    apart = ((unit[first].astype(float) - unit[second]) ** 2).sum(axis=1)
    assert alignment(unit, labels) == pytest.approx(apart.mean(), abs=1e-6)


def test_uniformity_by_hand_and_sampled_like_exact(monkeypatch):
    rng = np.random.default_rng(0)
    assert uniformity(np.float32([[1, 0], [-1, 0]]), rng) == pytest.approx(-8)
    unit = noise(300, 6)
    exact = uniformity(unit, rng)
    monkeypatch.setattr("evalkit.metrics.geometry.EXACT_TEXTS", 10)
    assert uniformity(unit, rng, pairs=200_000) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("dimension", [1, 3, 48])
def test_chances_are_those_of_the_uniform_sphere(dimension):
    values = [uniformity(noise(400, dimension, seed), np.random.default_rng(0)) for seed in range(8)]
    assert np.mean(values) == pytest.approx(uniform_uniformity(dimension), abs=4 * np.std(values) / np.sqrt(8) + 1e-9)
    if dimension > 1:
        labels = np.arange(400) % 4
        drawn = [noise(400, dimension, seed) for seed in range(8)]
        for chance, found in ((2, [alignment(x, labels) for x in drawn]), (0, [anisotropy(x) for x in drawn])):
            assert np.mean(found) == pytest.approx(chance, abs=4 * np.std(found) / np.sqrt(8))


def test_intrinsic_dimension_finds_a_plane_in_many_dimensions():
    rng = np.random.default_rng(0)
    angles = 0.05 * rng.standard_normal((2000, 2))
    unit = np.zeros((2000, 50), dtype=np.float32)
    unit[:, :2] = angles
    unit[:, 2] = np.sqrt(1 - (angles**2).sum(axis=1))
    found = intrinsic_dimension(neighbour_distances(unit, nearest(unit, 2)))
    assert found == pytest.approx(2, abs=0.15)


def test_intrinsic_dimension_by_hand():
    # log ratios 1, 1, 1 with −log(1 − F) of 1/3 and 2/3 kept: slope is their mean.
    distances = np.array([[1, np.e]] * 3)
    assert intrinsic_dimension(distances) == pytest.approx((-np.log(2 / 3) - np.log(1 / 3)) / 2)


def test_doubles_do_not_count_and_too_few_texts_have_no_dimension():
    unit = noise(200, 4)
    distances = neighbour_distances(unit, nearest(unit, 2))
    with_doubles = np.concatenate([distances, [[0.0, 0.3]] * 50])
    assert intrinsic_dimension(with_doubles) == intrinsic_dimension(distances)
    assert np.isnan(intrinsic_dimension(np.zeros((10, 2))))
    assert np.isnan(intrinsic_dimension(distances[:2]))
    assert np.isnan(intrinsic_dimension(np.ones((10, 2))))


def test_gaussian_chance_is_that_of_gaussian_vectors(monkeypatch):
    rng = np.random.default_rng(0)
    drawn = [neighbour_distances(unit, nearest(unit, 2)) for unit in (noise(600, 20, seed) for seed in range(6))]
    expected = [intrinsic_dimension(distances) for distances in drawn]
    found = [gaussian_intrinsic_dimension(600, 20, rng) for _ in range(6)]
    assert {queries for _, queries in found} == {600}
    spread = np.hypot(np.std(expected), np.std([value for value, _ in found])) / np.sqrt(6)
    assert np.mean([value for value, _ in found]) == pytest.approx(np.mean(expected), abs=4 * spread)
    monkeypatch.setattr("evalkit.metrics.intrinsic_dimension.GAUSSIAN_WORK", 300 * 600 * 20)
    value, queries = gaussian_intrinsic_dimension(600, 20, rng)
    assert queries == 300
    assert value == pytest.approx(np.mean(expected), rel=0.3)


def test_diagnostics_never_rank():
    found = scored(noise(60, 12), np.arange(60) % 3)
    assert list(found) == ["anisotropy", "alignment", "uniformity", "intrinsic_dimension"]
    assert [score.p_value is None for score in found.values()] == [True, False, True, True]
    assert {(score.ranks_models, score.best) for score in found.values()} == {(False, None)}


def test_tight_labels_have_a_small_p():
    score = scored(np.repeat(np.eye(3, dtype=np.float32), 4, axis=0), codes(4, 4, 4))["alignment"]
    assert score.value == pytest.approx(0)
    assert score.p_value < 0.01


def test_degenerate_vectors():
    for unit in (np.zeros((4, 3), np.float32), np.ones((4, 1), np.float32), np.float32([[1], [1], [-1], [-1]])):
        scores = scored(unit, [0, 0, 1, 2])
        assert scores["intrinsic_dimension"].value is None
        assert np.isfinite(scores["uniformity"].value)
    alone = scored(np.eye(4, dtype=np.float32), [0, 1, 2, 3])["alignment"]
    assert (alone.value, alone.p_value) == (None, None)
