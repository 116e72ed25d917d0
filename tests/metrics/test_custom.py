import numpy as np
import pytest
from score_samples import codes, sample_of

from evalkit.errors import EvaluationError, RequestError
from evalkit.metrics.custom import evaluate

UNIT = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)


def scored(function, name, points=None, **options):
    sample = sample_of(UNIT, codes(4, 4, 4), points)
    return evaluate(sample, np.random.default_rng(0), function=function, name=name, **options).scores


def same_label_cosine(vectors, labels):
    same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    return (vectors @ vectors.T)[same].mean()


def test_a_function_becomes_a_score_with_its_null():
    (score,) = scored(same_label_cosine, "own/cosine", best=1.0)
    assert score.name == "own/cosine"
    assert score.space == "embedding"
    assert score.value == 1
    # 3 of the 11 other texts share a text's vector, whatever the label.
    assert score.chance == pytest.approx(3 / 11, abs=0.03)
    assert score.adjusted == pytest.approx(1)
    assert score.p_value == 0.01
    assert score.parameters["permutations"] == 99


def test_direction_is_minded():
    (score,) = scored(same_label_cosine, "own/cosine", higher_is_better=False)
    assert score.p_value == 1
    assert score.adjusted is None


def test_a_score_of_the_map_sees_its_points():
    points = np.arange(24.0).reshape(12, 2)
    (score,) = scored(lambda p, _: p.sum(), "own/sum", points, space="map", permutations=0)
    assert (score.value, score.space, score.p_value) == (276, "map", None)


def broken(vectors, labels):
    raise ZeroDivisionError("by nothing")


@pytest.mark.parametrize(
    ("function", "options", "error", "match"),
    [
        (broken, {}, EvaluationError, r"own/score failed with ZeroDivisionError \(by nothing\)"),
        (lambda *_: None, {}, EvaluationError, "return one number"),
        (same_label_cosine, {"space": "map"}, RequestError, "there is none"),
        (same_label_cosine, {"space": "plane"}, RequestError, "embedding or map"),
    ],
)
def test_what_cannot_be_is_said(function, options, error, match):
    with pytest.raises(error, match=match):
        scored(function, "own/score", **options)
