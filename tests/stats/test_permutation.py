from __future__ import annotations

import numpy as np
import pytest

from evalkit.stats.permutation import adjust, build_score, p_value, permutation_count, permute_scores


def test_p_value_by_hand():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert p_value(0.3, null, higher_is_better=True) == pytest.approx(3 / 5)
    assert p_value(0.3, null, higher_is_better=False) == pytest.approx(4 / 5)
    assert p_value(9.0, null, higher_is_better=True) == pytest.approx(1 / 5)
    assert p_value(0.3 + 5e-13, null, higher_is_better=True) == pytest.approx(3 / 5)
    assert p_value(1e6, np.array([1e6 - 1e-5, 0.0]), higher_is_better=True) == pytest.approx(2 / 3)  # rounding
    assert p_value(None, null, higher_is_better=True) is None
    assert p_value(0.3, np.array([np.nan]), higher_is_better=True) is None


def test_adjusted_is_0_at_chance_and_1_at_best():
    assert adjust(0.2, 0.2, 1.0) == 0.0
    assert adjust(1.0, 0.2, 1.0) == 1.0
    assert adjust(0.1, 0.5, 0.0) == pytest.approx(0.8)
    assert adjust(0.4, 0.4, 0.4) is None
    assert adjust(0.4, 0.2, None) is None


def test_permutations_keep_the_label_sizes_and_follow_the_generator_in_any_blocks():
    labels = np.repeat(np.arange(3, dtype=np.int32), [2, 3, 5])
    seen: list[np.ndarray] = []

    def statistic(drawn):
        seen.append(drawn.copy())
        return {"mean": (drawn * np.arange(10)).mean(axis=1)}

    runs = [
        permute_scores(statistic, labels, count=150, rng=np.random.default_rng(seed), block=block)["mean"]
        for seed, block in ((1, 64), (1, 7), (2, 64))
    ]
    drawn = np.concatenate(seen)[:150]
    assert drawn.shape == (150, 10)
    assert drawn.dtype == np.int32
    assert (np.sort(drawn, axis=1) == labels).all()
    assert len(np.unique(drawn, axis=0)) > 100
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_many_permutations_only_where_they_are_cheap():
    assert permutation_count(1e5) == 999
    assert permutation_count(1e8) == 99
    assert permutation_count(1e6, budget=999e6) == 999


def test_a_score_takes_its_chance_from_the_null_unless_there_is_a_closed_form():
    null = np.array([0.1, 0.3])
    score = build_score("s", "embedding", 0.5, best=1.0, null=null)
    assert (score.chance, score.p_value, score.adjusted) == pytest.approx((0.2, 1 / 3, 0.375))
    assert score.parameters == {"permutations": 2}
    score = build_score("s", "embedding", 0.5, best=1.0, chance=0.25, null=null, interval=(0.4, 0.6))
    assert (score.chance, score.ci_low, score.ci_high) == (0.25, 0.4, 0.6)
    assert build_score("s", "embedding", 0.5, best=1.0, null=null, observed=0.2).p_value == pytest.approx(2 / 3)
    score = build_score("s", "embedding", float("nan"), best=1.0, null=null)
    assert (score.value, score.p_value, score.adjusted) == (None, None, None)
