from dataclasses import replace

import numpy as np
import pytest
from score_samples import by_name, codes, draw, sample_of
from sklearn.linear_model import LogisticRegression

from evalkit.errors import EvaluationError
from evalkit.metrics.probe import evaluate, fold_count
from evalkit.types import SplitVectors


def test_folds_are_as_many_as_the_smallest_label_allows():
    assert fold_count(codes(9, 3)) == 3
    assert fold_count(codes(90, 30)) == 5


def test_separate_labels_are_told_apart():
    unit, labels = draw(40, 12, 4, separation=3.0)
    evaluation = evaluate(sample_of(unit, labels), np.random.default_rng(0))
    scores = by_name(evaluation)
    assert list(scores) == ["accuracy", "accuracy_macro", "macro_f1"]
    for score in scores.values():
        assert score.value == 1
        assert score.p_value == 1 / 20
        assert score.parameters["permutations"] == 19
    assert 0 < scores["accuracy"].ci_low < 1
    assert 0 < scores["accuracy_macro"].ci_low < 1
    assert scores["macro_f1"].ci_low is None
    assert np.array_equal(evaluation.per_text["probe/accuracy"], np.ones(40))


def split_sample(extra_train_label=False, seed=0):
    unit, labels = draw(90, 12, 3, separation=2.0, seed=seed)
    # In the split's own coding the train-only label comes first, as sorted names may have it.
    shift = int(extra_train_label)
    train_labels = labels[:60] + shift
    if extra_train_label:
        train_labels[:6] = 0
    test = np.concatenate([unit[60:], unit[60:61]])  # one row doubled, which only MTEB's protocol keeps
    test_labels = np.append(labels[60:], labels[60]) + shift
    split = SplitVectors(3 * unit[:60], 3 * test, train_labels.astype(np.int32), test_labels.astype(np.int32))
    return sample_of(unit[60:], labels[60:], split=split)


@pytest.mark.parametrize("extra_train_label", [False, True])
def test_a_split_is_learnt_from_train_and_scored_on_the_texts(extra_train_label):
    sample = split_sample(extra_train_label)
    scores = by_name(evaluate(sample, np.random.default_rng(0)))
    model = LogisticRegression(max_iter=1000).fit(sample.split.train / 3, sample.split.train_labels)
    expected = (model.predict(sample.unit) == sample.labels + int(extra_train_label)).mean()
    assert scores["accuracy"].value == expected
    assert expected > 0.8
    assert scores["accuracy"].parameters["train_texts"] == 60
    assert scores["accuracy"].p_value == 1 / 20
    mteb = scores["mteb_accuracy"]
    assert len(mteb.parameters["per_draw"]) == 10
    assert mteb.value == pytest.approx(np.mean(mteb.parameters["per_draw"]))
    assert mteb.parameters["test_texts"] == 31
    assert mteb.chance == 11 / 31
    assert mteb.p_value == 0.001


def test_a_test_label_without_train_rows_is_said():
    sample = split_sample()
    keep = sample.split.train_labels != 2
    split = replace(sample.split, train=sample.split.train[keep], train_labels=sample.split.train_labels[keep])
    evaluation = evaluate(sample_of(sample.unit, sample.labels, split=split), np.random.default_rng(0))
    assert "1 labels of the test rows have no train row" in evaluation.warnings[0]
    assert not evaluation.per_text["probe/accuracy"][sample.labels == 2].any()


def test_texts_that_lost_a_label_cannot_be_matched():
    sample = split_sample()
    some = sample_of(sample.unit[:2], sample.labels[:2], split=sample.split)
    with pytest.raises(EvaluationError, match="3 labels and the scored texts 2"):
        evaluate(some, np.random.default_rng(0))


def test_equal_and_zero_vectors_give_chance():
    for unit in (np.ones((20, 1), dtype=np.float32), np.zeros((20, 3), dtype=np.float32)):
        score = evaluate(sample_of(unit, np.arange(20) % 2), np.random.default_rng(0), permutations=3).scores[0]
        assert score.value == pytest.approx(0.5)
        assert score.p_value == 1
