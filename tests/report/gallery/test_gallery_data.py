import base64
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.report.gallery import data
from evalkit.report.gallery import grid as layout
from evalkit.report.gallery.page import embedded
from evalkit.report.load_runs import LoadedRun

EMPTY = pd.DataFrame()


def payload(runs, **changes):
    return data.payload(runs, {"leaderboard": EMPTY}, theme="auto", rank_by="map/silhouette", **changes)


def unpacked(text, kind="<u2"):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_text_that_looks_like_markup_is_data():
    hostile = ["<img src=x onerror=alert(1)>", "</script>", "<!--", "a\u2028b\u2029c", "&amp;", 'quote"', "\\u003c"]
    written = embedded(hostile)
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == hostile


def test_rows_are_finite_json():
    counts = pd.array([1, None], dtype="Int64")
    rows = data.json_rows(pd.DataFrame({"n": counts, "x": [0.5, np.nan], "s": ["a", None], "b": [True, False]}))
    assert rows == [{"n": 1, "x": 0.5, "s": "a", "b": True}, {"n": None, "x": None, "s": None, "b": False}]
    assert data.json_rows(pd.DataFrame({"x": [np.inf]})) == [{"x": None}]


def test_integers_are_packed_little_endian_and_never_wrapped():
    np.testing.assert_array_equal(unpacked(data.packed(np.array([0, 1, 65_535]), np.uint16)), [0, 1, 65_535])
    with pytest.raises(ValueError, match="do not fit uint16"):
        data.packed(np.array([65_536]), np.uint16)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_or_mirrored_map_is_turned_back_and_never_stretched(mirrored):
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(40, 2))
    turn = np.array([[np.cos(2.1), -np.sin(2.1)], [np.sin(2.1), np.cos(2.1)]]) @ np.diag([1, -1 if mirrored else 1])
    back = layout.aligned(3 * reference @ turn + 5, reference)
    np.testing.assert_allclose(back, 3 * (reference - reference.mean(axis=0)), atol=1e-12)


def test_coordinates_keep_one_scale_and_point_down():
    points = np.array([[0.0, 0.0], [4.0, 2.0], [2.0, 1.0]])
    np.testing.assert_array_equal(layout.quantised(points, 100), [[0, 75], [100, 25], [50, 50]])
    np.testing.assert_array_equal(layout.quantised(np.ones((3, 2)), 100), np.full((3, 2), 50))


def test_hulls_of_areas_lines_and_points():
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]])
    assert sorted(zip(*[iter(layout.hull(square))] * 2, strict=True)) == [(0, 0), (0, 2), (2, 0), (2, 2)]
    assert len(layout.hull(np.array([[0, 0], [1, 1], [2, 2]]))) == 4
    assert layout.hull(np.array([[3, 4], [3, 4]])) == [3, 4]


def test_models_are_rows_and_what_varies_is_in_the_columns(sweep):
    runs, tables = sweep()
    plan = layout.arrange(runs, tables["leaderboard"])
    assert plan.models == ["minilm", "tfidf", "random"]
    assert plan.columns == ["t-SNE · seed 0", "t-SNE · seed 1", "PCA · seed 0"]
    assert [str(runs[i].folder) for i in plan.order[:3]] == [
        f"sweep/minilm/{name}" for name in ("tsne-0", "tsne-1", "pca-0")
    ]


def test_poolings_are_columns_only_where_a_model_has_several(sweep):
    runs, _ = sweep()
    again = dataclasses.replace(runs[0].record, encoder={**runs[0].record.encoder, "pooling": "cls"})
    plan = layout.arrange([runs[0], dataclasses.replace(runs[0], record=again)], EMPTY)
    assert plan.columns == ["cls · t-SNE · seed 0", "mean · t-SNE · seed 0"]


def test_projection_parameters_are_said_where_they_differ(sweep):
    runs, _ = sweep()
    views = []
    for perplexity, loss in ((9, 0.3), (5, 0.4), (5, 0.5)):
        settings = {**runs[0].record.settings, "projection": {"name": "tsne", "perplexity": perplexity, "same": 1}}
        ran = {"name": "tsne", "seed": 0, "parameters": {"perplexity": perplexity, "kl_divergence": loss}}
        record = dataclasses.replace(runs[0].record, settings=settings, projection=ran)
        views.append(dataclasses.replace(runs[0], record=record))
    plan = layout.arrange(views, EMPTY)
    assert plan.columns == ["t-SNE perplexity 5 · seed 0", "t-SNE perplexity 9 · seed 0"]


def test_texts_are_stored_once_and_every_run_has_its_points(sweep):
    runs, _ = sweep()
    made = payload(runs)
    assert made["texts"] == list(runs[0].texts["text"])
    names = np.array(made["labels"])[unpacked(made["labelOf"])]
    assert list(names) == list(runs[0].texts["label"])
    assert len(made["runs"]) == 9
    for run in made["runs"]:
        assert unpacked(run["xy"]).shape == (60,)
        assert len(run["hulls"]) == len(run["hearts"]) == 5
    json.dumps(made, allow_nan=False)


def test_neighbours_are_the_five_nearest(sweep):
    runs, _ = sweep()
    made = payload(runs[:1])["runs"][0]["near"]
    stored = unpacked(made["of"]).reshape(30, made["k"])
    np.testing.assert_array_equal(stored, np.stack(runs[0].texts["neighbours"])[:, :5])


def test_above_the_budget_a_sample_of_every_topic_is_shown_with_hulls_of_all(sweep):
    runs, _ = sweep()
    whole = payload(runs)
    made = payload(runs, budget=1_500)
    assert 5 <= made["shown"] < 30
    kept = np.array(made["labels"])[unpacked(made["labelOf"])]
    counts = np.unique(kept, return_counts=True)[1]
    assert len(counts) == 5
    assert counts.max() - counts.min() == 0
    assert [run["hulls"] for run in made["runs"]] == [run["hulls"] for run in whole["runs"]]
    rows = [whole["texts"].index(text) for text in made["texts"]]
    for sampled, complete in zip(made["runs"], whole["runs"], strict=True):
        points = unpacked(complete["xy"]).reshape(-1, 2)[rows]
        np.testing.assert_array_equal(unpacked(sampled["xy"]).reshape(-1, 2), points)
        near = unpacked(sampled["near"]["of"]).reshape(len(rows), -1)
        full = unpacked(complete["near"]["of"]).reshape(30, -1)[rows]
        place = {row: position for position, row in enumerate(rows)}
        np.testing.assert_array_equal(near, [[place.get(row, len(rows)) for row in line] for line in full])


def test_long_texts_are_cut(sweep):
    runs, _ = sweep(lambda frame: frame.assign(text=[f"{i} " + "x" * 10_000 for i in range(30)]))
    assert {len(text) for text in payload(runs)["texts"]} == {300}


def test_a_run_without_neighbour_lists_or_scores_is_shown(sweep):
    runs, _ = sweep(with_queries=False)
    record = dataclasses.replace(runs[0].record, scores=())
    made = payload([LoadedRun(record, runs[0].texts[["text", "label", "x", "y"]], Path("bare"))])
    assert made["runs"][0]["near"] is None
    assert made["runs"][0]["scores"] == {}
    assert made["models"] == ["minilm"]
