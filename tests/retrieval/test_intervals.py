from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import EvaluationError
from evalkit.retrieval.intervals import clustered_error, compare_queries, mean_interval


def population(kind: str, mean: float, rng: np.random.Generator) -> np.ndarray:
    """200,000 per-query values: right or wrong, or nDCG-like ones that pile up at 0 and 1."""
    if kind == "binary":
        return (rng.random(200_000) < mean).astype(float)
    return rng.beta(mean * 0.7, (1 - mean) * 0.7, 200_000).round(2)


@pytest.mark.parametrize("kind", ["binary", "graded"])
@pytest.mark.parametrize("mean", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("q", [20, 50, 200])
def test_intervals_cover_and_are_hardly_wider_than_needed(kind, mean, q):
    rng = np.random.default_rng(q)
    values = population(kind, mean, rng)
    draws = 1500
    found = np.array([mean_interval(rng.choice(values, q)) for _ in range(draws)])
    covered = np.mean((found[:, 0] <= values.mean()) & (values.mean() <= found[:, 1]))
    assert covered >= 0.93 - 3 * np.sqrt(0.93 * 0.07 / draws)
    widths = found[:, 1] - found[:, 0]
    assert widths.mean() <= 1.27 * 2 * 1.96 * values.std() / np.sqrt(q)
    assert widths.min() > 0
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("value", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("q", [2, 20, 1000])
def test_equal_values_have_an_interval_of_some_width_within_the_range(value, q):
    low, high = mean_interval(np.full(q, value))
    assert 0 <= low <= value <= high <= 1
    assert high - low > 0
    low, high = mean_interval(np.full(q, value * 0.1), best=0.1, ceiling=0.1)
    assert 0 <= low <= value * 0.1 + 1e-12
    assert low < high <= 0.1


def test_one_query_says_nothing():
    assert mean_interval(np.array([0.4])) == (0.0, 1.0)
    assert mean_interval(np.array([0.4, 0.5]), groups=np.array([0, 0], np.int32)) == (0.0, 1.0)


def test_the_clustered_error_is_the_sandwich():
    """By hand: three groups with sums of residuals −1.5, 0.5, 1 about the mean of 6 values."""
    values = np.array([1.0, 2.0, 3.0, 3.0, 4.0, 2.0])
    groups = np.array([0, 0, 1, 1, 2, 1], dtype=np.int32)
    sums = [1 + 2 - 2 * 2.5, 3 + 3 + 2 - 3 * 2.5, 4 - 2.5]
    expected = np.sqrt(3 / 2 * sum(s * s for s in sums)) / 6
    assert clustered_error(values, groups) == pytest.approx(expected, abs=1e-15)
    assert clustered_error(values) == pytest.approx(stats.sem(values))
    assert clustered_error(values, np.arange(6, dtype=np.int32)) == pytest.approx(stats.sem(values))


def test_the_clustered_error_and_test_are_statsmodels():
    from statsmodels import api as models

    rng = np.random.default_rng(4)
    groups = rng.integers(0, 12, 90).astype(np.int32)
    gaps = rng.normal(0.1, 0.2, 90) + rng.normal(0, 0.2, 12)[groups]
    fitted = models.OLS(gaps, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert clustered_error(gaps, groups) == pytest.approx(fitted.bse[0], rel=1e-10)
    found = compare_queries(gaps, np.zeros(90), rng, groups=groups)
    assert found.p == pytest.approx(fitted.pvalues[0], rel=0.05)  # the share of equal differences adds a little
    assert found.ci_low == pytest.approx(fitted.conf_int()[0][0], abs=2e-3)


def test_grouped_queries_are_not_taken_for_independent():
    rng = np.random.default_rng(6)
    missed = 0
    for _ in range(600):
        values = np.repeat(rng.beta(4, 2, 25), 8) * 0.9 + rng.random(200) * 0.1
        low, high = mean_interval(values, groups=np.repeat(np.arange(25), 8).astype(np.int32))
        missed += not low <= 0.9 * 4 / 6 + 0.05 <= high
    assert missed / 600 <= 0.085


@pytest.mark.parametrize(("differing", "q"), [(0.05, 50), (0.3, 20), (1.0, 30), (0.4, 100)])
def test_equal_models_are_seldom_called_different(differing, q):
    rng = np.random.default_rng(int(differing * 100) + q)
    draws, rejected = 500, 0
    for _ in range(draws):
        gaps = np.where(rng.random(q) < differing, rng.choice([-1, -0.37, 0.37, 1], q), 0)
        rejected += compare_queries(0.5 + gaps / 2, np.full(q, 0.5), rng).p <= 0.05
    assert rejected / draws <= stats.binom.ppf(0.999, draws, 0.05) / draws


def test_the_exact_test_counts_all_sign_patterns():
    a, b = np.array([1.0, 1.0, 1.0, 1.0, 0.2] + [0.5] * 20), np.array([0.0, 0.5, 0.5, 0.5, 0.0] + [0.5] * 20)
    found = compare_queries(a, b, np.random.default_rng(0))
    assert found.p == 2 / 2**5
    assert compare_queries(np.ones(28), np.r_[np.zeros(4), np.ones(24)], np.random.default_rng(0)).p == 2 / 2**4


def test_drawn_signs_are_close_to_the_exact_share():
    rng = np.random.default_rng(8)
    gaps = rng.normal(0.1, 0.3, 18).clip(-1, 1)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 18, copy=False)).reshape(18, -1)
    exact = np.mean(np.abs(gaps @ signs) >= abs(gaps.sum()) - 1e-12)
    assert compare_queries(gaps, np.zeros(18), rng).p == pytest.approx(exact, abs=4 * np.sqrt(exact / 9_999))


@pytest.mark.parametrize("gap", [-1.0, 0.0, 0.02, 1.0])
def test_intervals_of_differences_have_width_and_stay_within_one(gap):
    found = compare_queries(np.full(20, max(gap, 0.0)), np.full(20, max(-gap, 0.0)), np.random.default_rng(0))
    assert -1 <= found.ci_low < found.ci_high <= 1
    assert found.ci_low <= gap <= found.ci_high


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_intervals_of_differences_cover(share):
    rng = np.random.default_rng(9)
    missed = 0
    for _ in range(400):
        gaps = np.where(rng.random(50) < share, rng.choice([1, 0.63, 0.37, -0.5], 50), 0)
        found = compare_queries(gaps.clip(0), -gaps.clip(max=0), rng)
        missed += not found.ci_low <= share * 0.375 <= found.ci_high
    assert missed / 400 <= 0.07 + 3 * np.sqrt(0.07 * 0.93 / 400)


def test_swapping_the_models_turns_the_sign_and_queries_needed_shrink_with_the_difference():
    rng = np.random.default_rng(10)
    a, b = rng.random(12).round(1), rng.random(12).round(1)
    forth, back = (compare_queries(*pair, np.random.default_rng(0)) for pair in ((a, b), (b, a)))
    assert (forth.difference, forth.p, forth.texts_needed) == (-back.difference, back.p, back.texts_needed)
    near, far = (compare_queries(a + add, a, rng).texts_needed for add in (rng.normal(0.01, 0.2, 12), 0.5))
    assert near > far == 0


def test_other_queries_are_refused():
    with pytest.raises(EvaluationError, match="same queries, found 3 and 4"):
        compare_queries(np.zeros(3), np.zeros(4), np.random.default_rng(0))
    assert compare_queries(np.ones(1), np.zeros(1), np.random.default_rng(0)).p == 1.0
