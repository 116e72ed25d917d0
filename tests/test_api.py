import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from evalkit import evaluate
from evalkit.errors import RequestError
from evalkit.records import read_record


@pytest.fixture
def clusters():
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(3, 8)) * 3
    labels = np.repeat(["a", "b", "c"], 10)
    return centres[np.repeat(np.arange(3), 10)] + rng.normal(size=(30, 8)), labels


def test_two_labels_of_three_orthogonal_texts():
    scores = evaluate(np.repeat(np.eye(2), 3, axis=0), list("aaabbb"), evaluators=["neighbours", "separation"])
    assert scores["neighbours/precision_at_1"].value == 1
    assert scores["neighbours/precision_at_1"].chance == pytest.approx(0.4)
    assert scores["separation/silhouette"].value == 1


def test_lengths_and_names_do_not_matter(clusters):
    vectors, labels = clusters
    scaled = vectors * np.linspace(0.5, 9, 30)[:, None]
    renamed = np.where(labels == "a", "zebra", labels)
    one = evaluate(vectors, labels, evaluators=["neighbours"])
    two = evaluate(scaled, renamed, evaluators=["neighbours"])
    assert one["neighbours/precision_at_5"].value == pytest.approx(two["neighbours/precision_at_5"].value)


def test_the_same_numbers_as_a_run(evalkit, tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 6)).astype(np.float32)
    labels = ["x", "y"] * 10
    np.save(tmp_path / "v.npy", vectors)
    rows = [f"text {n},{label}" for n, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    given = ("model=precomputed", f"model.path={tmp_path}/v.npy", "dataset=csv", f"dataset.path={tmp_path}/t.csv")
    done = evalkit(*given, "projection=pca").succeeded()
    mine = {score.name: score for score in evaluate(vectors, labels, projection="pca")}
    for score in read_record(done.runs[0]).scores:
        assert mine[score.name].value == pytest.approx(score.value), score.name
        assert mine[score.name].p_value == pytest.approx(score.p_value), score.name


def test_a_projection_adds_the_map_scores(clusters):
    scores = evaluate(*clusters, projection="pca")
    assert {"map/silhouette", "hulls/overlap", "faithfulness/label_continuity"} <= {score.name for score in scores}
    assert scores.projection.points.shape == (30, 2)
    assert len(scores.table()) == len(scores)


def forms(vectors):
    """The same vectors as users hold them."""
    yield from (vectors.tolist(), pd.DataFrame(vectors), sparse.csr_matrix(vectors), sparse.csc_array(vectors))
    yield from (torch.tensor(vectors, requires_grad=True), torch.tensor(vectors, dtype=torch.bfloat16))
    yield from (vectors * 1e200, vectors * 1e-200, vectors * np.geomspace(1e-300, 1e300, len(vectors))[:, None])


def test_vectors_count_in_whatever_form_and_length_they_come(clusters):
    vectors, labels = np.round(clusters[0]), clusters[1]  # whole numbers, which bfloat16 holds
    expected = evaluate(vectors, labels, evaluators=["neighbours"])["neighbours/precision_at_5"]
    for form in forms(vectors):
        assert evaluate(form, labels, evaluators=["neighbours"])["neighbours/precision_at_5"].value == expected.value
    codes = np.repeat([0, 1, 2], 10)
    for form in (torch.tensor(codes), pd.Series(codes, index=codes), pd.Categorical(codes), iter(codes)):
        assert evaluate(vectors, form, evaluators=["neighbours"]).label_names == ("0", "1", "2")


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, np.nan, "", "  "])
def test_a_missing_label_is_no_label(clusters, missing):
    vectors, labels = clusters[0], [*clusters[1][:-2], missing, clusters[1][-1]]
    with pytest.raises(RequestError, match=r"row 28 has no label .*drop_unlabelled=True"):
        evaluate(vectors, labels)
    kept = np.arange(30) != 28
    scores = evaluate(vectors, labels, evaluators=["neighbours"], drop_unlabelled=True)
    expected = evaluate(vectors[kept], clusters[1][kept], evaluators=["neighbours"])
    name = "neighbours/precision_at_1"
    assert scores[name].value == expected[name].value
    assert scores.warnings[0] == "1 of 30 rows have no label and were left out."
    assert np.array_equal(scores.per_text[name][kept], expected.per_text[name])
    assert np.isnan(scores.per_text[name][28])


@pytest.mark.parametrize(
    ("vectors", "labels", "options", "words"),
    [
        (np.ones(5), list("aabbb"), {}, "one row a text"),
        (np.ones((5, 2), dtype=complex), list("aabbb"), {}, "complex"),
        ([["a"]] * 5, list("aabbb"), {}, "a table of numbers"),
        (np.ones((5, 2)), list("aabb"), {}, "5 vectors and 4 labels"),
        (np.ones((5, 2)), list("aaaaa"), {}, "all texts bear the label 'a'"),
        (np.ones((3, 2)), list("aab"), {}, "at least 4 texts"),
        (np.array([[1, 2], [1, np.nan], [1, 1], [2, 2]]), list("aabb"), {}, "first in row 1"),
        (np.array([[1, 2], [1, 3], [np.inf, 1], [2, 2]]), list("aabb"), {}, "first in row 2"),
        (np.ones((4, 2)), list("aabb"), {"k": [4]}, "K can be at most 3"),
        (np.ones((4, 2)), list("aabb"), {"k": 3}, "k must list different numbers from 1 up, and 3 was given"),
        (np.ones((4, 2)), list("aabb"), {"k": [0]}, "k must list different numbers from 1 up"),
        (np.ones((4, 2)), list("aabb"), {"seed": -1}, "seed must be from 0 to 4294967295, and -1 was given"),
        (np.ones((4, 2)), list("aabb"), {"projection": "isomap"}, "choose tsne, umap or pca"),
        (np.ones((4, 2)), list("aabb"), {"evaluators": []}, "evaluators is empty"),
        (np.ones((4, 2)), list("aabb"), {"evaluators": ["nothing"]}, "there is no evaluator 'nothing'"),
        (np.ones((4, 2)), list("aabb"), {"evaluators": ["hulls"]}, "scores a map, and there is none"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(vectors, labels, options, words):
    with pytest.raises(RequestError, match=words) as caught:
        evaluate(vectors, labels, **options)
    assert "\n" not in str(caught.value)
