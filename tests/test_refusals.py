"""Wrong requests get one sentence and status 2, and nothing is loaded or left; odd ones that are right are done."""

import json

import numpy as np
import pandas as pd
import pytest
from refusal_tables import DATA, LATE, OPTIONS, VECTORS

from evalkit.pipeline import evaluate as pipeline
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
        "one.csv": "text,label\na,x\n",
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
    (tmp_path / "latin.jsonl").write_bytes('{"text": "café", "label": "x"}\n'.encode("latin-1"))
    (tmp_path / "utf16.csv").write_bytes(CSV.encode("utf-16"))
    (tmp_path / "zipped.csv").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "folder.csv").mkdir()
    good = np.eye(4, dtype=np.float32)
    arrays = {"good": good, "short": good[:3], "flat": good.ravel(), "other_model": good[:1, :3]}
    arrays |= {"two_queries": good[:2], "words": np.array([["a", "b"]] * 4)}
    arrays |= {name: np.where(np.arange(16).reshape(4, 4) == 9, np.float32(name), good) for name in ("nan", "inf")}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "header.npy").write_bytes((tmp_path / "good.npy").read_bytes().replace(b"(4, 4), }", b"(4, 4),  "))
    (tmp_path / "zip.npy").write_bytes(b"PK\x03\x04" + bytes(40))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-8])
    np.save(tmp_path / "objects.npy", np.array([{}, {}, {}, {}], dtype=object), allow_pickle=True)
    return tmp_path


@pytest.fixture(autouse=True)
def _no_model(request, monkeypatch):
    """Where a request is wrong, nothing is encoded: the only way to a model's weights is a trap."""
    if "words" not in request.fixturenames:
        return

    def trap(*_, **__):
        raise AssertionError("a model was loaded for a request that is wrong")

    monkeypatch.setattr(pipeline, "embed", trap)


def snapshot(folder):
    """Every file below, with its content."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.fault("input", "a wrong option", "the command with each of a table of overrides and files")
@pytest.mark.parametrize(("overrides", "words"), OPTIONS, ids=lambda entry: " ".join(entry)[:40])
def test_a_wrong_option(evalkit, overrides, words):
    refused(evalkit(*overrides), words)


@pytest.mark.fault("input", "a wrong option known late", "the command with each of a table of overrides")
@pytest.mark.parametrize(("overrides", "late"), LATE, ids=lambda entry: " ".join(entry)[:40])
def test_a_wrong_option_that_only_the_evaluation_finds(evalkit, overrides, late):
    refused(evalkit("model=random", *overrides), late)


@pytest.mark.fault("input", "wrong data", "the command with each of a table of overrides and files")
@pytest.mark.parametrize(("overrides", "words"), DATA, ids=lambda entry: " ".join(entry)[:40])
def test_wrong_data(evalkit, files, overrides, words):
    chosen = [] if overrides[0].startswith("dataset=") else ["dataset=csv"]
    placed = [o.replace("dataset.path=", f"dataset.path={files}/") for o in overrides]
    before = snapshot(files)
    refused(evalkit(*chosen, *placed), words)
    assert snapshot(files) == before


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
    assert len(words) >= 2, "a cause, and a cure"
    assert [word for word in words if word not in done.err] == [], done.err
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
    done = evalkit(*QUICK, "dataset=csv", f"dataset.path={tmp_path / 'odd.csv'}", "store=own").succeeded()
    (run,) = done.runs
    record = read_record(run)
    for word in said:
        assert word in " ".join(record.warnings)
    texts = pd.read_parquet(run / "texts.parquet")
    assert list(zip(texts["text"], texts["label"], strict=True)) == rows[:4]
    assert record.corpus["label_names"] == sorted({label for _, label in rows})


@pytest.mark.fault("input", "an evaluation that fails", "a store that cannot be made, a run's folder likewise")
@pytest.mark.parametrize("flags", [["hydra.run.dir=run"], ["-m", "hydra.sweep.dir=run", "hydra.sweep.subdir=only"]])
def test_where_an_evaluation_fails_its_folder_holds_error_json_alone(evalkit, flags):
    done = evalkit(*QUICK, *flags, "store=/proc/evalkit")
    assert done.status == 1
    assert "/proc/evalkit cannot be written" in done.err
    assert "Traceback" not in done.err
    (file,) = done.folder.rglob("error.json")
    assert [path.name for path in file.parent.iterdir() if path.name != ".hydra"] == ["error.json"]
    error = json.loads(file.read_text())
    assert "/proc/evalkit" in error["message"]
    assert "traceback" not in error


def test_a_secret_in_a_refused_option_is_not_repeated(evalkit):
    done = evalkit("tracker=none", "tracker.uri=http://anna:geheim@host")
    assert done.status == 2
    assert "geheim" not in done.err + done.out
