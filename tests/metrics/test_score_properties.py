"""What must hold of every score, whatever the vectors and labels: hypothesis looks for those of which it does not."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from score_samples import by_name, clouds, codes, draw, noise, sample_of

import evalkit
from evalkit.errors import RequestError
from evalkit.types import SplitVectors

EVALUATORS = ("neighbours", "separation", "clustering")
ONE_RANGE = {
    "neighbours/": (0.0, 1.0),
    "separation/silhouette": (-1.0, 1.0),
    "separation/centroid_accuracy": (0.0, 1.0),
}

sizes = st.lists(st.integers(2, 7), min_size=2, max_size=4)
hard = st.sampled_from(["normal", "equal", "zero rows", "tiny", "huge", "one dimension", "duplicates", "opposite"])


def vectors_of(kind: str, codes: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    drawn = random.normal(size=(len(codes), 1 if kind == "one dimension" else 5)) + 2.0 * (codes[:, None] % 3)
    if kind == "equal":
        drawn[:] = drawn[0]
    elif kind == "zero rows":
        drawn[random.random(len(codes)) < 0.4] = 0
    elif kind == "tiny":
        drawn *= 1e-30
    elif kind == "huge":
        drawn *= 1e30
    elif kind == "duplicates":
        drawn = drawn[random.integers(0, max(1, len(codes) // 3), len(codes))]
    elif kind == "opposite":
        drawn[::2] *= -1
    return drawn.astype(np.float32)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes=sizes, kind=hard, seed=st.integers(0, 2**32 - 1))
def test_scores_are_finite_or_undefined_and_within_their_range(sizes, kind, seed):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    try:
        scores = evalkit.evaluate(vectors_of(kind, codes, seed), codes, evaluators=EVALUATORS)
    except RequestError:
        assert len(codes) < 4 or kind == "one dimension"
        return
    for score in scores:
        for name in ("value", "chance", "adjusted", "p_value", "ci_low", "ci_high"):
            figure = getattr(score, name)
            assert figure is None or math.isfinite(figure), (score.name, name, figure)
        if score.value is None:
            continue
        if score.p_value is not None:
            assert 0 < score.p_value <= 1, score
        if score.ci_low is not None and score.ci_high is not None:
            assert score.ci_low <= score.ci_high, score
        for prefix, (low, high) in ONE_RANGE.items():
            if score.name.startswith(prefix) and score.ranks_models:
                assert low - 1e-9 <= score.value <= high + 1e-9, score


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes=sizes, seed=st.integers(0, 2**32 - 1), shuffle=st.integers(0, 2**32 - 1))
def test_neither_order_nor_names_nor_lengths_change_a_value(sizes, seed, shuffle):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    vectors = vectors_of("normal", codes, seed)
    random = np.random.default_rng(shuffle)
    order = random.permutation(len(codes))
    names = random.permutation([f"label {number}" for number in range(len(sizes))])
    lengths = np.exp2(random.integers(-3, 4, size=(len(codes), 1))).astype(np.float32)  # powers of two: exact
    chosen = ("neighbours", "separation")
    one = {score.name: score for score in evalkit.evaluate(vectors, codes, evaluators=chosen)}
    other = evalkit.evaluate((vectors * lengths)[order], names[codes][order], evaluators=chosen)
    for score in other:
        assert score.value == pytest.approx(one[score.name].value, abs=2e-5), score.name
        assert score.best == one[score.name].best


FAMILIES = (
    "neighbours", "separation", "clustering", "probe", "geometry", "map_separation", "hulls", "faithfulness",
    "label_neighbours",
)  # fmt: skip


def evaluate(family, sample, rng, **options):
    return importlib.import_module(f"evalkit.metrics.{family}").evaluate(sample, rng, **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_generator_gives_the_same_result(family):
    vectors, labels = draw(40, 12, 4, 0.3)
    sample = sample_of(vectors, labels, clouds(40, 4)[0], depth=39)
    first, again = (evaluate(family, sample, np.random.default_rng(3)) for _ in range(2))
    assert first.scores == again.scores
    for kind in ("per_text", "per_label", "pairs"):
        columns = getattr(again, kind)
        for name, column in getattr(first, kind).items():
            np.testing.assert_array_equal(column, columns[name], err_msg=name)


TEXTS, ON_MAP = noise(9, 4), {"points": clouds(9, 2)[0], "depth": 8}
ONE_TRAIN_LABEL = SplitVectors(TEXTS, TEXTS, codes(9), codes(5, 4))


@pytest.mark.parametrize(
    ("family", "labels", "more", "options", "match"),
    [
        *[
            (family, codes(4, 5), ON_MAP, {"k": k}, "k must lie between 1 and 8")
            for family in ("neighbours", "map_separation")
            for k in ([9], [0], [])
        ],
        ("faithfulness", codes(4, 5), ON_MAP, {"k": 0}, "must be 1 or more"),
        ("faithfulness", codes(4, 5), {}, {}, "there is none: choose one"),
        ("map_separation", codes(4, 5), {}, {}, "there is none: choose one"),
        ("hulls", codes(4, 5), {}, {}, "there is none: choose one"),
        ("separation", codes(9), {}, {}, "needs two labels or more"),
        ("probe", codes(8, 1), {}, {}, "label number 2 in sorted order has 1"),
        ("probe", codes(5, 4), {"split": ONE_TRAIN_LABEL}, {}, "train rows bear fewer than two labels"),
    ],
)
def test_what_cannot_be_scored_is_refused(family, labels, more, options, match):
    with pytest.raises(RequestError, match=match):
        evaluate(family, sample_of(TEXTS, labels, **more), np.random.default_rng(0), **options)


@pytest.mark.parametrize(
    ("family", "options", "constants", "stated"),
    [
        ("separation", {"null_sample": 80}, {}, {"null_texts": 80}),
        ("clustering", {"fit_sample": 80}, {}, {"fitted_texts": 80, "starts": 3}),
        ("probe", {"null_sample": 80, "permutations": 3}, {}, {"null_texts": 80}),
        ("geometry", {"null_sample": 80}, {}, {"null_texts": 80}),
        ("hulls", {}, {"NULL_TEXTS": 80}, {"null_texts": 80}),
    ],
)
def test_a_large_corpus_is_compared_on_a_stated_sample(monkeypatch, family, options, constants, stated):
    sample = sample_of(*draw(200, 8, 4, 3.0), clouds(200, 4, 3.0)[0], depth=10)
    whole = evaluate(family, sample, np.random.default_rng(0))
    for name, value in {"LARGE": 100, **constants}.items():
        monkeypatch.setattr(f"evalkit.metrics.{family}.{name}", value)
    found = evaluate(family, sample, np.random.default_rng(0), **options)
    compared = [score for score in found.scores if stated.items() <= score.parameters.items()]
    values = {score.name: score.value for score in whole.scores}
    assert compared
    for score in compared:
        assert score.value == pytest.approx(values[score.name])
        assert score.p_value == pytest.approx(1 / (1 + score.parameters["permutations"]))


@pytest.mark.parametrize(
    ("family", "draws"),
    [
        ("hulls", 40),
        pytest.param("map_separation", 60, marks=pytest.mark.slow),
        pytest.param("probe", 30, marks=pytest.mark.slow),
        pytest.param("separation", 300, marks=pytest.mark.slow),
    ],
)
def test_p_values_are_uniform_where_labels_mean_nothing(family, draws):
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        sample = sample_of(noise(24, 8, 1000 + seed), np.arange(24) % 4, rng.normal(size=(24, 2)), depth=11)
        for name, score in by_name(evaluate(family, sample, rng)).items():
            found.setdefault(name, []).append((score.p_value, score.adjusted))
    for name, rows in found.items():
        p = np.array([row[0] for row in rows])
        for level in (0.05, 0.2):
            assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / draws), name
        assert p.mean() > 0.5 - 3 * np.sqrt(1 / 12 / draws), name
        if name in ("silhouette", "overlap"):  # without ties
            assert p.mean() < 0.5 + 4 * np.sqrt(1 / 12 / draws), name
        if name != "calinski_harabasz":  # has no best value
            adjusted = np.array([row[1] for row in rows])
            assert abs(adjusted.mean()) < 4 * adjusted.std() / np.sqrt(draws), name
