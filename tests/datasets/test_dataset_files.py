import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow
import pytest
import yaml
from pyarrow import parquet

from evalkit.datasets import csv_reader as csv_file
from evalkit.datasets import jsonl_reader as jsonl_file
from evalkit.datasets import parquet_reader as parquet_file
from evalkit.errors import RequestError

READERS = pytest.mark.parametrize("reader", [csv_file, jsonl_file, parquet_file])


def make_loop(path):
    path.symlink_to(path)


UNREADABLE = [
    ("missing", lambda path: None, r"does not exist \(looked in .*\): check the path\.$"),
    ("misspelt", lambda path: path.with_name("dta.file").touch(), r"does not exist .*: perhaps dta\.file is meant\.$"),
    ("a folder", Path.mkdir, r"is a folder, and a file is meant: name a file in it\.$"),
    ("a pipe", os.mkfifo, r"is no regular file, and evalkit reads it twice: save it as a file\.$"),
    ("a link to nothing", lambda path: path.symlink_to("nowhere"), "does not exist"),
    ("a link to itself", make_loop, r"(does not exist|cannot be read \(Too many levels of symbolic links\))"),
]


@READERS
@pytest.mark.parametrize(("make", "words"), [case[1:] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
def test_a_file_that_is_none_is_refused(tmp_path, reader, make, words):
    path = tmp_path / "data.file"
    make(path)
    with pytest.raises(RequestError, match=r"^dataset\.path=.*data\.file " + words):
        reader.load(str(path))


@READERS
@pytest.mark.parametrize("path", ["", "  ", "a\nb", "a\0b", "x" * 5000, "missing/folder/file", "../" * 50 + "nothing"])
def test_a_path_that_cannot_be_is_refused_on_one_line(reader, path):
    with pytest.raises(RequestError, match=r"^dataset\.path=.*(cannot be|does not exist)") as caught:
        reader.load(path)
    assert str(caught.value).isprintable()


def test_a_file_that_may_not_be_read_is_refused():
    script = (
        "import os, sys\n"
        "from evalkit.datasets import csv_reader\n"
        "from evalkit.errors import RequestError\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: csv_reader.load(sys.argv[1])\n"
        "except RequestError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "secret.csv"
        path.write_text("text,label\n")
        path.chmod(0)
        command = [sys.executable, "-c", script, str(path)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said == f"dataset.path={path} cannot be read (Permission denied): check its name and permissions.\n"


@READERS
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("https://example.org/texts.csv", "is an address, and a local file is meant: download it first"),
        ("s3://bucket/texts.csv", "is an address, and a local file is meant: download it first"),
        ("sub/data", r"^dataset\.path=sub/data does not exist \(looked in /.*/sub\)"),
        ("texts-*.csv", "does not exist .*: a pattern is not expanded, join the files and name the result"),
    ],
)
def test_addresses_and_patterns_are_refused(reader, path, words):
    with pytest.raises(RequestError, match=words):
        reader.load(path)


@READERS
def test_one_rule_for_missing_labels_holds_for_every_format(tmp_path, reader):
    path = tmp_path / "data.file"
    labels, ignored = [0.5, 0.5, None, 1.5, 1.5, -1], -1
    if reader is parquet_file:
        ignored = -1.0
        parquet.write_table(pyarrow.table({"text": list("abcdef"), "label": labels}), path)
    elif reader is csv_file:
        path.write_text("text,label\na,0.5\nb,0.5\nc,\nd,1.5\ne,1.5\nf,-1\n")
    else:
        rows = zip("abcdef", labels, strict=True)
        path.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in rows))
    with pytest.raises(RequestError, match=r"row 3 .*of .* has (no|a blank) label.*dataset\.drop_unlabelled=true"):
        reader.load(str(path))
    corpus = reader.load(str(path), drop_unlabelled=True, ignore_labels=[ignored])
    assert corpus.texts == ("a", "b", "d", "e")
    assert corpus.label_names == ("0.5", "1.5")
    assert corpus.dropped == {"duplicates": 0, "conflicts": 0, "blank": 0, "unlabelled": 1, "ignored": 1}
    assert corpus.source_rows == 6


def test_every_choice_of_the_group_binds_to_its_reader(repository):
    import importlib
    import inspect

    choices = sorted((repository / "conf" / "dataset").glob("*.yaml"))
    assert [path.stem for path in choices] == ["csv", "hf", "jsonl", "parquet", "topics"]
    for path in choices:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
        module, _, function = options.pop("load")["_target_"].rpartition(".")
        load = getattr(importlib.import_module(module), function)
        bound = inspect.signature(load).bind(**options)
        assert set(bound.arguments) | {"queries", "sample_seed"} == set(inspect.signature(load).parameters)
        for name, value in options.items():
            default = inspect.signature(load).parameters[name].default
            assert default is inspect.Parameter.empty or default == value
