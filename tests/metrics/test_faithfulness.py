import numpy as np
import pytest
from score_samples import by_name, codes, draw, noise, sample_of, unit

from evalkit.metrics import faithfulness
from evalkit.metrics.label_pairs import embedding_rates, pair_accuracy
from evalkit.neighbours.exact import plane


def drawn(n=80):
    vectors, labels = draw(n, 10, 4)
    return vectors, vectors[:, :2] + 0.2 * np.random.default_rng(1).normal(size=(n, 2)), labels


def evaluate(vectors, points, labels, k=10, queries=None):
    sample = sample_of(vectors, labels, points, depth=11, queries=queries)
    return faithfulness.evaluate(sample, np.random.default_rng(0), k=k)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_trustworthiness_and_continuity_equal_scikit_learn(k):
    from sklearn.manifold import trustworthiness
    from sklearn.metrics import pairwise_distances

    vectors, points, labels = drawn()
    found = by_name(evaluate(vectors, points, labels, k=k))
    exact = vectors.astype(np.float64)
    expected = trustworthiness(exact, points, n_neighbors=k, metric="cosine")
    assert found[f"trustworthiness_at_{k}"].value == pytest.approx(expected, abs=1e-12)
    # Continuity is trustworthiness with the two spaces exchanged; the embedding's neighbours by cosine are those by
    # Euclidean distance between unit vectors, which scikit-learn takes in its second argument.
    swapped = trustworthiness(pairwise_distances(points), exact, n_neighbors=k, metric="precomputed")
    assert found[f"continuity_at_{k}"].value == pytest.approx(swapped, abs=1e-12)


def test_by_hand():
    # Five texts on a quarter circle; the map exchanges the last two. K = 1, N = 5: the factor is 2/(1·(10−3−1)).
    angles = np.deg2rad([0, 10, 25, 45, 70])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    points = np.array([[0.0, 0], [1, 0], [2.5, 0], [7, 0], [4.5, 0]])
    near = plane(points, 1).indices
    # Map neighbours: 0→1, 1→0, 2→1, 3→4, 4→2. Places in the embedding: 1, 1, 1, and of 4 for text 3 (20 and 25 degrees
    # to 2 and 4): 2; of 2 for text 4 (25 to 3, 45 to 2): 2.
    values = faithfulness.trustworthiness_samples(vectors, np.arange(5), near)
    np.testing.assert_allclose(values, [1, 1, 1, 1 - 1 / 3, 1 - 1 / 3])


def test_perfect_map_reaches_one():
    angles = np.linspace(0, 1, 30)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors = unit(points)
    for name, score in by_name(evaluate(vectors, vectors, codes(10, 10, 10))).items():
        assert score.value == pytest.approx(1), name
        assert score.p_value is None
        assert not score.ranks_models


@pytest.mark.parametrize(("n", "k"), [(30, 10), (60, 5), (7, 2)])
def test_chance_is_the_mean_over_shuffled_maps(n, k):
    vectors, points, labels = drawn(n)
    rng = np.random.default_rng(1)
    trust, continuity = [], []
    for _ in range(300):
        found = by_name(evaluate(vectors, rng.permutation(points), labels, k=k))
        trust.append(found[f"trustworthiness_at_{k}"].value)
        continuity.append(found[f"continuity_at_{k}"].value)
        assert found[f"trustworthiness_at_{k}"].chance == faithfulness.chance(n, k)
    for values in (trust, continuity):
        assert np.mean(values) == pytest.approx(faithfulness.chance(n, k), abs=4 * np.std(values) / np.sqrt(300))


def test_label_scores_see_what_the_map_loses_and_adds():
    rng = np.random.default_rng(0)
    labels = codes(20, 20)
    apart = unit(np.eye(6)[labels] + 0.1 * rng.normal(size=(40, 6)))
    mixed = unit(rng.normal(size=(40, 6)))
    clumps = np.array([[0.0, 0], [50, 0]])[labels] + rng.normal(size=(40, 2))
    noise = rng.normal(size=(40, 2))
    lost, added = faithfulness.label_faithfulness(apart, noise, labels, 2)
    assert lost < 0.75
    assert added == 1
    lost, added = faithfulness.label_faithfulness(mixed, clumps, labels, 2)
    assert lost == 1
    assert added < 0.75
    assert faithfulness.label_faithfulness(apart, clumps, labels, 2) == (1, 1)


def test_noise_gains_no_label_continuity_from_dimension():
    # Plain distance consistency is 1.00 on noise of 30 × 768; leave-one-out accuracy is not above one half.
    vectors = noise(30, 768)
    accuracy = pair_accuracy(embedding_rates(vectors, codes(6, 6, 6, 6, 6), 5))
    assert accuracy[np.triu_indices(5, 1)].mean() == pytest.approx(0.5, abs=0.12)


def test_sampled_queries_are_said_and_near_the_whole(monkeypatch):
    vectors, points, labels = drawn(600)
    whole = by_name(evaluate(vectors, points, labels))
    monkeypatch.setattr(faithfulness, "ALL_TEXTS", 100)
    monkeypatch.setattr(faithfulness, "MOST_QUERIES", 300)
    evaluation = evaluate(vectors, points, labels)
    sampled = by_name(evaluation)
    name = "trustworthiness_at_10"
    assert sampled[name].parameters["queries"] == 300
    assert np.isfinite(evaluation.per_text[f"faithfulness/{name}"]).sum() == 300
    assert sampled[name].value == pytest.approx(whole[name].value, abs=0.02)


def test_graphs_of_sampled_queries_are_read_at_their_rows():
    vectors, points, labels = drawn(200)
    queries = np.sort(np.random.default_rng(0).choice(200, 60, replace=False))
    whole, part = evaluate(vectors, points, labels), evaluate(vectors, points, labels, queries=queries)
    for name, column in part.per_text.items():
        np.testing.assert_allclose(column[queries], whole.per_text[name][queries])
        assert np.isnan(np.delete(column, queries)).all()


def test_blocks_do_not_change_the_result(monkeypatch):
    vectors, points, _ = drawn()
    near = plane(points, 10).indices
    whole = faithfulness.trustworthiness_samples(vectors, np.arange(80), near)
    monkeypatch.setattr(faithfulness, "BLOCK_VALUES", 400)
    np.testing.assert_array_equal(faithfulness.trustworthiness_samples(vectors, np.arange(80), near), whole)


@pytest.mark.parametrize(
    ("vectors", "points"),
    [
        (np.ones((6, 3)), np.zeros((6, 2))),
        (np.zeros((6, 3)), np.arange(12.0).reshape(6, 2)),
        (np.array([[1.0], [-1], [1], [-1]]), np.arange(8.0).reshape(4, 2)),
    ],
    ids=["all equal", "zero vectors", "one dimension, four texts"],
)
def test_degenerate_input_has_finite_scores(vectors, points):
    labels = (np.arange(len(vectors)) % 2).astype(np.int32)
    found = evaluate(unit(vectors), points, labels)
    for score in found.scores:
        assert 0 <= score.value <= 1, score.name
    assert found.scores[0].parameters["K"] == (len(vectors) - 1) // 2
