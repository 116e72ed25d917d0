import numpy as np
import pytest

from evalkit.metrics import map_separation as mapped
from evalkit.metrics import neighbours, probe, separation
from evalkit.neighbours.exact import nearest, plane
from evalkit.stats.labelled_graph import graph_depth
from evalkit.stats.macro_tests import macro_is_testable
from evalkit.types import Sample


def sample(sizes):
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    vectors = np.random.default_rng(1).normal(size=(labels.size, 8)) + 2 * np.eye(8)[labels % 8]
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    points = unit[:, :2].astype(np.float64)
    graph = nearest(unit, graph_depth(labels, (1, 5, 10)))
    return Sample(unit, unit, labels, len(sizes), graph, graph, points, plane(points, 11))


@pytest.mark.parametrize(
    ("sizes", "testable"),
    [
        ([6] * 5, True),
        ([5, 5], True),
        ([12, 8, 5, 3, 2], False),
        ([3] + [14] * 9, True),  # a tenth
        ([3, 4] + [14] * 9, False),
        ([1] * 9 + [30], True),  # the value of a text alone is fixed
    ],
)
def test_small_labels_count_once_they_are_more_than_a_tenth(sizes, testable):
    assert macro_is_testable(np.array(sizes)) is testable


@pytest.mark.parametrize("family", [neighbours, separation, mapped, probe])
def test_macro_scores_of_small_labels_keep_value_and_p_but_lose_what_two_texts_cannot_tell(family):
    found = family.evaluate(sample([12, 8, 5, 3, 2]), np.random.default_rng(0))
    twins = [score for score in found.scores if score.name.endswith("_macro")]
    assert twins
    for score in twins:
        assert score.ci_low is score.ci_high is None
        assert score.parameters["interval"] == "none: more than a tenth of the labels have fewer than 5 texts"
        assert score.value is not None
        assert score.p_value is not None
        assert f"{score.name}.pseudo" not in found.per_text
    others = [score for score in found.scores if score.ci_low is not None]
    assert others
    assert all(not score.name.endswith("_macro") for score in others)
    equal = family.evaluate(sample([6] * 5), np.random.default_rng(0)).scores
    assert any(score.ci_low is not None for score in equal if score.name.endswith("_macro"))
