"""Evaluators' results and maps are kept in the store, and come back as they were."""

import numpy as np
import pytest

from evalkit.errors import EvaluationError
from evalkit.pipeline.evaluators import evaluation_of, run_evaluator
from evalkit.pipeline.project import project
from evalkit.pipeline.request import EvaluatorChoice, ProjectionChoice
from evalkit.store import Store, digest
from evalkit.types import Evaluation, Projection, Score

KEY = digest({"of": "a test"})


def choice(evaluate, described=()):
    return EvaluatorChoice(name="one", space="embedding", evaluate=evaluate, described=dict(described))


def test_a_result_is_made_once_and_comes_back_as_it_was(tmp_path):
    made = []

    def make():
        made.append(1)
        return Evaluation(
            scores=(Score("first/score", "embedding", 0.5, chance=0.1, parameters={"k": (1, 5)}),),
            per_text={"first/value": np.array([1.0, np.nan])},
            per_label={"first/share: ä": np.array([0.25])},
            pairs={"a": np.array([0, 1]), "b": np.array([1, 2])},
            warnings=("careful",),
        )

    for store in (Store(tmp_path), Store(tmp_path)):
        found = evaluation_of(store, KEY, make)
        assert found.scores == (Score("first/score", "embedding", 0.5, chance=0.1, parameters={"k": [1, 5]}),)
        np.testing.assert_array_equal(found.per_text["first/value"], [1.0, np.nan])
        np.testing.assert_array_equal(found.per_label["first/share: ä"], [0.25])
        np.testing.assert_array_equal(found.pairs["b"], [1, 2])
        assert found.warnings == ("careful",)
    assert len(made) == 1
    evaluation_of(Store(tmp_path / "other"), KEY, make)
    assert len(made) == 2


def test_k_goes_to_the_evaluators_that_leave_it_open():
    def evaluate(sample, rng, k=None):
        return Evaluation(scores=(Score("one/score", "embedding", 0.0, parameters={"k": k}),))

    for described, expected in (({"k": None}, (1, 5)), ({"k": [3]}, None), ({}, None)):
        found = run_evaluator(choice(evaluate, described), None, k=(1, 5), seed=0)
        assert found.scores[0].parameters == {"k": expected}


def test_a_result_that_is_no_evaluation_is_refused():
    with pytest.raises(EvaluationError, match="returned int, not an Evaluation"):
        run_evaluator(choice(lambda sample, rng: 3), None, k=(1,), seed=0)


def test_a_map_is_made_once(tmp_path):
    made = []

    def draw(unit, graph, *, seed):
        made.append(seed)
        return Projection("pca", np.full((len(unit), 2), float(seed)), seed, {"a": (1,)}, ("careful",))

    projection = ProjectionChoice("pca", draw, {}, chosen=True)
    unit = np.zeros((30, 3), dtype=np.float32)
    for seed in (0, 0, 1):
        found = project(projection, unit, None, Store(tmp_path), key=digest({"seed": seed}), seed=seed)
        assert (found.name, found.seed, found.parameters, found.warnings) == ("pca", seed, {"a": [1]}, ("careful",))
        np.testing.assert_array_equal(found.points, np.full((30, 2), float(seed)))
        found.points[0, 0] = 9  # the caller's own
    assert made == [0, 1]
