import numpy as np
import pytest
from scipy import stats

from evalkit.errors import EvaluationError
from evalkit.stats.paired_test import Comparison, compare, holm, verdict


def test_the_test_is_students_on_the_pseudo_values():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 0.4, size=40), rng.normal(0.5, 0.4, size=40)
    found = compare(a, b)
    expected = stats.ttest_rel(a, b)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    interval = expected.confidence_interval(0.95)
    assert (found.ci_low, found.ci_high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    back = compare(b, a)
    assert (back.difference, back.ci_low, back.ci_high) == (-found.difference, -found.ci_high, -found.ci_low)
    assert (back.p, back.texts_needed) == (found.p, found.texts_needed)


def test_identical_models_do_not_differ():
    pseudo = np.random.default_rng(2).normal(size=30)
    found = compare(pseudo, pseudo.copy())
    assert (found.difference, found.p, found.texts_needed) == (0.0, 1.0, None)
    assert found.ci_low < 0 < found.ci_high
    assert verdict("bge", "mpnet", found, n_texts=30) == "tied at 30 texts; no difference was seen"


def test_two_perfect_models_are_not_certain_to_be_equal():
    found = compare(np.ones(30), np.ones(30))
    assert found.p == 1.0
    assert found.ci_high == pytest.approx(stats.t.ppf(0.975, 29) * 0.5 / 30)


def test_texts_without_a_value_are_left_out():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=20), rng.normal(size=20)
    expected = compare(np.delete(a, [3, 7]), np.delete(b, [3, 7]))
    a[3] = b[7] = np.nan
    assert compare(a, b) == expected


def test_different_texts_are_refused():
    with pytest.raises(EvaluationError, match="same texts, found 30 and 29"):
        compare(np.ones(30), np.ones(29))
    with pytest.raises(EvaluationError, match="at least two texts"):
        compare(np.array([1.0, np.nan]), np.array([0.0, 1.0]))


def test_the_number_of_texts_needed_gives_a_power_of_four_fifths():
    rng = np.random.default_rng(4)
    gaps = rng.normal(size=100)
    gaps = 0.1 + 0.8 * (gaps - gaps.mean()) / gaps.std(ddof=1)
    needed = compare(gaps, np.zeros(100)).texts_needed
    assert needed == pytest.approx((2.8 * 8) ** 2 - 100, rel=0.01)
    told = [compare(rng.normal(0.1, 0.8, size=100 + needed), np.zeros(100 + needed)).p <= 0.05 for _ in range(1_000)]
    assert np.mean(told) == pytest.approx(0.8, abs=0.04)
    assert compare(gaps + 1, np.zeros(100)).texts_needed == 0


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, made monotone
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    assert holm([]).size == 0


def test_holm_keeps_the_family_wise_error():
    rng = np.random.default_rng(5)
    wrong = [(holm(rng.uniform(size=6)) <= 0.05).any() for _ in range(4_000)]
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4_000)


TIED, SIZE = "tied at 30 texts", "a difference of this size"


@pytest.mark.parametrize(
    ("comparison", "p", "expected"),
    [
        ((0.031, 0.012, 0.049, 0.001, 0), None, "bge is ahead of mpnet by 0.031 [0.012, 0.049]"),
        ((-0.031, -0.049, -0.012, 0.001, 0), None, "mpnet is ahead of bge by 0.031 [0.012, 0.049]"),
        ((0.03, -0.05, 0.1, 0.4, 243), None, f"{TIED}; about 240 more texts would tell {SIZE}"),
        ((0.03, 0.001, 0.1, 0.04, 7), 0.12, f"{TIED}; about 7 more texts would tell {SIZE}"),
        ((0.03, 0.01, 0.1, 0.005, 0), 0.07, f"{TIED}, once corrected for the number of comparisons"),
        ((1e-6, -0.05, 0.1, 0.99, 4e7), None, f"{TIED}; more than a million more would be needed to tell {SIZE}"),
    ],
)
def test_verdicts(comparison, p, expected):
    assert verdict("bge", "mpnet", Comparison(*comparison), n_texts=30, p=p) == expected


def test_where_lower_is_better_the_lower_is_ahead():
    lower = verdict("a", "b", Comparison(-0.2, -0.3, -0.1, 0.001, 0), n_texts=30, higher_is_better=False)
    assert lower == "a is ahead of b by 0.200 [0.100, 0.300]"
