from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.neighbours.exact import nearest
from evalkit.stats.graph_intervals import calibrate, mean_interval
from evalkit.stats.jackknife import jackknife
from evalkit.stats.labelled_graph import LabelledGraph, label_statistic


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def scores_from_scratch(x: np.ndarray, labels: np.ndarray, ks) -> np.ndarray:
    """(2, scores): micro and macro, by sorting every row, for vectors without ties."""
    n = len(labels)
    rows = np.full((len(ks) + 2, n), np.nan)
    similarities = x.astype(float) @ x.T.astype(float)
    for i in range(n):
        order = [j for j in np.argsort(-similarities[i]) if j != i]
        relevant = (labels[order] == labels[i]).astype(float)
        r = int((labels == labels[i]).sum()) - 1
        rows[: len(ks), i] = [relevant[:k].mean() for k in ks]
        if r:
            rows[-2, i] = relevant[:r].mean()
            rows[-1, i] = (relevant * np.cumsum(relevant) / np.arange(1, n))[:r].sum() / r
    means = [[np.nanmean(row[labels == c]) for c in np.unique(labels)] for row in rows]
    return np.array([np.nanmean(rows, axis=1), np.nanmean(means, axis=1)])


@pytest.mark.parametrize("sizes", [(8, 8, 8), (3, 5, 9, 6)])
def test_pseudo_values_are_those_of_really_deleting_every_text(sizes):
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    n = len(labels)
    x = unit(np.random.default_rng(0).normal(size=(n, 5)) + np.eye(5)[labels])
    ks = [1, 3, 7]
    found = jackknife(LabelledGraph.of(nearest(x, n // 2), np.bincount(labels), ks, r_scores=True), labels)
    whole = scores_from_scratch(x, labels, ks)
    np.testing.assert_allclose(found.means, whole, atol=1e-12)
    for m in range(n):
        keep = np.arange(n) != m
        without = scores_from_scratch(x[keep], labels[keep], ks)
        np.testing.assert_allclose(found.pseudo[:, :, m], n * whole - (n - 1) * without, atol=1e-10)


@pytest.mark.parametrize(("depth", "listed"), [(2, 5), (3, 8), (3, 14)], ids=["complement", "few listed", "all listed"])
def test_tied_texts_are_deleted_in_expectation(depth, listed):
    """Against graphs of the corpora that really lack one text."""
    labels = np.arange(15, dtype=np.int32) % 3
    x = unit(np.random.default_rng(0).normal(size=(15, 6)))
    x[:6] = unit((np.random.default_rng(depth).random((6, 6)) < 0.5).astype(float))
    x[12:] = x[:3]
    names, ks = ["k1", "k", "r", "m"], [1, depth]

    def scores(keep):
        laid = LabelledGraph.of(nearest(x[keep], keep.size - 1), np.bincount(labels[keep]), ks, r_scores=True)
        found = label_statistic(laid, names)(labels[keep][None])
        return np.array([[found[name + suffix][0] for name in names] for suffix in ("", "_macro")])

    found = jackknife(LabelledGraph.of(nearest(x, listed), np.bincount(labels), ks, r_scores=True), labels)
    whole = scores(np.arange(15))
    np.testing.assert_allclose(found.means, whole, atol=1e-12)
    for m in range(15):
        without = scores(np.delete(np.arange(15), m))
        np.testing.assert_allclose(found.pseudo[:, :, m], 15 * whole - 14 * without, atol=1e-10)


def test_the_pairs_part_is_the_sum_of_squared_effects():
    labels = np.repeat(np.arange(3, dtype=np.int32), 8)
    x = unit(np.random.default_rng(1).normal(size=(24, 5)))
    found = jackknife(LabelledGraph.of(nearest(x, 8), np.bincount(labels), [3], r_scores=False), labels)
    similarities = x.astype(float) @ x.T.astype(float)
    total = 0.0
    for i in range(24):
        order = [j for j in np.argsort(-similarities[i]) if j != i]
        same = labels[order] == labels[i]
        effects = np.array([np.delete(same, m)[:3].mean() - same[:3].mean() for m in range(23)])
        for part in (effects[same], effects[~same]):
            total += ((part - part.mean()) ** 2).sum()
    assert found.second_order[0, 0] == pytest.approx(total / 23**2)  # each of the other 23 rows weighs 1/23


def test_calibrated_values_keep_the_score_and_never_more_than_the_jackknife():
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(5), 12)
    pseudo = rng.normal(0.6, 0.4, size=60)
    jackknifed = pseudo.var(ddof=1) / 60
    for part in (0.0, 0.3 * jackknifed, 5 * jackknifed):
        calibrated = calibrate(0.55, pseudo, part, labels)
        assert calibrated.mean() == pytest.approx(0.55)
        share = calibrated.var(ddof=1) / 60 / jackknifed
        misses = 60 * 0.45
        expected = max(0.4, 1 - 1.25 * misses / (misses + 3) * part / jackknifed)
        assert share == pytest.approx(expected, rel=1e-9)


def test_what_labels_differ_by_is_not_taken_for_chance():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [80, 20])
    noise = rng.normal(0, 0.2, size=100)
    apart = calibrate(0.5, noise + 3.0 * labels, 0.0, labels)
    alike = calibrate(0.5, noise, 0.0, labels)
    assert apart.std() < 1.1 * alike.std()  # 1.2 and more, were the labels' difference counted


def test_equal_pseudo_values_are_no_certainty():
    labels = np.repeat(np.arange(5), 6)
    for value, least, most in ((0.0, 0.0, 0.0), (0.4, 0.3, 0.39), (1.0, 0.9, 0.97)):
        low, high = mean_interval(value, calibrate(value, np.full(30, value), 0.0, labels))
        assert least <= low <= most
        assert value <= high <= 1.0
        assert high - low > 0.02


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=4, max_size=60),
    st.floats(0.05, 1.0),
    st.floats(0.1, 8.0),
    st.booleans(),
)
def test_intervals_hold_the_score_within_its_range_and_have_width(values, high, stretch, macro):
    values = np.array(values) * high
    value = float(values.mean())
    labels = np.arange(len(values)) % 2
    pseudo = value + stretch * (values - value)
    low, top = mean_interval(value, pseudo, high=high, labels=labels if macro else None)
    assert -1e-12 <= low <= value + 1e-12
    assert value - 1e-12 <= top <= high + 1e-12
    assert top - low > 1e-4


def test_independent_hits_give_the_jeffreys_interval():
    hits = np.repeat([0.0, 1.0], [120, 280])
    low, high = mean_interval(0.7, hits)
    expected = stats.beta.ppf([0.025, 0.975], 280.5, 120.5)
    np.testing.assert_allclose([low, high], expected, atol=1.5e-3)
    scaled = mean_interval(0.35, hits / 2, high=0.5)
    np.testing.assert_allclose(np.array(scaled) * 2, [low, high])


def test_a_mean_over_labels_has_the_degrees_of_freedom_of_its_small_labels():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], [3, 97])
    pseudo = 0.5 + np.where(labels == 0, 5.0, 0.1) * rng.normal(size=100)
    pseudo += 0.5 - pseudo.mean()
    wide = np.diff(mean_interval(0.5, pseudo, labels=labels))[0]
    narrow = np.diff(mean_interval(0.5, pseudo))[0]
    assert wide > 1.5 * narrow
