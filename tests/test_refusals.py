"""Wrong requests, as a user would make them: one sentence, status 2, no model loaded, no file left or changed.

Then requests that look wrong and are not: they are done, with a warning where one is due.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from evalkit import pipeline
from evalkit.records import read_record

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
        "same.csv": "text,label\n" + "a,x\n" * 4 + "a,y\n" * 4,
        "unique.csv": "text,label\na,1\nb,2\nc,3\nd,4\n",
        "quote.csv": CSV + '"never closed,x\n',
        "twice.csv": CSV.replace("text,label", "text,label,label").replace(",x", ",x,x").replace(",y", ",y,y"),
        "list.jsonl": '["a", "x"]\n',
        "nested.jsonl": '{"text": {"a": 1}, "label": "x"}\n' * 4,
        "split.csv": CSV.replace("label\n", "label,part\n").replace(",x\n", ",x,train\n").replace(",y\n", ",y,dev\n"),
        "surrogate.jsonl": '{"text": "half \\ud83d", "label": "x"}\n',
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.csv").write_bytes("text,label\ncafé,x\nb,x\nc,y\nd,y\n".encode("latin-1"))
    (tmp_path / "utf16.csv").write_bytes(CSV.encode("utf-16"))
    (tmp_path / "zipped.csv").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "folder.csv").mkdir()
    good = np.eye(4, dtype=np.float32)
    np.save(tmp_path / "good.npy", good)
    np.save(tmp_path / "short.npy", good[:3])
    np.save(tmp_path / "flat.npy", good.ravel())
    np.save(tmp_path / "other_model.npy", good[:1, :3])
    np.save(tmp_path / "two_queries.npy", good[:2])
    np.save(tmp_path / "words.npy", np.array([["a", "b"]] * 4))
    (tmp_path / "header.npy").write_bytes((tmp_path / "good.npy").read_bytes().replace(b"(4, 4), }", b"(4, 4),  "))
    (tmp_path / "zip.npy").write_bytes(b"PK\x03\x04" + bytes(40))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-8])
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
    (["tracker=0"], ["Got int", "--cfg job"]),
    (["projection=[0]"], ["makes no configuration"]),
    ([f"model={'a' * 5000}"], ["name too long"]),
    (["seed=1.5"], ["seed cannot be '1.5'", "a whole number"]),
    (["k=[5,x]"], ["k"]),
    (["model=hf", "'model.name=a=b'"], ["a=b"]),
    (["model=hf", "model.name=/no/such/folder"], ["/no/such/folder"]),
    (["model=hf"], ["model.name"]),
    (["store=/dev/null"], ["store=/dev/null is a file", "a folder"]),
    (["tracker=mlflow", "tracker.uri=ftp://host/x"], ["ftp"]),
    (["model=random", "model.truncate_dim=5"], ["truncate_dim"]),
]


@pytest.fixture(autouse=True)
def _no_model(request, monkeypatch):
    """Where a request is wrong, nothing is encoded: the only way to a model's weights is a trap.

    Not for vectors that are given, and have no model.
    """
    if "words" not in request.fixturenames:
        return

    def trap(*_, **__):
        raise AssertionError("a model was loaded for a request that is wrong")

    monkeypatch.setattr(pipeline, "embed", trap)


def snapshot(*folders):
    """Every file below, with its content."""
    return {path: path.read_bytes() if path.is_file() else None for folder in folders for path in folder.rglob("*")}


@pytest.mark.fault("input", "a wrong option", "the command with each of a table of overrides and files")
@pytest.mark.parametrize(("overrides", "words"), OPTIONS, ids=lambda entry: " ".join(entry)[:40])
def test_a_wrong_option(evalkit, overrides, words):
    refused(evalkit(*overrides), words)


LATE = [
    (["rank_by=neighbours/precision"], ["rank_by=neighbours/precision is no score of this run", "precision_at_1"]),
    (["projection.project.perplexity=0.5"], ["perplexity must be above 1", "found 0.5"]),
]
"""Known only from what was computed: which scores there are, and what a projection makes of its parameters."""


@pytest.mark.fault("input", "a wrong option known late", "the command with each of a table of overrides")
@pytest.mark.parametrize(("overrides", "late"), LATE, ids=lambda entry: " ".join(entry)[:40])
def test_a_wrong_option_that_only_the_evaluation_finds(evalkit, overrides, late):
    refused(evalkit("model=random", *overrides), late)


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
    (["dataset.path=same.csv"], ["only 1 different text", "at least 4"]),
    (["dataset.path=unique.csv"], ["a label of its own"]),
    (["dataset.path=quote.csv"], ["quoted field", "row 5", "close it"]),
    (["dataset.path=twice.csv"], ["the column 'label' 2 times"]),
    (["dataset.path=utf16.csv"], ["UTF-16", "save it as UTF-8"]),
    (["dataset.path=zipped.csv"], ["compressed by gzip", "unpack it"]),
    (["dataset.path=split.csv", "dataset.split_column=part"], ["split column", "'dev'"]),
    (["dataset=jsonl", "dataset.path=list.jsonl"], ["line 1"]),
    (["dataset=jsonl", "dataset.path=nested.jsonl"], ["row 1"]),
    (["dataset=jsonl", "dataset.path=surrogate.jsonl"], ["half a surrogate pair"]),
]


@pytest.mark.fault("input", "wrong data", "the command with each of a table of overrides and files")
@pytest.mark.parametrize(("overrides", "words"), DATA, ids=lambda entry: " ".join(entry)[:40])
def test_wrong_data(evalkit, files, overrides, words):
    chosen = [] if overrides[0].startswith("dataset=") else ["dataset=csv"]
    placed = [o.replace("dataset.path=", f"dataset.path={files}/") for o in overrides]
    before = snapshot(files)
    refused(evalkit(*chosen, *placed), words)
    assert snapshot(files) == before


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
    (
        ["model.path=good.npy", "queries=[cat]", "model.query_path=other_model.npy"],
        ["other_model.npy", "good.npy", "3"],
    ),
    (["model.path=good.npy", "queries=[cat]", "model.query_path=two_queries.npy"], ["2 rows", "1 queries"]),
    (["model.path=words.npy"], ["words.npy", "<U1"]),
    (["model.path=cut.npy"], ["cut.npy"]),
    (["model.path=zip.npy"], ["zip.npy", "a zip archive"]),
    (["model.path=header.npy"], ["header.npy", "numpy.save"]),
    (["model.path=folder.csv"], ["no file"]),
]


@pytest.mark.fault("input", "wrong vectors", "the command with each of a table of overrides and files")
@pytest.mark.parametrize(("overrides", "found"), VECTORS, ids=lambda entry: " ".join(entry)[:40])
def test_wrong_vectors(evalkit, files, overrides, found):
    placed = [o.replace("path=", f"path={files}/", 1) if "path=" in o else o for o in overrides]
    before = snapshot(files)
    refused(evalkit("dataset=csv", f"dataset.path={files}/good.csv", "model=precomputed", *placed), found)
    assert snapshot(files) == before


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


QUICK = ("model=tfidf", "projection=pca", "evaluators=[neighbours]")
LONG = "word " * 2_000_000

ACCEPTED = [
    ("labels that differ by a space", [("a", "x"), ("b", "x"), ("c", "x "), ("d", "x ")], ["differ only by"]),
    ("labels that differ by case", [("a", "x"), ("b", "x"), ("c", "X"), ("d", "X")], ["differ only by"]),
    ("numeric labels", [("a", "1"), ("b", "1"), ("c", "01"), ("d", "01")], []),
    ("emoji", [("🦓 🦁", "🐾"), ("🐯", "🐾"), ("🍏", "🍽"), ("🍍 👩‍👩‍👧", "🍽")], []),
    ("right to left", [("كلب", "حيوان"), ("قط", "حيوان"), ("תפוח", "פרי"), ("אגס", "פרי")], []),
    ("missing values by name", [("NA", "null"), ("nan", "null"), ("None", "None"), ("N/A", "None")], []),
    ("a 10 MB text", [(LONG, "x"), ("b", "x"), ("c", "y"), ("d", "y")], []),
    ("formulas", [("=1+1", "=x"), ("@a", "=x"), ("-b", "+y"), ("+c", "+y")], []),
    ("paths", [("../../up", "/etc"), ("C:\\con", "/etc"), ("a/b", ".."), ("~", "..")], []),
    (
        "the same text under two labels",
        [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("a", "y")],
        ["more than one label"],
    ),
]


@pytest.mark.fault("input", "odd data that are right", "a CSV file of each kind through the whole command")
@pytest.mark.parametrize(("rows", "said"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_odd_data_are_scored_as_they_are(evalkit, tmp_path, rows, said):
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "odd.csv", index=False)
    done = evalkit(*QUICK, "dataset=csv", f"dataset.path={tmp_path / 'odd.csv'}", "hydra.run.dir=run", "store=own")
    assert done.status == 0, done.err
    record = read_record(done.folder / "run")
    for word in said:
        assert word in " ".join(record.warnings)
    texts = pd.read_parquet(done.folder / "run" / "texts.parquet")
    assert list(zip(texts["text"], texts["label"], strict=True)) == rows[:4]
    assert record.corpus["label_names"] == sorted({label for _, label in rows})


@pytest.mark.fault("input", "an evaluation that fails", "a store that cannot be made, a run's folder likewise")
@pytest.mark.parametrize("flags", [["hydra.run.dir=run"], ["-m", "hydra.sweep.dir=run", "hydra.sweep.subdir=only"]])
def test_where_an_evaluation_fails_its_folder_holds_error_json_alone(evalkit, flags):
    done = evalkit(*QUICK, *flags, "store=/proc/evalkit")
    assert done.status == 1
    assert "/proc/evalkit cannot be written" in done.err
    assert "Traceback" not in done.err
    (error,) = done.folder.rglob("error.json")
    assert [path.name for path in error.parent.iterdir() if path.name != ".hydra"] == ["error.json"]
    assert "/proc/evalkit" in json.loads(error.read_text())["message"]
    assert "traceback" not in json.loads(error.read_text())


def test_the_tables_have_the_cases_that_they_are_to_have():
    assert len(OPTIONS) + len(LATE) + len(DATA) + len(VECTORS) + len(ACCEPTED) >= 60


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
