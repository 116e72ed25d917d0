import numpy as np
import pytest
from sklearn.metrics import silhouette_samples as sklearn_silhouettes

from evalkit.metrics import label_means as class_sums
from evalkit.metrics import silhouettes
from evalkit.metrics.separation import encode_labels, evaluate, silhouette_samples
from evalkit.types import NeighbourGraph, Sample, Ties

NO_TIES = Ties(*(np.zeros(n, dtype=t) for n, t in ((0, "i8"), (1, "i8"), (0, "i4"), (0, "?"), (0, "i8"))))


def draw(n, d, k, cone=0.0, seed=0):
    """Unit vectors in clusters of unequal sizes, about a direction that all share where `cone` is large."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(k, n, p=rng.dirichlet(np.full(k, 2.0)))
    labels[: 2 * k] = np.arange(2 * k) % k
    vectors = 0.4 * rng.standard_normal((k, d))[labels] + rng.standard_normal((n, d)) + cone
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels.astype(np.int32)


def lean(unit, labels):
    return silhouettes.silhouettes(unit, *encode_labels(labels, len(unit)))


def apart(unit, labels):
    """Largest difference from scikit-learn in double precision."""
    return np.abs(lean(unit, labels) - sklearn_silhouettes(unit.astype(np.float64), labels, metric="cosine")).max()


@pytest.mark.parametrize("cone", [0.0, 5.0, 50.0], ids=["spread", "cone", "narrow cone"])
@pytest.mark.parametrize(("n", "d", "k"), [(1501, 384, 23), (1999, 16, 7), (700, 64, 200), (130, 3, 2)])
def test_values_are_those_of_scikit_learn(n, d, k, cone):
    # No N is a multiple of the block's rows, and the largest have several blocks a thread.
    assert apart(*draw(n, d, k, cone)) < 1e-6


def test_labels_of_one_text_and_duplicates():
    unit, labels = draw(900, 48, 6)
    unit[100:140] = unit[100]
    unit[labels == 2] = unit[labels == 2][0]
    labels[[3, 500, 899]] = [10, 11, 12]
    assert apart(unit, labels) < 1e-6
    assert np.array_equal(lean(unit, labels)[[3, 500, 899]], np.zeros(3))


def test_zero_vectors_are_at_distance_one_from_all():
    unit, labels = draw(600, 48, 5)
    unit[[0, 17, 320, 599]] = 0
    unit[labels == 3] = 0
    assert apart(unit, labels) < 1e-6
    assert apart(np.zeros_like(unit), labels) == 0


def test_equal_vectors_separate_nothing():
    unit, labels = draw(500, 48, 5)
    assert np.array_equal(lean(np.tile(unit[0], (500, 1)), labels), np.zeros(500))


def test_texts_may_be_sorted_or_alternate_by_label(monkeypatch):
    monkeypatch.setattr(silhouettes, "MIDDLE_ROWS", 100)
    unit, labels = draw(1200, 32, 4, cone=10.0)
    order = np.argsort(labels, kind="stable")
    assert apart(unit[order], labels[order]) < 1e-6
    # Every twelfth, as many as the middle is taken of, bear one label, and lie apart from the others in their cone.
    labels = np.where(np.arange(1200) % 12 == 0, 0, 1 + np.arange(1200) % 3)
    unit[labels == 0] *= np.where(np.arange(32) < 4, -1, 1).astype(np.float32)
    assert apart(unit, labels) < 1e-6


def test_blocks_hold_few_rows_where_labels_are_many(monkeypatch):
    monkeypatch.setattr(silhouettes, "BLOCK_VALUES", 1)
    monkeypatch.setattr(silhouettes, "FEWEST_ROWS", 7)
    assert apart(*draw(300, 16, 50)) < 1e-6


def test_any_layout_and_type_of_vectors_will_do():
    unit, labels = draw(400, 32, 5)
    expected = lean(unit, labels)
    unit.flags.writeable = False
    assert np.array_equal(lean(unit, labels), expected)
    for same in (np.asfortranarray(unit), unit.astype(np.float64), np.repeat(unit, 2, axis=0)[::2]):
        assert lean(same, labels) == pytest.approx(expected, abs=1e-6)


def test_large_corpora_take_this_way_and_the_evaluation_agrees(monkeypatch):
    unit, labels = draw(300, 24, 5, cone=2.0)
    exact = silhouette_samples(unit, labels)
    monkeypatch.setattr(class_sums, "DOUBLE_WORK", 0)
    assert np.array_equal(silhouette_samples(unit, labels), lean(unit, labels))
    assert np.abs(lean(unit, labels) - exact).max() < 1e-6
    graph = NeighbourGraph(np.zeros((300, 0), "i4"), np.zeros((300, 0), "f4"), 300, None, NO_TIES)
    found = evaluate(Sample(unit, unit, labels, 5, graph, graph), np.random.default_rng(0))
    assert np.abs(found.per_text["separation/silhouette"] - lean(unit, labels)).max() < 1e-6
