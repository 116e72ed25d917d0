"""Vectors drawn, graphs built anew in every draw: independent per-text values would hide the very problem."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evalkit.metrics.neighbours import precision_best
from evalkit.neighbours.exact import nearest
from evalkit.stats import graph_intervals as intervals
from evalkit.stats import paired_test as paired
from evalkit.stats.jackknife import jackknife
from evalkit.stats.labelled_graph import LabelledGraph, graph_depth, label_statistic
from evalkit.stats.permutation import p_value, permute_scores

KS = (1, 5, 10)
NAMES = ("precision_at_1", "precision_at_5", "precision_at_10", "r_precision", "map_at_r")


@pytest.fixture(scope="module")
def calibration(repository):
    spec = importlib.util.spec_from_file_location("calibration", repository / "benchmarks" / "calibration.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["calibration"]


def at_most(share: float, draws: int) -> float:
    """What a true share exceeds in one of a thousand simulations of this size."""
    return stats.binom.ppf(0.999, draws, share) / draws


def at_least(share: float, draws: int) -> float:
    return stats.binom.ppf(0.001, draws, share) / draws


def labelled(calibration, condition, rng, factor=1.0):
    labels = condition.codes
    unit = calibration.draw(condition, rng.normal(size=(labels.size, calibration.DIMENSIONS)), factor=factor)
    graph = nearest(unit, graph_depth(labels, KS))
    return LabelledGraph.of(graph, np.bincount(labels), KS, r_scores=True), labels


def calibrated(laid, labels, s, found):
    high = precision_best(laid.sizes, KS[s])[0] if s < len(KS) else 1.0
    value = float(found.means[0, s])
    pseudo = intervals.calibrate(value, found.pseudo[0, s], float(found.second_order[0, s]), labels, high=high)
    return value, pseudo, intervals.mean_interval(value, pseudo, high=high)


def test_p_values_are_uniform_without_structure(calibration):
    condition, draws = calibration.Condition(30, "unequal", "none"), 150
    found = {name: [] for name in (*NAMES, *(f"{name}_macro" for name in NAMES))}
    spread = {name: [] for name in found}
    adjusted = {name: [] for name in found}
    for number in range(draws):
        rng = np.random.default_rng([1, number])
        laid, labels = labelled(calibration, condition, rng)
        statistic = label_statistic(laid, NAMES)
        null = permute_scores(statistic, labels, count=99, rng=rng)
        for name, value in statistic(labels[None]).items():
            equal = np.abs(null[name] - value[0]) <= 1e-12
            found[name].append(p_value(float(value[0]), null[name], higher_is_better=True))
            ahead = np.count_nonzero((null[name] > value[0]) & ~equal)
            spread[name].append((ahead + rng.random() * (1 + equal.sum())) / 100)
            adjusted[name].append(value[0] - null[name].mean())
    for name, values in found.items():
        for alpha in (0.05, 0.2, 0.5):
            assert np.mean(np.array(values) <= alpha) <= at_most(alpha, draws), (name, alpha)
        assert stats.kstest(spread[name], "uniform").pvalue > 0.001, name
        gaps = np.array(adjusted[name])
        assert abs(gaps.mean()) <= 4 * gaps.std() / np.sqrt(draws), name


@pytest.mark.parametrize("separation", ["weak", "middling", "strong"])
def test_thirty_texts_intervals_cover_and_equal_models_are_let_be(calibration, separation):
    condition, draws = calibration.Condition(30, "equal", separation), 120
    seen = {1: [], 4: []}  # precision_at_5 and map_at_r
    for number in range(draws):
        rng = np.random.default_rng([2, number])
        models = [labelled(calibration, condition, rng) for _ in range(2)]
        found = [jackknife(*model) for model in models]
        for s, rows in seen.items():
            one, other = (calibrated(*model, s, each) for model, each in zip(models, found, strict=True))
            rows.append((one[0], *one[2], paired.compare(one[1], other[1]).p))
    for rows in seen.values():
        values, low, high, p = np.array(rows).T
        covers = (low <= values.mean()) & (values.mean() <= high)
        assert covers.mean() >= at_least(0.93, draws)
        assert (p <= 0.05).mean() <= at_most(0.06, draws)
        assert (high - low).min() > 0.01
        if separation != "strong":
            assert (high - low).mean() < 1.35 * 3.92 * values.std()


def check(frame: pd.DataFrame, separation: str, *, few: bool) -> None:
    graph_scores = frame[frame.index.str.startswith("neighbours/")]
    assert len(graph_scores) == 10
    for name, row in graph_scores.iterrows():
        draws = int(row["draws"])
        if few and name.endswith("_macro"):
            assert np.isnan(row["coverage"])
            assert np.isnan(row["false"])
            continue
        assert row["coverage"] >= at_least(0.93, draws), name
        assert row["least_width"] > 0, name
        assert row["false"] <= at_most(0.06, draws), name
        assert row["shared"] <= at_most(0.06, draws), name
    if separation == "none":
        for name, row in frame.iterrows():
            for alpha in (0.01, 0.05, 0.1, 0.5):
                assert row[f"p<={alpha}"] <= at_most(alpha, int(row["draws"])), (name, alpha)
            if np.isfinite(row["adjusted"]):
                assert abs(row["adjusted"]) <= 4 * row["adjusted_error"], name


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("texts", "draws", "separation", "labels"),
    [
        (30, 60, "none", "equal"), (30, 60, "middling", "unequal"), (300, 20, "weak", "equal"),
        (300, 20, "strong", "unequal"),
    ],
)  # fmt: skip
def test_every_score_is_calibrated(calibration, texts, draws, separation, labels):
    condition = calibration.Condition(texts, labels, separation)
    check(
        calibration.summarise(calibration.simulate(condition, range(draws), seed=7)),
        separation,
        few=labels == "unequal" and texts == 30,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_power_grows_with_the_texts(calibration):
    power = []
    for texts in (30, 300):
        condition = calibration.Condition(texts, "equal", "weak")
        frame = calibration.summarise(calibration.simulate(condition, range(30), seed=3))
        power.append(frame.loc["neighbours/map_at_r", "power"])
    assert power[1] > power[0]
    assert power[1] > 0.9


def simulated(calibration, conditions, draws=2):
    frames = [calibration.run(condition, range(draws), 0) for condition in conditions]
    return [
        (condition, calibration.summarise(frame), seconds)
        for condition, (frame, seconds) in zip(conditions, frames, strict=True)
    ]


def test_the_pages_tell_what_was_simulated(calibration, tmp_path):
    results = simulated(calibration, [calibration.Condition(30, "equal", name) for name in ("none", "weak")])
    whole = calibration.page(results, "python x", "abc1234")
    assert "2 draws of 30 texts, none, 2 draws of 30 texts, weak;" in whole
    assert "commit abc1234" in whole
    text = calibration.summary(results)
    names = [line.split(" | ")[0].strip("| ") for line in text.splitlines()[2:]]
    assert "neighbours/map_at_r_macro" in names
    assert "probe/accuracy" in names
    assert not any(name.startswith(("map/", "hulls/")) for name in names)
    page = tmp_path / "metrics.md"
    page.write_text(f"before\n{calibration.OPENING}\nold\n{calibration.CLOSING}\nafter\n", encoding="utf-8")
    calibration.write_summary(text, page)
    assert page.read_text(encoding="utf-8") == (
        f"before\n{calibration.OPENING}\n{text}\n{calibration.CLOSING}\nafter\n"
    )
