"""docs/extending.md shows these examples; here they run as a user would run them."""

import functools
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from evalkit.records import read_record

QUICK = ("model=random", "projection=pca", "evaluators=[neighbours]")


@pytest.fixture
def examples(repository, tmp_path, monkeypatch):
    """A copy of docs/examples, so that a test may edit it, on the path where a user's own modules are found."""
    folder = tmp_path / "examples"
    shutil.copytree(repository / "docs" / "examples", folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def extended(evalkit, examples):
    """The command with the examples' configuration."""
    return functools.partial(evalkit, f"--config-dir={examples / 'conf'}")


def scores(folder):
    return {score.name: score for score in read_record(folder).scores}


def test_a_yaml_makes_a_model(extended):
    done = extended(*QUICK, "model=short").succeeded()
    record = read_record(done.runs[0])
    assert (record.encoder["name"], record.encoder["dimension"]) == ("sentence-transformers/all-MiniLM-L6-v2", 96)
    assert record.settings["model_label"].startswith("short")


def test_a_yaml_for_a_model_of_the_hub_composes(extended):
    done = extended("--cfg=job", "model=e5").succeeded()
    assert "name: intfloat/e5-small-v2" in done.out
    assert "prompt: 'query: '" in done.out


def test_a_function_makes_a_score(extended):
    done = extended("projection=pca", "evaluators=[gap,geometry]", "rank_by=gap/label_gap").succeeded()
    found = scores(done.runs[0])
    # Thirty words in five labels of six: 75 pairs within labels, 360 between, and geometry knows both means.
    within = 1 - found["geometry/alignment"].value / 2
    between = (435 * found["geometry/anisotropy"].value - 75 * within) / 360
    assert found["gap/label_gap"].value == pytest.approx(within - between, abs=1e-6)
    assert found["gap/label_gap"].chance == pytest.approx(0, abs=0.01)
    assert found["gap/label_gap"].p_value == pytest.approx(1 / 200)


def test_an_evaluator_brings_intervals_and_paired_comparisons(extended):
    chosen = ("model=minilm,random", "projection=pca", "evaluators=[margin]", "rank_by=margin/mean")
    done = extended("-m", *chosen, "hydra.sweep.dir=sweep").succeeded()
    found = scores(done.runs[0])["margin/mean"]
    assert found.ci_low < found.value < found.ci_high
    texts = pd.read_parquet(done.runs[0] / "texts.parquet")
    assert texts["margin/mean"].mean() == pytest.approx(found.value)
    positive = scores(done.runs[0])["margin/positive"]
    # A text's nearest text bears its label exactly where its margin is positive: precision at 1.
    assert positive.value == pytest.approx(0.9667, abs=5e-5)
    compared = pd.read_csv(done.folder / "sweep" / "comparisons.csv")
    assert set(compared["score"]) == {"margin/mean", "margin/positive"}
    assert "minilm is ahead of random by" in done.out


def test_an_evaluator_refuses_in_one_sentence(extended, examples):
    few = examples / "few.csv"
    few.write_text("text,label\na cat,x\na dog,x\na cow,x\nan oak,y\nan elm,y\n")
    chosen = ("model=random", "projection=pca", "evaluators=[margin]", "rank_by=margin/mean")
    done = extended(*chosen, "dataset=csv", f"dataset.path={few}")
    assert done.status == 2
    assert "margin needs three texts of every label" in done.err


def test_a_file_makes_a_projection(extended):
    done = extended(*QUICK, "projection=directions", "projection.project.stretch=2").succeeded()
    projection = read_record(done.runs[0]).projection
    assert (projection["name"], projection["parameters"]) == ("directions", {"stretch": 2})
    points = pd.read_parquet(done.runs[0] / "texts.parquet")[["x", "y"]].to_numpy()
    assert np.ptp(points[:, 0]) > 0
    assert (done.runs[0] / "map.png").is_file()


def test_a_reader_makes_a_dataset(extended, tmp_path):
    for label, words in {"animals": ["lion", "zebra", "otter"], "fruits": ["mango", "grape", "banana"]}.items():
        (tmp_path / "words" / label).mkdir(parents=True)
        for word in words:
            (tmp_path / "words" / label / f"{word}.txt").write_text(f"{word}\n")
    asked = (*QUICK, "dataset=folders", f"dataset.path={tmp_path / 'words'}")
    done = extended(*asked, "queries=[kiwi]").succeeded()
    record = read_record(done.runs[0])
    assert (record.corpus["name"], record.corpus["texts"], record.corpus["labels"]) == ("words", 6, 2)
    assert [entry["query"] for entry in record.queries] == ["kiwi"]
    (tmp_path / "words" / "fruits" / "empty.txt").write_text("\n")
    # The corpus is read once a process for one request; another option is another request.
    done = extended(*asked, "queries=[lemon]")
    assert done.status == 2
    assert "empty.txt" in done.err


@pytest.mark.slow
def test_a_yaml_makes_a_study(extended, examples):
    chosen = ("model=tfidf,random", "projection=pca", "evaluators=[neighbours]", "hydra.sweep.dir=sweep")
    done = extended("experiment=tickets", f"dataset.path={examples / 'tickets.csv'}", *chosen).succeeded()
    assert len(done.runs) == 4
    assert read_record(done.runs[0]).corpus["texts"] == 48
    assert pd.read_csv(done.folder / "sweep" / "leaderboard.csv")["runs"].tolist() == [2, 2]


def test_the_page_shows_the_files_as_they_are(repository):
    page = (repository / "docs" / "extending.md").read_text(encoding="utf-8")
    shown = re.findall(r"<!-- (docs/examples/\S+) -->\n```\w*\n(.*?)```", page, flags=re.DOTALL)
    assert len(shown) >= 8
    for name, text in shown:
        assert text == (repository / name).read_text(encoding="utf-8"), name
