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
    (["model=nothing"], ["has no choice 'nothing'", "choose one of bert, bge"]),
    (["modle=bge"], ["there is no option 'modle'", "check its spelling"]),
    (["model.nmae=x"], ["there is no option 'model.nmae'", "check its spelling"]),
    (["dataset.pth=x"], ["there is no option 'dataset.pth'", "check its spelling"]),
    (["seed=abc"], ["seed cannot be 'abc'", "give a whole number"]),
    (["seed=1.5"], ["seed cannot be '1.5'", "give a whole number"]),
    (["seed=-1"], ["seed must be from 0", "-1 was given", "choose another"]),
    (["seed=null"], ["seed cannot be null", "leave it out"]),
    (["seed=0,1"], ["seed=0,1 names several values", "add -m"]),
    (["model=minilm,tfidf"], ["model=minilm,tfidf names several values", "add -m"]),
    (["seed=range(0,3)"], ["names several values", "add -m"]),
    (["seed=${oc.env:EVALKIT_NOT_THERE}"], ["seed cannot be read (", "'EVALKIT_NOT_THERE' not found", "correct it"]),
    (["-m", "seed=${oc.env:EVALKIT_NOT_THERE}"], ["variable EVALKIT_NOT_THERE is not set", "export it"]),
    (["k=[30]"], ["k=30 asks for more neighbours than there are", "30 texts", "at most 29"]),
    (["k=[0]"], ["k must list different numbers", "[0] was given", "write for example k=[1,5,10]"]),
    (["k=[5,x]"], ["k[1] cannot be 'x'", "give a whole number"]),
    (["k=5"], ["k cannot be '5'", "give a list, 'k=[5]'"]),
    (["queries=cat"], ["queries cannot be 'cat'", "give a list, 'queries=[cat]'"]),
    (["reuse=perhaps"], ["reuse cannot be 'perhaps'", "give true or false"]),
    (["pooling=median"], ["has no choice 'median'", "weighted_mean"]),
    (["projection=isomap"], ["has no choice 'isomap'", "pca, tsne, umap"]),
    (["evaluators=[]"], ["evaluators is empty", "name at least one"]),
    (["evaluators=[nothing]"], ["has no choice 'nothing'", "choose one of clustering, faithfulness"]),
    (["dataset=xml"], ["has no choice 'xml'", "csv, hf, jsonl, parquet, topics"]),
    (["tracker=wandb"], ["has no choice 'wandb'", "mlflow, none"]),
    (["experiment=nothing"], ["has no choice 'nothing'", "choose one of article"]),
    ([f"model={'a' * 3000}"], ["has no choice 'aaa", "…': choose one of bert"]),
    (["model=../../x"], ["has no choice 'x'", "choose one of bert"]),
    (["rank_by=probe/accuracy"], ["needs the evaluator 'probe'", "add it to evaluators"]),
    (["device=tpu"], ["device cannot be 'tpu'", "choose auto, cpu, cuda"]),
    (["dtype=float8"], ["dtype cannot be 'float8'", "choose one of auto, float32"]),
    (["theme=blue"], ["theme cannot be 'blue'", "choose one of light, dark"]),
    (["batch_tokens=-5"], ["batch_tokens must be at least 1", "-5 was given", "choose a larger one"]),
    (["model.max_length=100000"], ["more than the 512 positions", "choose fewer"]),
    (["model.truncate_dim=5000"], ["more than the 384 dimensions", "choose fewer"]),
    (["model=tfidf", "model.prompt=query"], ["model.prompt=query has no meaning for", "leave it out"]),
    (["model=random", "model.truncate_dim=5"], ["model.truncate_dim=5 has no meaning for", "leave it out"]),
    (["model=hf"], ["model.name has no value", "give one on the command line, model.name="]),
    (["model=hf", "model.name=null"], ["model.name cannot be null", "give a value"]),
    (["model=hf", "model.name=[a]"], ["model.name cannot be a list", "give a text"]),
    (["model=hf", "model.name=../secret"], ["the folder model.name='../secret' does not exist", "or a hub id"]),
    (["model=hf", "model.name=/no/such/folder"], ["'/no/such/folder' does not exist", "name a folder that holds"]),
    (["model=hf", "model.name=."], ["'.' holds no model (neither config.json", "name one that does"]),
    (["model=hf", "model.name=owner/.."], ["neither a folder here nor a hub id", "as the hub shows it"]),
    (["model=hf", 'model.name="a=b"'], ["'a=b' is neither a folder here nor a hub id", "as the hub shows it"]),
    (["model=hf", 'model.name="a\nb"'], ["'a\\nb' is neither a folder here nor a hub id", "as the hub shows it"]),
    (["model=hf", "model.name=a=b"], ["the override 'model.name=a=b' cannot be read", "'model.name=\"a=b\"'"]),
    (["model=hf", "model.name=a\nb"], ["the override 'model.name=a\\nb' cannot be read", "in double quotes"]),
    (["k=[5"], ["the override 'k=[5' cannot be read", "close every bracket"]),
    (["nonsense"], ["'nonsense' is no override", "write OPTION=VALUE"]),
    (["tracker=0"], ["makes no configuration", "Got int", "--cfg job"]),
    (["projection=[0]"], ["makes no configuration", "--cfg job"]),
    (["store=/dev/null"], ["store=/dev/null is a file", "needs a folder", "name another"]),
    (["hydra.run.dir=/dev/null"], ["/dev/null cannot be written (File exists)", "hydra.run.dir=FOLDER"]),
    (["hydra.run.dir=/proc/x"], ["/proc/x cannot be written", "hydra.run.dir=FOLDER"]),
    (["-m", "hydra.sweep.dir=/proc/x"], ["/proc/x cannot be written", "hydra.sweep.dir=FOLDER"]),
    (["-m", "seed=0,1", "hydra.sweep.subdir=a"], ["is the folder of job 0 and of job 1", "${hydra.job.num}"]),
    (["-m", "hydra.sweep.subdir=../up"], ["leads out of the sweep's folder", "name one within it"]),
    (["tracker=mlflow", "tracker.uri=ftp://host/x"], ["is no tracking address", "give sqlite:///mlflow.db"]),
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
    (
        ["rank_by=neighbours/precision"],
        ["rank_by=neighbours/precision is no score of this run", "choose one of", "precision_at_1"],
    ),
    (["projection.project.perplexity=0.5"], ["perplexity must be above 1", "found 0.5", "give 5 to 50"]),
]
"""Known only from what was computed: which scores there are, and what a projection makes of its parameters."""


@pytest.mark.fault("input", "a wrong option known late", "the command with each of a table of overrides")
@pytest.mark.parametrize(("overrides", "late"), LATE, ids=lambda entry: " ".join(entry)[:40])
def test_a_wrong_option_that_only_the_evaluation_finds(evalkit, overrides, late):
    refused(evalkit("model=random", *overrides), late)


DATA = [
    (["dataset=csv"], ["dataset.path has no value", "give one on the command line"]),
    (["dataset.path=columns.csv"], ["has no column 'label', only 'text', 'topic'", "dataset.label_column=COLUMN"]),
    (["dataset.path=good.csv", "dataset.split_column=part"], ["has no column 'part'", "dataset.split_column=COLUMN"]),
    (["dataset.path=empty.csv"], ["empty.csv is empty", "give a file with texts and labels"]),
    (["dataset.path=header.csv"], ["header.csv has no rows below its header", "give it texts"]),
    (["dataset.path=blank.csv"], ["row 2", "has a blank text", "dataset.drop_blank=true"]),
    (["dataset.path=one_label.csv"], ["has one label only, 'x' on all 4 texts", "add texts of another label"]),
    (["dataset.path=one.csv"], ["only 1 different text", "at least 4", "add texts"]),
    (["dataset.path=three.csv"], ["only 3 different texts", "at least 4", "add texts"]),
    (["dataset.path=same.csv"], ["only 1 different text", "6 as duplicates", "add texts"]),
    (["dataset.path=nul.csv"], ["has a NUL byte in row 2", "byte 16", "remove it"]),
    (["dataset.path=ragged.csv"], ["3 fields in row 5", "its header has 2", "in double quotes"]),
    (["dataset.path=conflict.csv", "dataset.conflicts=error"], ["under two labels", "row 5", "choose first or drop"]),
    (["dataset.path=latin.csv"], ["is not UTF-8: row 1", "0xE9", "save the file as UTF-8"]),
    (["dataset.path=utf16.csv"], ["is UTF-16", "save it as UTF-8"]),
    (["dataset.path=zipped.csv"], ["compressed by gzip", "unpack it"]),
    (["dataset.path=folder.csv"], ["is a folder, and a file is meant", "name a file in it"]),
    (["dataset.path=missing.csv"], ["missing.csv does not exist", "perhaps"]),
    (["dataset.path=good.csv", "dataset.limit=2"], ["dataset.limit=2 is too small", "raise it"]),
    (["dataset.path=good.csv", "k=[4]"], ["k=4 asks for more neighbours than there are", "at most 3"]),
    (["dataset.path=good.csv", "queries=['']"], ["query 1 of queries is blank", "write a text there"]),
    (["dataset.path=unique.csv"], ["a label of its own on each of its 4 texts", "name the right dataset.label_column"]),
    (["dataset.path=quote.csv"], ["inside a quoted field", "row 5", "close it"]),
    (["dataset.path=twice.csv"], ["the column 'label' 2 times", "rename all but one"]),
    (["dataset.path=split.csv", "dataset.split_column=part"], ["split column", "'dev'", "rename or remove"]),
    (["dataset=jsonl", "dataset.path=bad.jsonl"], ["row 2 (line 2)", "is no JSON", "write one object a line"]),
    (["dataset=jsonl", "dataset.path=list.jsonl"], ["is a list, and an object is meant", "write one object a line"]),
    (["dataset=jsonl", "dataset.path=nested.jsonl"], ["an object as 'text' in row 1", "name another column"]),
    (["dataset=jsonl", "dataset.path=surrogate.jsonl"], ["half a surrogate pair", "write it as plain UTF-8"]),
    (["dataset=jsonl", "dataset.path=latin.jsonl"], ["is not UTF-8: line 1", "save the file as UTF-8"]),
    (["dataset=parquet", "dataset.path=not.parquet"], ["cannot be read as parquet", "choose its true format"]),
    (["dataset=parquet", "dataset.path=folder.csv"], ["is a folder, and a file is meant", "name a file in it"]),
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
    (["model.path=short.npy"], ["short.npy has 3 rows and the data have 4", "must belong to row i"]),
    (["model.path=flat.npy"], ["holds an array of shape (16,)", "give numbers in two dimensions"]),
    (["model.path=words.npy"], ["holds an array of shape (4, 2) and type <U1", "give numbers in two dimensions"]),
    (["model.path=objects.npy"], ["cannot be read as an array of numbers", "Python objects", "numpy.save"]),
    (["model.path=cut.npy"], ["cut.npy cannot be read as an array of numbers", "numpy.save"]),
    (["model.path=zip.npy"], ["cannot be read as an array of numbers", "a zip archive", "numpy.save"]),
    (["model.path=header.npy"], ["header.npy cannot be read as an array of numbers", "numpy.save"]),
    (["model.path=nan.npy"], ["row 2 of nan.npy", "not finite", "mend or drop that row"]),
    (["model.path=inf.npy"], ["row 2 of inf.npy", "not finite", "mend or drop that row"]),
    (["model.path=missing.npy"], ["missing.npy is no file", "name a .npy or .parquet file"]),
    (["model.path=folder.csv"], ["is no file", "name a .npy or .parquet file"]),
    (["model.path=good.csv"], ["neither .npy nor .parquet", "save the vectors as one of those"]),
    (["model.path=not.parquet"], ["cannot be read as parquet", "write it anew"]),
    (["model.path=good.npy", "queries=[cat]"], ["holds no vectors of them", "model.query_path", "queries=[]"]),
    (
        ["model.path=good.npy", "queries=[cat]", "model.query_path=flat.npy"],
        ["flat.npy holds an array of shape (16,)", "give numbers in two dimensions"],
    ),
    (
        ["model.path=good.npy", "queries=[cat]", "model.query_path=other_model.npy"],
        ["other_model.npy have 3 dimensions and those of good.npy 4", "make both with one model"],
    ),
    (
        ["model.path=good.npy", "queries=[cat]", "model.query_path=two_queries.npy"],
        ["two_queries.npy has 2 rows and there is 1 query", "give one row a query"],
    ),
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


CAUSES = [
    "has no choice", "there is no option", "give a whole number", "give true or false", "must be from 0", "cannot be
    null", "names several values", "seed cannot be read", "is not set", "more neighbours than there are", "k must
    list", "give a list", "evaluators is empty", "needs the evaluator", "cannot be 'tpu'", "cannot be 'float8'",
    "cannot be 'blue'", "must be at least 1", "512 positions", "384 dimensions", "has no meaning for", "has no value",
    "cannot be a list", "model.name='../secret'", "'/no/such/folder' does not exist", "holds no model", "nor a hub
    id", "the override", "is no override", "makes no configuration", "needs a folder", "cannot be written", "is the
    folder of job", "leads out of", "is no tracking address", "is no score of this run", "perplexity must be above 1",
    "has no column", "is empty", "no rows below its header", "has a blank text", "one label only", "different text",
    "a NUL byte", "fields in row", "under two labels", "is not UTF-8", "is UTF-16", "compressed by gzip", "is a
    folder, and a file is meant", "missing.csv does not exist", "is too small", "of queries is blank", "a label of its
    own", "a quoted field", "the column 'label' 2 times", "split column", "is no JSON", "a list, and an object", "an
    object as", "half a surrogate", "cannot be read as parquet", "rows and the data have", "holds an array of shape",
    "as an array of numbers", "not finite", "is no file", "neither .npy nor .parquet", "holds no vectors", "dimensions
    and those of", "rows and there is",
]  # fmt: skip
"""What makes a refusal another one: of each cause one sentence, whatever the option or file is called."""


def test_the_tables_have_the_cases_and_the_causes_that_they_are_to_have():
    refusals = [words for _, words in (*OPTIONS, *LATE, *DATA, *VECTORS)]
    assert len(refusals) + len(ACCEPTED) >= 100
    causes = [next((cause for cause in CAUSES for word in words if cause in word), None) for words in refusals]
    assert None not in causes, refusals[causes.index(None)]
    assert set(causes) == set(CAUSES)
    assert len(CAUSES) >= 60
    assert all(len(words) >= 2 for words in refusals)  # a cause, and a cure


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
