import numpy as np
import pytest

from evalkit.errors import EvaluationError, RequestError
from evalkit.metrics.custom import evaluate
from evalkit.types import Sample

LABELS = np.repeat([0, 1, 2], 4).astype(np.int32)
UNIT = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)


def sample_of(points=None):
    return Sample(UNIT, UNIT, LABELS, 3, None, None, points=points)


def same_label_cosine(vectors, labels):
    same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    return (vectors @ vectors.T)[same].mean()


def test_a_function_becomes_a_score_with_its_null():
    evaluation = evaluate(
        sample_of(), np.random.default_rng(0), function=same_label_cosine, name="own/cosine", best=1.0
    )
    (score,) = evaluation.scores
    assert score.name == "own/cosine"
    assert score.space == "embedding"
    assert score.value == 1
    # 3 of the 11 other texts share a text's vector, whatever the label.
    assert score.chance == pytest.approx(3 / 11, abs=0.03)
    assert score.adjusted == pytest.approx(1)
    assert score.p_value == 0.01
    assert score.parameters["permutations"] == 99


def test_direction_is_minded():
    (score,) = evaluate(
        sample_of(), np.random.default_rng(0), function=same_label_cosine, name="own/cosine", higher_is_better=False
    ).scores
    assert score.p_value == 1
    assert score.adjusted is None


def test_a_score_of_the_map_sees_its_points():
    points = np.arange(24.0).reshape(12, 2)
    (score,) = evaluate(
        sample_of(points), np.random.default_rng(0), function=lambda p, _: p.sum(), name="own/sum", space="map",
        permutations=0,
    ).scores  # fmt: skip
    assert score.value == 276
    assert score.space == "map"
    assert score.p_value is None


def test_what_cannot_be_is_said():
    def broken(vectors, labels):
        raise ZeroDivisionError("by nothing")

    rng = np.random.default_rng(0)
    with pytest.raises(EvaluationError, match=r"own/broken failed with ZeroDivisionError \(by nothing\)"):
        evaluate(sample_of(), rng, function=broken, name="own/broken")
    with pytest.raises(EvaluationError, match="return one number"):
        evaluate(sample_of(), rng, function=lambda *_: None, name="own/none")
    with pytest.raises(RequestError, match="there is none"):
        evaluate(sample_of(), rng, function=same_label_cosine, name="own/cosine", space="map")
    with pytest.raises(RequestError, match="embedding or map"):
        evaluate(sample_of(), rng, function=same_label_cosine, name="own/cosine", space="plane")
