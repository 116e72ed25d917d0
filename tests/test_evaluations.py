"""Where an evaluator's result is kept: of few texts in memory, of many and of others' evaluators in the store."""

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
    ("n", "described", "on_disk"), [(FEW_TEXTS, OURS, False), (FEW_TEXTS + 1, OURS, True), (30, FOREIGN, True)]
)
def test_a_result_is_made_once(tmp_path, n, described, on_disk):
    store, made = Store(tmp_path), []

    def make():
        made.append(1)
        return Evaluation(scores=(), per_text={"one/value": np.arange(3.0)})

    for _ in range(2):
        found = evaluation_of(choice(described), store, KEY, n, make)
        np.testing.assert_array_equal(found.per_text["one/value"], np.arange(3.0))
    assert len(made) == 1
    assert (store.find(evaluations.KIND, KEY) is not None) == on_disk
    evaluation_of(choice(described), Store(tmp_path / "other"), KEY, n, make)
    assert len(made) == 2


def test_what_is_no_evaluation_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="returned int, not an Evaluation"):
        evaluation_of(choice(OURS), Store(tmp_path), KEY, 30, lambda: 3)


@pytest.mark.parametrize(("n", "on_disk"), [(FEW_TEXTS, False), (FEW_TEXTS + 1, True)])
def test_a_map_is_drawn_once(tmp_path, n, on_disk):
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
    assert (store.find(maps.KIND, maps.projection_key(projection, embedding, 0)) is not None) == on_disk
