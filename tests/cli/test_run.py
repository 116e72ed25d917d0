import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from evalkit.cli import run as run_module
from evalkit.records import read_record

QUICK = ("projection=pca", "evaluators=[neighbours,separation]")
"""The map and the nulls that cost most are left out where they are not the question."""


def scores(folder):
    return {score.name: score for score in read_record(folder).scores}


def test_minilm_on_the_thirty_words_gives_the_known_values(evalkit):
    done = evalkit(*QUICK, "k=[1,3,5]").succeeded()
    found = scores(done.runs[0])
    known = {"separation/silhouette": 0.3013}
    known |= {f"neighbours/precision_at_{k}": value for k, value in ((1, 0.9667), (3, 0.9444), (5, 0.8667))}
    assert {name: found[name].value for name in known} == pytest.approx(known, abs=5e-5)
    assert found["neighbours/precision_at_5"].chance == pytest.approx(5 / 29)


def test_a_run_leaves_the_files_of_the_contract_and_shows_its_scores(evalkit):
    done = evalkit(*QUICK)
    assert {"neighbours/precision_at_1", "chance", "adjusted"} <= set(done.out.split())
    assert done.err == ""
    folder = done.runs[0]
    names = {file.name for file in folder.iterdir()}
    assert {"record.json", "texts.parquet", "labels.csv", "map.png", "map.svg", "neighbours.csv"} <= names
    assert not any(name.startswith(".") and name != ".hydra" for name in names)
    texts = pd.read_parquet(folder / "texts.parquet")
    assert list(texts.columns[:4]) == ["text", "label", "x", "y"]
    assert len(texts) == 30
    name = "neighbours/precision_at_1"
    assert texts[name].mean() == pytest.approx(scores(folder)[name].value)
    assert pd.read_csv(folder / "labels.csv")["size"].tolist() == [6] * 5
    neighbours = pd.read_csv(folder / "neighbours.csv")
    assert neighbours.groupby("query").size().to_dict() == dict.fromkeys(
        ["bitcoin", "melon", "gazelle", "swimming", "Uganda"], 5
    )


def test_the_record_says_what_the_contract_lists(evalkit):
    record = read_record(evalkit(*QUICK).runs[0])
    assert record.corpus.items() >= {"name": "topics", "texts": 30, "labels": 5, "dropped": 0}.items()
    encoder = {
        "name": "sentence-transformers/all-MiniLM-L6-v2", "dimension": 384, "pooling": "mean", "native_pooling": "mean",
        "normalised": True, "truncated_share": 0, "parameters": 22_713_216,
    }  # fmt: skip
    assert {name: record.encoder[name] for name in encoder} == encoder
    assert len(record.encoder["revision"]) == 40
    assert set(record.environment) >= {"python", "processor", "libraries", "git_commit", "git_dirty"}
    assert set(record.timings) >= {"encode", "project", "neighbours", "separation"}
    assert record.projection["name"] == "pca"


def test_the_same_run_again_is_copied_not_computed(evalkit):
    first = evalkit(*QUICK, "hydra.run.dir=a")
    second = evalkit(*QUICK, "hydra.run.dir=b")
    a, b = (json.loads((first.folder / name / "record.json").read_text()) for name in "ab")
    assert second.status == 0
    assert a == b
    assert (first.folder / "a/map.png").read_bytes() == (first.folder / "b/map.png").read_bytes()


def test_computed_anew_in_an_empty_store_the_record_is_the_same(evalkit):
    def bare(name):
        record = json.loads((done.folder / name / "record.json").read_text())
        record["encoder"].pop("texts_per_second")
        return {key: value for key, value in record.items() if key not in {"timings", "settings"}}

    evalkit(*QUICK, "hydra.run.dir=a")
    done = evalkit(*QUICK, "hydra.run.dir=b", "store=elsewhere")
    assert bare("a") == bare("b")
    a, b = (pd.read_parquet(done.folder / name / "texts.parquet") for name in "ab")
    assert np.array_equal(a[["x", "y"]].to_numpy(), b[["x", "y"]].to_numpy())


def test_another_seed_is_another_identity_on_the_same_vectors(evalkit):
    one, two = (read_record(evalkit(*QUICK, f"seed={seed}", f"hydra.run.dir={seed}").runs[seed]) for seed in (0, 1))
    assert one.identity != two.identity
    assert one.encoder["key"] == two.encoder["key"]


@pytest.mark.parametrize(
    "override", ["device=cpu", "batch_tokens=4000", "theme=dark", "rank_by=separation/silhouette", "store=another"]
)
def test_what_does_not_change_the_result_does_not_change_the_identity(evalkit, override):
    first = evalkit(*QUICK, "model=random", "hydra.run.dir=a")
    second = evalkit(*QUICK, "model=random", "hydra.run.dir=b", override)
    assert second.status == 0, second.err
    assert read_record(first.folder / "a").identity == read_record(first.folder / "b").identity


def test_queries_are_answered_in_the_models_space(evalkit):
    done = evalkit(*QUICK, "queries=[gazelle]")
    record = read_record(done.runs[0])
    assert [entry["query"] for entry in record.queries] == ["gazelle"]
    assert record.queries[0]["neighbours"][0]["text"] == "lion"
    similarities = [n["similarity"] for n in record.queries[0]["neighbours"]]
    assert similarities == sorted(similarities, reverse=True)


def test_rank_by_is_what_hydras_sweepers_get(evalkit, monkeypatch):
    returned, original = [], run_module.job
    monkeypatch.setattr(run_module, "job", lambda config: returned.append(original(config)) or returned[-1])
    done = evalkit(*QUICK, "rank_by=separation/silhouette")
    assert returned == [scores(done.runs[0])["separation/silhouette"].value]


def test_the_page_of_help_is_hydras_own(evalkit):
    quick, hydras = (evalkit("--help", *flags, "model=bge", "experiment=article") for flags in ([], ["--resolve"]))
    assert quick.status == hydras.status == 0
    assert quick.out.replace("${k}", "null") == hydras.out


def test_help_loads_nothing_that_evaluates():
    script = (
        "import atexit, sys\nfrom evalkit.run import main\nsys.argv[1:] = ['--help']\n"
        "heavy = {'numpy', 'numba', 'pandas', 'torch', 'mlflow', 'matplotlib'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "projection: pca, tsne, umap" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_relative_paths_and_the_option_of_a_sweep_are_read_wherever_they_stand(evalkit_process):
    done = evalkit_process(*QUICK, "model=tfidf", "-m", "seed=0,1", "hydra.job.chdir=true", "store=own")
    assert done.status == 0, done.err
    assert {"own", "mlflow.db", "multirun"} <= {entry.name for entry in done.folder.iterdir()}
    assert not list(done.folder.glob("multirun/*/*/*/*.db"))
    records = list(done.folder.glob("multirun/*/*/*/record.json"))
    assert len(records) == json.loads((records[0].parent.parent / "sweep.json").read_text())["total"] == 2
