import numpy as np
import pytest
from score_samples import codes, unit

from evalkit.metrics import label_pairs as pairs


def drawn(sizes=(9, 14, 5), d=8, lean=0.5, seed=0):
    rng = np.random.default_rng(seed)
    labels = codes(*sizes)
    return unit(rng.normal(size=(labels.size, d)) + lean * rng.normal(size=(len(sizes), d))[labels]), labels


def looped(vectors, labels, nearer):
    k = labels.max() + 1
    rates = np.zeros((k, k))
    for a in range(k):
        for b in range(k):
            members = np.flatnonzero(labels == a)
            rates[a, b] = np.mean(
                [nearer(vectors[i], vectors[members[members != i]], vectors[labels == b]) for i in members]
            )
    return rates


def by_cosine(x, own, other):
    cosines = [x @ group.sum(axis=0) / np.linalg.norm(group.sum(axis=0)) for group in (own, other)]
    return cosines[0] > cosines[1]


def by_distance(x, own, other):
    return np.linalg.norm(x - own.mean(axis=0)) < np.linalg.norm(x - other.mean(axis=0))


def off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


def test_rates_equal_a_loop():
    vectors, labels = drawn()
    points = 100 + 7 * drawn(d=2, lean=1.0)[0].astype(np.float64)
    for rates, x, nearer in ((pairs.embedding_rates, vectors, by_cosine), (pairs.map_rates, points, by_distance)):
        expected = off_diagonal(looped(x.astype(np.float64), labels, nearer))
        np.testing.assert_allclose(off_diagonal(rates(x, labels, 3)), expected, atol=1e-12)
        assert 0 < expected.mean() < 1


def test_blocks_do_not_change_the_rates(monkeypatch):
    vectors, labels = drawn()
    whole = pairs.embedding_rates(vectors, labels, 3)
    monkeypatch.setattr(pairs, "BLOCK_VALUES", 24)
    np.testing.assert_array_equal(pairs.embedding_rates(vectors, labels, 3), whole)


def test_accuracy_by_hand_counts_labels_the_same():
    # Label 0: three texts on one axis, all right. Label 1: one on the other axis, one on label 0's: the first has the
    # second for the rest of its label, which is label 0's direction, a tie at 0; the second is wrong.
    vectors = unit([[1, 0], [1, 0], [1, 0], [0, 1], [1, 0]])
    labels = codes(3, 2)
    rates = pairs.embedding_rates(vectors, labels, 2)
    assert rates[0, 1] == 1
    assert rates[1, 0] == pytest.approx((0.5 + 0) / 2)
    assert pairs.pair_accuracy(rates)[0, 1] == pytest.approx((1 + 0.25) / 2)


def test_lone_texts_and_zero_vectors_are_wrong():
    rates = pairs.embedding_rates(unit([[1, 0], [0, 1], [0, 1]]), codes(1, 2), 2)
    assert (rates[0, 1], rates[1, 0]) == (0, 1)
    np.testing.assert_array_equal(off_diagonal(pairs.embedding_rates(np.zeros((4, 3), np.float32), codes(2, 2), 2)), 0)
    assert pairs.map_rates(np.array([[0.0, 0], [5, 5], [6, 5]]), codes(1, 2), 2)[0, 1] == 0


def test_equal_vectors_tie():
    vectors, labels = unit(np.ones((6, 3))), codes(3, 3)
    np.testing.assert_array_equal(off_diagonal(pairs.embedding_rates(vectors, labels, 2)), 0.5)
    np.testing.assert_array_equal(off_diagonal(pairs.map_rates(np.zeros((6, 2)), labels, 2)), 0.5)


@pytest.mark.parametrize("lean", [0.0, 3.0], ids=["round", "cone"])
def test_chance_is_what_noise_gets(lean):
    # All vectors from one distribution: the observed accuracy has the chance for its expectation, below one half.
    rng = np.random.default_rng(1)
    observed, chance = [], []
    for _ in range(150):
        vectors = unit(rng.normal(size=(12, 40)) + lean * np.eye(40)[0] * 3)
        labels = codes(6, 6)
        observed.append(pairs.pair_accuracy(pairs.embedding_rates(vectors, labels, 2))[0, 1])
        members = [np.arange(6), np.arange(6, 12)]
        chance.append(pairs.chance_accuracies(vectors, members, np.array([0]), np.array([1]), rng, permutations=30)[0])
    error = np.std(observed) / np.sqrt(150)
    assert np.mean(chance) == pytest.approx(np.mean(observed), abs=3.5 * error)
    if lean:
        assert np.mean(chance) < 0.45


def test_shuffled_accuracy_of_the_true_labelling_is_the_accuracy():
    vectors, labels = drawn(sizes=(7, 11))
    marks = (labels == 0).astype(np.float32)[None]
    shuffled = pairs._shuffled_accuracy(vectors @ vectors.T, marks)
    assert shuffled[0] == pytest.approx(pairs.pair_accuracy(pairs.embedding_rates(vectors, labels, 2))[0, 1])


def test_interval_of_equal_labels_is_wilsons():
    from scipy import stats

    sizes, rates = np.array([50, 50]), np.array([[0, 0.8], [0.8, 0]])
    low, high = pairs.accuracy_intervals(rates, sizes, np.array([0]), np.array([1]))
    effective = 100 * (9 / 16)
    quantile = stats.t.ppf(0.975, 99) ** 2 / effective
    centre = (0.8 + quantile / 2) / (1 + quantile)
    reach = np.sqrt(quantile * 0.16 + quantile**2 / 4) / (1 + quantile)
    np.testing.assert_allclose([low[0], high[0]], [centre - reach, centre + reach], rtol=1e-9)


def test_no_pairs_are_no_error():
    nothing = np.zeros(0, dtype=np.int32)
    low, high = pairs.accuracy_intervals(np.zeros((2, 2)), np.array([2, 2]), nothing, nothing)
    assert low.size == high.size == 0
    vectors, _ = drawn()
    assert pairs.chance_accuracies(vectors, [], nothing, nothing, np.random.default_rng(0), permutations=9).size == 0
