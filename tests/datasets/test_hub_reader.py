import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import pyarrow as arrow
import pytest
from hub.hub_server import HubServer
from pyarrow import parquet

from evalkit.datasets import hub_reader
from evalkit.errors import RequestError

if importlib.util.find_spec("datasets.config") is None:  # not "datasets": without the library that is this folder
    pytest.skip("the extra hf is not installed: pip install 'evalkit[hf]'", allow_module_level=True)

import datasets

COMMIT = "a" * 40
TRAIN = {"text": list("abcdef"), "label": list("xyxyxy")}
TEST = {"text": list("ghijkl"), "label": list("xyxyyx")}


def as_parquet(columns, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table(columns), path)


# A folder, read by the real library in this process


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture
def folder(tmp_path):
    as_parquet(TRAIN, tmp_path / "letters" / "train.parquet")
    as_parquet(TEST, tmp_path / "letters" / "test.parquet")
    return tmp_path / "letters"


def test_the_test_split_is_taken_unless_told_otherwise(folder):
    corpus = hub_reader.load(str(folder))
    assert corpus.name == "letters"
    assert corpus.texts == tuple("ghijkl")
    assert corpus.label_names == ("x", "y")
    assert corpus.labels.tolist() == [0, 1, 0, 1, 1, 0]
    assert hub_reader.load(str(folder), split="train", name="mine").texts == tuple("abcdef")


def test_the_data_sets_own_splits_serve_as_split_column(folder):
    corpus = hub_reader.load(str(folder), split_column="split")
    assert corpus.split.train_texts == tuple("abcdef")
    assert corpus.split.test_texts == corpus.texts == tuple("ghijkl")
    assert corpus.split.test_rows.tolist() == corpus.rows.tolist() == [6, 7, 8, 9, 10, 11]
    assert corpus.source_rows == 12


def test_a_split_column_of_the_data_comes_before_the_data_sets_splits(tmp_path):
    marks = ["train"] * 2 + ["test"] * 4
    as_parquet({**TRAIN, "split": marks}, tmp_path / "marked" / "train.parquet")
    corpus = hub_reader.load(str(tmp_path / "marked"), split_column="split")
    assert corpus.texts == tuple("cdef")


def test_train_or_the_only_split_is_taken_where_there_is_no_test(tmp_path):
    as_parquet(TRAIN, tmp_path / "one" / "train.parquet")
    assert hub_reader.load(str(tmp_path / "one")).texts == tuple("abcdef")
    as_parquet(TRAIN, tmp_path / "two" / "validation.parquet")
    assert hub_reader.load(str(tmp_path / "two")).texts == tuple("abcdef")


@pytest.mark.parametrize("codes", [[0, 1, 1, 0], [0, -1, 1, 0]])
def test_numbered_classes_bear_their_names_and_a_withheld_one_is_a_missing_label(tmp_path, codes):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = datasets.Dataset.from_dict({"text": list("abcd"), "label": codes}, features=features)
    (tmp_path / "glue").mkdir()
    rows.to_parquet(str(tmp_path / "glue" / "train.parquet"))
    if -1 in codes:
        with pytest.raises(RequestError, match=r"row 2 of .*glue has no label \(a missing value\): fill it in"):
            hub_reader.load(str(tmp_path / "glue"))
    else:
        corpus = hub_reader.load(str(tmp_path / "glue"))
        assert [corpus.label_names[code] for code in corpus.labels] == ["no", "yes", "yes", "no"]


def test_a_folder_that_save_to_disk_wrote_is_read(tmp_path):
    parts = {"train": datasets.Dataset.from_dict(TRAIN), "test": datasets.Dataset.from_dict(TEST)}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "both"))
    assert hub_reader.load(str(tmp_path / "both")).texts == tuple("ghijkl")
    parts["train"].save_to_disk(str(tmp_path / "one"))
    assert hub_reader.load(str(tmp_path / "one")).texts == tuple("abcdef")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "dev"}, r"has no split 'dev', only 'train', 'test': choose with dataset\.split\.$"),
        ({"text_column": "txt"}, r"has no column 'txt', only 'text', 'label': try dataset\.text_column=text\.$"),
        ({"split": "test", "split_column": "split"}, "contradict each other"),
        ({"subset": "french"}, r"\(subset french\) cannot be read as a data set \(.*french.*\): choose one with"),
    ],
)
def test_a_wrong_choice_names_those_there_are(folder, options, words):
    with pytest.raises(RequestError, match=words):
        hub_reader.load(str(folder), **options)


def test_missing_splits_are_said(tmp_path):
    as_parquet(TRAIN, tmp_path / "one" / "train.parquet")
    with pytest.raises(RequestError, match=r"has no split 'test', only 'train': leave dataset\.split_column out\.$"):
        hub_reader.load(str(tmp_path / "one"), split_column="split")
    for part in ("easy", "hard"):
        as_parquet(TRAIN, tmp_path / "odd" / "data" / f"{part}-00000-of-00001.parquet")
    with pytest.raises(RequestError, match=r"has the splits 'easy', 'hard': choose one with dataset\.split\.$"):
        hub_reader.load(str(tmp_path / "odd"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(RequestError, match="nothing cannot be read as a data set"):
        hub_reader.load(str(tmp_path / "nothing"))


@pytest.mark.parametrize("path", ["../up", "own/../other", "a/b/c", "own/set\nx", "own set", "", "a?x=1", "/no/such"])
def test_what_is_neither_folder_nor_hub_id_is_refused(path):
    with pytest.raises(RequestError, match="is neither a folder nor a data set of the hub: write owner/name"):
        hub_reader.load(path)


def test_a_missing_library_is_said_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(RequestError, match=r"needs the library datasets, .*: pip install 'evalkit\[hf\]'\.$"):
        hub_reader.load("own/set")


# The hub's HTTP interface, spoken by a local server, and the real client in other processes


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Address of a hub with the data set own/set, and own/gated."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    as_parquet(TRAIN, folder / "train.parquet")
    as_parquet(TEST, folder / "test.parquet")
    server = HubServer({("own/set", COMMIT): folder, ("own/gated", COMMIT): folder}).start()
    server.gated = frozenset({"own/gated"})
    yield server.url
    server.stop()


NOBODY = "http://127.0.0.1:9"

LOAD_ALL = """
    import json, sys
    from evalkit.datasets import hub_reader
    from evalkit.errors import EvalkitError
    for options in json.loads(sys.argv[1]):
        try:
            corpus = hub_reader.load(**options)
            print(json.dumps([corpus.name, "".join(corpus.texts), list(corpus.warnings)]))
        except EvalkitError as error:
            print(json.dumps([type(error).__name__, str(error), error.exit_status]))
"""


def load_all(cache, endpoint, *requests, **environment):
    """What each load says, one process for all."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOAD_ALL), json.dumps(requests)],
        env={**own, "HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_PROGRESS_BARS": "1", **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.mark.slow
def test_a_data_set_comes_from_the_hub_and_then_from_the_cache(tmp_path, served):
    plain, pinned = {"path": "own/set"}, {"path": "own/set", "revision": COMMIT}
    served_sets = load_all(tmp_path, served, plain, pinned, {**plain, "split_column": "split"})
    assert served_sets == [["own/set", "ghijkl", []]] * 3

    cached, pinned, other = load_all(tmp_path, NOBODY, plain, pinned, {**plain, "revision": "b" * 40})
    warning = "own/set was taken from the cache, as the hub did not answer (ConnectError)."
    assert cached == pinned == ["own/set", "ghijkl", [warning]]
    assert other[0] == "HubUnreachableError"
    assert other[1].startswith(f"own/set at revision {'b' * 40} is not in the cache and the hub cannot be reached")

    assert load_all(tmp_path, NOBODY, plain, HF_HUB_OFFLINE="1") == [["own/set", "ghijkl", []]]


def test_what_the_hub_refuses_is_said(tmp_path, served):
    unknown, gated, revision = load_all(
        tmp_path, served, {"path": "own/none"}, {"path": "own/gated"}, {"path": "own/set", "revision": "v9"}
    )
    assert unknown[::2] == gated[::2] == revision[::2] == ["RequestError", 2]
    assert unknown[1].startswith("the hub has no data set own/none, or it is private: check dataset.path")
    assert gated[1].startswith("own/gated is gated: ask for access on its page")
    assert revision[1] == "own/set has no revision 'v9': check dataset.revision."


def test_a_hub_out_of_reach_is_said_with_the_cures(tmp_path):
    (away,) = load_all(tmp_path, NOBODY, {"path": "own/set"})
    (offline,) = load_all(tmp_path, NOBODY, {"path": "own/set"}, HF_HUB_OFFLINE="1")
    assert away[::2] == offline[::2] == ["HubUnreachableError", 1]
    cure = "fill the cache where there is a network, or give a folder or file that holds the data set."
    assert away[1] == f"own/set is not in the cache and the hub cannot be reached (ConnectError): {cure}"
    assert offline[1] == f"own/set is not in the cache and the hub cannot be reached (HF_HUB_OFFLINE is set): {cure}"
