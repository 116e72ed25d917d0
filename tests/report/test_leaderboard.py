import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import specimens

from evalkit.report.leaderboard import comparisons, leaderboard
from evalkit.report.leaderboard_text import markdown, untested
from evalkit.report.load_runs import LoadedRun
from evalkit.stats import paired_test
from evalkit.types import Score

N = 30


def run(model, values, name="neighbours/precision_at_1", seed=0, pooling="mean", higher=True):
    """A run whose score has these pseudo-values."""
    texts = specimens.words().assign(**{f"{name}.pseudo": values})
    record = specimens.record(texts, model_label=model, seed=seed, pooling=pooling)
    score = Score(name, "embedding", float(np.mean(values)), 1.0, 0.1, higher_is_better=higher)
    settings, identity = {**record.settings, "pooling": pooling}, f"{model}-{seed}-{pooling}"
    record = dataclasses.replace(record, scores=(score,), identity=identity, settings=settings)
    return LoadedRun(record, texts, Path(model))


def values(mean, spread=0.01, seed=0):
    return mean + spread * np.random.default_rng(seed).normal(size=N)


@pytest.mark.parametrize(
    ("name", "bound"), [("neighbours/precision_at_1", 1.0), ("separation/silhouette", 2.0), ("mine/error", np.inf)]
)
def test_the_interval_of_a_difference_ends_where_the_score_does(name, bound):
    wide = np.random.default_rng(1).normal(size=(2, N)) * 6
    [row] = comparisons([run("a", wide[0], name), run("b", wide[1], name)]).to_dict("records")
    plain = paired_test.compare(*wide)
    assert plain.ci_low < -2
    assert plain.ci_high > 2
    assert (row["ci_low"], row["ci_high"]) == (max(plain.ci_low, -bound), min(plain.ci_high, bound))
    assert (row["difference"], row["p_value"]) == (plain.difference, plain.p)
    narrow = run("a", values(0.9), name), run("b", values(0.5, seed=1), name)
    [row] = comparisons(narrow).to_dict("records")
    assert row["ci_low"] == paired_test.compare(values(0.9), values(0.5, seed=1)).ci_low


@pytest.mark.parametrize("higher", [True, False])
def test_models_that_the_test_cannot_tell_apart_share_a_rank(higher):
    name = "neighbours/precision_at_1"
    means = {"good": 0.9, "as good": 0.9, "bad": 0.2}
    runs = [run(m, values(mean, seed=i), higher=higher) for i, (m, mean) in enumerate(means.items())]
    board = leaderboard(runs, name).set_index("model")
    ranks = {"good": 1, "as good": 1, "bad": 3} if higher else {"bad": 1, "good": 2, "as good": 2}
    assert board["rank"].to_dict() == ranks
    assert board["tied_with"].to_dict() == {"good": "as good·mean", "as good": "good·mean", "bad": ""}


@pytest.mark.parametrize(("higher", "ahead"), [(True, "bge is ahead of bert"), (False, "bert is ahead of bge")])
def test_the_model_ahead_is_the_one_with_the_better_value(higher, ahead):
    runs = [run("bge", values(0.9), higher=higher), run("bert", values(0.5, seed=1), higher=higher)]
    assert comparisons(runs)["verdict"].item().startswith(f"{ahead} by 0.39")


def test_seeds_are_replicates_and_a_repeated_run_counts_once():
    runs = [run("a", values(0.9)), run("a", values(0.7), seed=1), run("a", values(0.9)), run("b", values(0.5))]
    board = leaderboard(runs, "neighbours/precision_at_1").set_index("model")
    assert board["runs"].to_dict() == {"a": 2, "b": 1}
    assert board.loc["a", "neighbours/precision_at_1"] == pytest.approx(0.8, abs=0.01)


def test_without_a_paired_test_ranks_go_by_value_and_the_board_says_so():
    runs = [run("a", values(0.9)), run("b", values(0.8)), run("c", values(0.9))]
    bare = [LoadedRun(r.record, r.texts[["text", "label", "x", "y"]], r.folder) for r in runs]
    board = leaderboard(bare, "neighbours/precision_at_1")
    assert board["rank"].tolist() == [1, 1, 3]
    assert set(board["tied_with"]) == {""}
    assert "Ranked by value alone" in untested(board, "neighbours/precision_at_1")
    assert "Ranked by value alone" in markdown(board, "neighbours/precision_at_1")


def test_a_model_without_tokens_is_compared_at_every_pooling():
    runs = [run("bert", values(0.9), pooling=pooling) for pooling in ("cls", "mean")]
    compared = comparisons([*runs, run("tfidf", values(0.4, seed=1), pooling="none")])
    pairs = compared[["pooling", "model_a", "model_b"]].to_numpy().tolist()
    assert pairs == [["cls", "bert", "tfidf"], ["mean", "bert", "tfidf"]]
    assert compared["verdict"].str.startswith("bert is ahead of tfidf by 0.").all()


def test_markdown_cells_hold_value_interval_and_chance_and_no_markup():
    row = {"rank": 1, "model": "<b>|x", "pooling": "mean", "tied_with": "y", "texts_per_second": 1234.5}
    row |= {"dimension": 384, "hulls/overlap": 0.1234, "hulls/overlap.chance": 0.7}
    row |= {"hulls/overlap.ci_low": 0.1, "hulls/overlap.ci_high": 0.2}
    lines = markdown(pd.DataFrame([row]), "hulls/overlap").splitlines()
    assert lines[0] == "| rank | model | pooling | hulls/overlap ↓ | texts/s | dimension |"
    assert lines[2] == "| 1 = | &lt;b>\\|x | mean | 0.123 [0.100, 0.200], chance 0.700 | 1,234 | 384 |"
