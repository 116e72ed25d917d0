import numpy as np
import pytest
from scipy import stats
from score_samples import by_name, draw, sample_of
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information, mutual_info_score

from evalkit.metrics import clustering
from evalkit.metrics.clustering import ami, ari, assign_clusters, evaluate, mutual_information, v_measure


def contingency(labels, clusters):
    return contingency_matrix(labels, clusters).astype(np.int64)


def expected(table):
    return expected_mutual_information(table, int(table.sum()))


def test_by_hand():
    # Two pairs of texts, of which k-means swaps none: both groupings are one; then fully crossed.
    assert float(v_measure(contingency([0, 0, 1, 1], [1, 1, 0, 0]))) == pytest.approx(1)
    crossed = contingency([0, 0, 1, 1], [0, 1, 0, 1])
    assert float(mutual_information(crossed)) == 0
    # Pairs together in both: 0; expected 2·2/6; best 2: (0 − 2/3) / (2 − 2/3).
    assert float(ari(crossed)) == pytest.approx(-0.5)


@pytest.mark.parametrize(("n", "k", "kept"), [(30, 5, 0.5), (1000, 20, 0.3), (4000, 150, 0.0), (50, 40, 0.2)])
def test_equal_scikit_learn(n, k, kept):
    rng = np.random.default_rng(n)
    labels, other = rng.integers(0, k, n), rng.integers(0, k // 2 + 1, n)
    clusters = np.where(rng.random(n) < kept, labels, other)
    table = contingency(labels, clusters)
    assert float(ami(table, expected(table))) == pytest.approx(adjusted_mutual_info_score(labels, clusters), abs=1e-9)
    assert float(ari(table)) == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-12)
    assert float(v_measure(table)) == pytest.approx(v_measure_score(labels, clusters), abs=1e-12)
    assert float(mutual_information(table)) == pytest.approx(mutual_info_score(labels, clusters), abs=1e-12)


def test_adjusted_scores_are_zero_in_the_mean_over_permutations():
    tables = stats.random_table([20, 10, 5, 1], [12, 12, 12]).rvs(4000, random_state=np.random.default_rng(0))
    tables = tables.astype(np.int64)
    for drawn in (ami(tables, expected(tables[0])), ari(tables)):
        assert abs(drawn.mean()) < 4 * drawn.std() / np.sqrt(4000)


def test_separate_labels_are_found_again():
    unit, labels = draw(60, 16, 4, separation=4.0)
    scores = evaluate(sample_of(unit, labels), np.random.default_rng(0)).scores
    assert [score.name for score in scores] == ["clustering/ami", "clustering/ari", "clustering/v_measure"]
    for score in scores:
        assert score.value == pytest.approx(1)
        assert score.p_value == 0.001
        assert score.adjusted == pytest.approx(1)


def test_v_measure_by_chance_is_far_above_zero_with_many_labels():
    unit, labels = draw(120, 16, 40, separation=0.0)
    scores = by_name(evaluate(sample_of(unit, labels), np.random.default_rng(0)))
    v = scores["v_measure"]
    assert v.value == pytest.approx(v.chance, abs=0.05)
    assert v.chance > 0.5
    assert scores["ami"].chance == scores["ari"].chance == 0
    assert abs(v.adjusted) < 0.15
    assert v.p_value > 0.01


@pytest.mark.parametrize("separation", [0.0, 0.5])
def test_the_scores_do_not_depend_on_the_order_of_the_texts(separation):
    unit, labels = draw(80, 16, 4, separation)
    order = np.random.default_rng(3).permutation(80)
    first = evaluate(sample_of(unit, labels), np.random.default_rng(7)).scores
    assert evaluate(sample_of(unit[order], labels[order]), np.random.default_rng(7)).scores == first


def test_equal_vectors_are_one_group():
    unit, labels = np.tile(np.float32([1, 0]), (6, 1)), np.array([0, 0, 0, 1, 1, 1])
    evaluation = evaluate(sample_of(unit, labels), np.random.default_rng(0))
    assert [score.value for score in evaluation.scores] == [0, 0, 0]
    assert [score.p_value for score in evaluation.scores] == [1, 1, 1]
    assert "found 1 groups for 2 labels" in evaluation.warnings[0]


def test_every_text_its_own_label_leaves_nothing_to_find():
    evaluation = evaluate(sample_of(np.eye(4, dtype=np.float32), np.arange(4)), np.random.default_rng(0))
    assert [score.value for score in evaluation.scores[:2]] == [None, None]  # AMI and ARI


def test_all_texts_are_assigned_to_the_centres_fitted_on_some():
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(12, 16))
    unit = (centres[rng.integers(12, size=3_000)] + 0.5 * rng.normal(size=(3_000, 16))).astype(np.float32)
    rows = np.arange(0, 3_000, 2)
    clusters = assign_clusters(unit, rows, 12, 5, starts=3)
    model = KMeans(12, n_init=3, random_state=5).fit(unit[rows])
    np.testing.assert_array_equal(clusters, model.predict(unit))


def test_word_counts_get_the_clusters_of_dense_vectors(monkeypatch):
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(4), 500)
    counts = (rng.random((2000, 600)) < 0.002 + 0.05 * (np.arange(600) % 4 == labels[:, None])).astype(np.float32)
    unit = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)
    thin = assign_clusters(unit, np.arange(2000), 4, 0, starts=3)
    monkeypatch.setattr(clustering, "SPARSE", 0.0)
    dense = assign_clusters(unit, np.arange(2000), 4, 0, starts=3)
    # A text may lie midway between two centroids, and go to either by rounding.
    assert adjusted_rand_score(thin, dense) > 0.995
