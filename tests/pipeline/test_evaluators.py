"""An evaluator's result is kept in the store, and of few texts in memory too."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from evalkit.errors import EvaluationError
from evalkit.pipeline import evaluators as evaluations
from evalkit.pipeline import project as maps
from evalkit.pipeline.evaluators import Bundle, bundled, evaluations_of
from evalkit.pipeline.request import EvaluatorChoice, ProjectionChoice
from evalkit.store import FEW_TEXTS, Store, digest
from evalkit.types import Evaluation, Projection, Score

OURS = {"_target_": "evalkit.metrics.separation.evaluate"}
FOREIGN = {"_target_": "fractions.Fraction"}
KEY = digest({"of": "a test"})


def choice(described, name="one", space="embedding"):
    return EvaluatorChoice(name=name, space=space, evaluate=lambda sample, rng: None, described=described)


@pytest.mark.parametrize(
    ("n", "described", "remembered"), [(FEW_TEXTS, OURS, True), (FEW_TEXTS + 1, OURS, False), (30, FOREIGN, False)]
)
def test_a_result_is_made_once(tmp_path, n, described, remembered):
    store, made = Store(tmp_path), []

    def make(asked):
        made.append(asked.name)
        return Evaluation(scores=(), per_text={"one/value": np.arange(3.0)})

    (bundle,) = bundled([(choice(described), KEY)], n)
    for _ in range(2):
        (found,) = evaluations_of(bundle, store, make)
        np.testing.assert_array_equal(found.per_text["one/value"], np.arange(3.0))
    assert len(made) == 1
    assert store.find(evaluations.KIND, KEY) is not None
    assert (evaluations._recent.find(store, KEY) is not None) == remembered
    evaluations_of(bundle, Store(tmp_path / "other"), make)
    assert len(made) == 2


KEYED = [
    (choice(OURS, "first"), digest({"of": 1})),
    (choice(OURS, "plane", "map"), digest({"of": 2})),
    (choice(FOREIGN, "foreign"), digest({"of": 3})),
    (choice(OURS, "last"), digest({"of": 4})),
]


def test_our_own_results_on_few_texts_are_kept_together_by_space():
    names = [[each.name for each in bundle.choices] for bundle in bundled(KEYED, FEW_TEXTS)]
    assert sorted(names) == [["first", "last"], ["foreign"], ["plane"]]
    assert [[each.name for each in bundle.choices] for bundle in bundled(KEYED, FEW_TEXTS + 1)] == [
        ["first"],
        ["plane"],
        ["foreign"],
        ["last"],
    ]


def test_a_bundle_is_another_where_one_of_its_members_is():
    def whole(keyed):
        return next(bundle.key for bundle in bundled(keyed, 30) if bundle.choices[0].name == "first")

    assert whole(KEYED) == whole(list(KEYED))
    assert whole(KEYED) != whole([*KEYED[:3], (choice(OURS, "last"), digest({"of": 5}))])
    assert whole(KEYED) != whole(KEYED[:3])


def test_what_is_kept_together_comes_back_as_it_was(tmp_path):
    store = Store(tmp_path)
    made = {
        "first": Evaluation(
            scores=(Score("first/score", "embedding", 0.5, chance=0.1, parameters={"k": (1, 5)}),),
            per_text={"first/value": np.array([1.0, np.nan])},
            per_label={"first/share": np.array([0.25])},
            warnings=("told",),
        ),
        "last": Evaluation(scores=(), pairs={"a": np.array([0, 1]), "b": np.array([1, 2])}),
    }
    bundle = Bundle((choice(OURS, "first"), choice(OURS, "last")), KEY, remembered=False)
    evaluations_of(bundle, store, lambda asked: made[asked.name])
    first, last = evaluations_of(bundle, store, lambda _: pytest.fail("made again"))
    assert first.scores[0].value == 0.5
    assert first.scores[0].parameters == {"k": [1, 5]}
    assert first.warnings == ("told",)
    np.testing.assert_array_equal(first.per_text["first/value"], [1.0, np.nan])
    np.testing.assert_array_equal(first.per_label["first/share"], [0.25])
    np.testing.assert_array_equal(last.pairs["b"], [1, 2])
    assert last.per_text == {}


def test_what_is_no_evaluation_is_refused(tmp_path):
    bundle = Bundle((choice(OURS),), KEY, remembered=True)
    with pytest.raises(EvaluationError, match="returned int, not an Evaluation"):
        evaluations_of(bundle, Store(tmp_path), lambda _: 3)


@pytest.mark.parametrize(("n", "remembered"), [(FEW_TEXTS, True), (FEW_TEXTS + 1, False)])
def test_a_map_is_drawn_once(tmp_path, n, remembered):
    store, drawn = Store(tmp_path), []

    def draw(unit, graph, *, seed):
        drawn.append(seed)
        return Projection("pca", np.zeros((len(unit), 2)), seed, {})

    projection = ProjectionChoice("pca", draw, {"_target_": "evalkit.projections.pca.project"}, chosen=True)
    embedding = SimpleNamespace(key=KEY, unit=np.zeros((n, 3), dtype=np.float32))
    graphs = SimpleNamespace(want=lambda k: None, whole=lambda: None)
    for seed in (0, 0, 1):
        assert maps.project(projection, embedding, graphs, store, seed=seed).seed == seed
    assert drawn == [0, 1]
    key = maps.projection_key(projection, embedding, 0)
    assert store.find(maps.KIND, key) is not None
    assert (maps._recent.find(store, key) is not None) == remembered
