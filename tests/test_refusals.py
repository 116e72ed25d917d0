"""Wrong requests, as a user would make them: one sentence, status 2, no model loaded, no folder left."""

from __future__ import annotations

import numpy as np
import pytest

CSV = "text,label\na,x\nb,x\nc,y\nd,y\n"


@pytest.fixture
def files(tmp_path):
    """Data and vectors that are wrong in one way each; the good ones are called good."""
    contents = {
        "good.csv": CSV,
        "columns.csv": CSV.replace("label", "topic", 1),
        "empty.csv": "",
        "header.csv": "text,label\n",
        "blank.csv": CSV.replace("b,x", " ,x"),
        "one_label.csv": CSV.replace("y", "x"),
        "three.csv": "text,label\na,x\nb,x\nc,y\n",
        "nul.csv": CSV.replace("b,", "b\0,"),
        "ragged.csv": CSV + "e,y,z\n",
        "conflict.csv": CSV + "a,y\n",
        "bad.jsonl": '{"text": "a", "label": "x"}\n{"text": \n',
        "not.parquet": "no parquet",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.csv").write_bytes("text,label\ncafé,x\nb,x\nc,y\nd,y\n".encode("latin-1"))
    (tmp_path / "folder.csv").mkdir()
    good = np.eye(4, dtype=np.float32)
    np.save(tmp_path / "good.npy", good)
    np.save(tmp_path / "short.npy", good[:3])
    np.save(tmp_path / "flat.npy", good.ravel())
    np.save(tmp_path / "objects.npy", np.array([{}, {}, {}, {}], dtype=object), allow_pickle=True)
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        broken = good.copy()
        broken[2, 1] = value
        np.save(tmp_path / f"{name}.npy", broken)
    return tmp_path


OPTIONS = [
    (["model=nothing"], ["model has no choice 'nothing'", "choose one of bert, bge"]),
    (["modle=bge"], ["modle"]),
    (["model.nmae=x"], ["model.nmae", "check its spelling"]),
    (["dataset.pth=x"], ["pth", "check its spelling"]),
    (["seed=abc"], ["seed cannot be 'abc'", "a whole number"]),
    (["seed=-1"], ["seed must be from 0", "-1 was given"]),
    (["k=[30]"], ["k=30", "30 texts", "at most 29"]),
    (["k=[0]"], ["k must list"]),
    (["reuse=perhaps"], ["reuse cannot be 'perhaps'", "true or false"]),
    (["pooling=median"], ["pooling has no choice 'median'", "weighted_mean"]),
    (["projection=isomap"], ["projection has no choice 'isomap'", "pca, tsne, umap"]),
    (["evaluators=[]"], ["evaluators is empty"]),
    (["evaluators=[nothing]"], ["evaluators has no choice 'nothing'"]),
    (["dataset=xml"], ["dataset has no choice 'xml'", "csv, hf, jsonl, parquet, topics"]),
    (["tracker=wandb"], ["tracker has no choice 'wandb'", "mlflow, none"]),
    (["rank_by=neighbours/precision"], ["rank_by"]),
    (["rank_by=probe/accuracy"], ["needs the evaluator 'probe'"]),
    (["device=tpu"], ["device"]),
    (["dtype=float8"], ["dtype cannot be 'float8'"]),
    (["batch_tokens=-5"], ["batch_tokens must be at least 1"]),
    (["theme=blue"], ["theme cannot be 'blue'"]),
    (["model.max_length=100000"], ["max_length"]),
    (["model.truncate_dim=5000"], ["truncate_dim"]),
    (["model=hf", "'model.name=../secret'"], ["../secret"]),
    (["model=hf", '"model.name=a\\nb"'], ["model.name"]),
    (["model=tfidf", "model.prompt=query"], ["model.prompt=query has no meaning"]),
    (["nonsense"], ["nonsense"]),
    (["experiment=nothing"], ["experiment has no choice 'nothing'"]),
    (["projection.project.perplexity=0.5"], ["perplexity"]),
]


@pytest.mark.parametrize(("overrides", "words"), OPTIONS, ids=lambda entry: " ".join(entry)[:40])
def test_a_wrong_option(evalkit, overrides, words):
    refused(evalkit(*overrides), words)


DATA = [
    (["dataset=csv"], ["dataset.path", "has no value"]),
    (["dataset.path=columns.csv"], ["label", "topic"]),
    (["dataset.path=empty.csv"], ["empty"]),
    (["dataset.path=header.csv"], ["header.csv"]),
    (["dataset.path=blank.csv"], ["blank", "row 2"]),
    (["dataset.path=one_label.csv"], ["label"]),
    (["dataset.path=three.csv"], ["3", "4"]),
    (["dataset.path=nul.csv"], ["NUL"]),
    (["dataset.path=ragged.csv"], ["row 5"]),
    (["dataset.path=conflict.csv", "dataset.conflicts=error"], ["two labels"]),
    (["dataset.path=latin.csv"], ["UTF-8", "row 1"]),
    (["dataset.path=folder.csv"], ["folder"]),
    (["dataset.path=missing.csv"], ["missing.csv"]),
    (["dataset.path=good.csv", "dataset.limit=2"], ["limit"]),
    (["dataset.path=good.csv", "k=[4]"], ["k=4", "at most 3"]),
    (["dataset.path=good.csv", "dataset.split_column=part"], ["part"]),
    (["dataset=jsonl", "dataset.path=bad.jsonl"], ["line 2"]),
    (["dataset=parquet", "dataset.path=not.parquet"], ["not.parquet"]),
    (["dataset.path=good.csv", "queries=['']"], ["quer"]),
]


@pytest.mark.parametrize(("overrides", "words"), DATA, ids=lambda entry: " ".join(entry)[:40])
def test_wrong_data(evalkit, files, overrides, words):
    chosen = [] if overrides[0].startswith("dataset=") else ["dataset=csv"]
    placed = [o.replace("dataset.path=", f"dataset.path={files}/") for o in overrides]
    refused(evalkit(*chosen, *placed), words)


VECTORS = [
    (["model.path=short.npy"], ["3 rows", "4"]),
    (["model.path=flat.npy"], ["flat.npy"]),
    (["model.path=objects.npy"], ["objects.npy"]),
    (["model.path=nan.npy"], ["row", "nan.npy"]),
    (["model.path=inf.npy"], ["row", "inf.npy"]),
    (["model.path=missing.npy"], ["missing.npy"]),
    (["model.path=good.csv"], ["good.csv"]),
    (["model.path=good.npy", "queries=[cat]"], ["model.query_path"]),
    (["model.path=good.npy", "queries=[cat]", "model.query_path=flat.npy"], ["flat.npy"]),
]


@pytest.mark.parametrize(("overrides", "words"), VECTORS, ids=lambda entry: " ".join(entry)[:40])
def test_wrong_vectors(evalkit, files, overrides, words):
    placed = [o.replace("path=", f"path={files}/", 1) if "path=" in o else o for o in overrides]
    refused(evalkit("dataset=csv", f"dataset.path={files}/good.csv", "model=precomputed", *placed), words)


def refused(done, words):
    assert done.status == 2, (done.out, done.err)
    assert done.err.startswith("evalkit: "), done.err
    assert done.err.count("\n") == 1, done.err
    assert done.err.rstrip().endswith("."), done.err
    for word in words:
        assert word in done.err, done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert done.tree == []


def test_a_secret_in_a_refused_option_is_not_repeated(evalkit):
    done = evalkit("tracker=none", "tracker.uri=http://anna:geheim@host")
    assert done.status == 2
    assert "geheim" not in done.err + done.out


def test_a_secret_stands_in_none_of_hydras_files(evalkit, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = evalkit(
        "model=random", "projection=pca", "evaluators=[neighbours]",
        "tracker=mlflow", "tracker.uri=http://anna:geheim@127.0.0.1:9",
    )  # fmt: skip
    assert done.status == 0
    assert "python -m evalkit.sync" in done.err
    assert "geheim" not in done.err + done.out
    for file in done.folder.rglob("*"):
        assert not file.is_file() or b"geheim" not in file.read_bytes(), file
