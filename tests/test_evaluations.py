"""An evaluator's result is kept in the store, and of few texts in memory too."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from evalkit import evaluations, maps
from evalkit.errors import EvaluationError
from evalkit.evaluations import evaluation_of
from evalkit.request import EvaluatorChoice, ProjectionChoice
from evalkit.store import FEW_TEXTS, Store, digest
from evalkit.values import Evaluation, Projection

OURS = {"_target_": "evalkit.metrics.separation.evaluate"}
FOREIGN = {"_target_": "fractions.Fraction"}
KEY = digest({"of": "a test"})


def choice(described):
    return EvaluatorChoice(name="one", space="embedding", evaluate=lambda sample, rng: None, described=described)


@pytest.mark.parametrize(
    ("n", "described", "remembered"), [(FEW_TEXTS, OURS, True), (FEW_TEXTS + 1, OURS, False), (30, FOREIGN, False)]
)
def test_a_result_is_made_once(tmp_path, n, described, remembered):
    store, made = Store(tmp_path), []

    def make():
        made.append(1)
        return Evaluation(scores=(), per_text={"one/value": np.arange(3.0)})

    for _ in range(2):
        found = evaluation_of(choice(described), store, KEY, n, make)
        np.testing.assert_array_equal(found.per_text["one/value"], np.arange(3.0))
    assert len(made) == 1
    assert store.find(evaluations.KIND, KEY) is not None
    assert (evaluations._recent.find(store, KEY) is not None) == remembered
    evaluation_of(choice(described), Store(tmp_path / "other"), KEY, n, make)
    assert len(made) == 2


def test_what_is_no_evaluation_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="returned int, not an Evaluation"):
        evaluation_of(choice(OURS), Store(tmp_path), KEY, 30, lambda: 3)


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
