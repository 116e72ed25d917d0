import numpy as np
import pytest
from scipy import stats

from evalkit.stats.mean_intervals import hit_statistics, macro_pseudo_values, mean_share_interval, pseudo_value_interval


def draw(sizes, rate=0.7, seed=0):
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return (np.random.default_rng(seed).random(labels.size) < rate).astype(float), labels


def test_a_share_has_wilsons_interval():
    low, high = mean_share_interval(np.array([0.7]), np.array([4_000]))
    expected = stats.binomtest(2_800, 4_000).proportion_ci(0.95, method="wilson")
    assert (low, high) == (pytest.approx(expected.low, abs=1e-5), pytest.approx(expected.high, abs=1e-5))
    z = stats.t.ppf(0.975, 9)  # few texts: Student's quantile stands in for the normal one
    middle, reach = (0.8 + z**2 / 20) / (1 + z**2 / 10), np.sqrt(z**2 / 10 * 0.16 + z**4 / 400) / (1 + z**2 / 10)
    low, high = mean_share_interval(np.array([0.8]), np.array([10]))
    assert (low, high) == (pytest.approx(middle - reach), pytest.approx(min(1.0, middle + reach)))


def test_intervals_of_many_means_are_those_of_each():
    shares, sizes = np.random.default_rng(1).random((2, 5)), np.arange(3, 13).reshape(2, 5)
    together = mean_share_interval(shares, sizes, widen=4 / 3)
    for place in range(5):
        alone = mean_share_interval(shares[:, place], sizes[:, place], widen=4 / 3)
        assert [end[place] for end in together] == pytest.approx(list(alone))


@pytest.mark.parametrize("rate", [0.0, 0.6, 1.0])
def test_hits_keep_their_means_and_never_have_an_interval_of_width_zero(rate):
    hits, labels = draw([4, 10, 30], rate)
    found = hit_statistics(hits, labels, 3, widen=4 / 3)
    macro = np.mean([hits[labels == label].mean() for label in range(3)])
    for ending, value in (("", hits.mean()), ("_macro", macro)):
        low, high = found[ending].interval
        assert 0.0 <= low <= value + 1e-12
        assert value - 1e-12 <= high <= 1.0
        assert high - low > 0.05
        assert found[ending].pseudo.mean() == pytest.approx(value)
    assert found[""].pseudo.std() == pytest.approx(4 / 3 * hits.std())


def test_macro_pseudo_values_are_those_of_leaving_each_text_out():
    hits, labels = draw([4, 10, 30])

    def macro(hits, labels):
        return np.mean([hits[labels == label].mean() for label in range(3)])

    without = np.array([macro(np.delete(hits, text), np.delete(labels, text)) for text in range(44)])
    expected = macro(hits, labels) + 44 * (macro(hits, labels) - without)
    np.testing.assert_allclose(macro_pseudo_values(hits, labels, 3), expected)


def test_equal_pseudo_values_are_no_certainty():
    pseudo = np.random.default_rng(0).normal(0.5, 0.2, size=30)
    reach = stats.t.ppf(0.975, 29) * pseudo.std(ddof=1) / np.sqrt(30)
    low, high = pseudo_value_interval(0.5, pseudo, low=-1.0, high=1.0)
    assert (low, high) == (pytest.approx(0.5 - reach), pytest.approx(0.5 + reach))
    low, high = pseudo_value_interval(1.0, np.ones(30), low=-1.0, high=1.0)
    assert low < 0.95
    assert high == pytest.approx(1.0)
