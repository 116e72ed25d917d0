import json
from decimal import Decimal
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from evalkit.datasets import csv_reader as csv_file
from evalkit.datasets import jsonl_reader as jsonl_file
from evalkit.datasets import parquet_reader as parquet_file
from evalkit.errors import RequestError

WORDS = ["a", "b", "c", "d"]


def saved(folder, columns):
    path = folder / "texts.parquet"
    parquet.write_table(columns if isinstance(columns, arrow.Table) else arrow.table(columns), path)
    return str(path)


@pytest.mark.parametrize("kind", [arrow.string(), arrow.large_string(), arrow.dictionary(arrow.int8(), arrow.string())])
def test_strings_of_every_kind_are_texts_and_labels(tmp_path, kind):
    array = arrow.array(WORDS).cast(kind)
    table = parquet_file.read(saved(tmp_path, {"label": array, "other": [1, 2, 3, 4], "text": array}))
    assert list(table.texts) == list(table.labels) == WORDS
    assert table.name_row(2) == "row 3"


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (arrow.array([1, 0, -7, None], arrow.int8()), ["1", "0", "-7", None]),
        (arrow.array([1.0, 2.5, 0.1, None]), ["1.0", "2.5", "0.1", None]),
        (arrow.array([0.1, 0.25, float("nan"), None], arrow.float32()), ["0.1", "0.25", None, None]),
        (arrow.array([True, False, None, True]), ["true", "false", None, "true"]),
        (arrow.array([Decimal("1.10"), Decimal("2.00"), None, Decimal("0.00")]), ["1.10", "2.00", None, "0.00"]),
        (arrow.array([3, 3, 4, 4]).dictionary_encode(), ["3", "3", "4", "4"]),
    ],
    ids=["integers", "floats", "single precision", "booleans", "decimals", "categories of integers"],
)
def test_numbers_are_labels(tmp_path, values, labels):
    assert list(parquet_file.read(saved(tmp_path, {"text": WORDS, "label": values})).labels) == labels


def test_classes_that_datasets_numbered_bear_their_names(tmp_path):
    features = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    table = arrow.table({"text": WORDS, "label": [0, 1, -1, 0]})
    path = saved(tmp_path, table.replace_schema_metadata({"huggingface": json.dumps(features)}))
    assert list(parquet_file.read(path).labels) == ["no", "yes", None, "no"]


def test_a_name_with_a_dot_is_a_column_like_any_other(tmp_path):
    path = saved(tmp_path, {"a.text": WORDS, "a": [{"text": "no"}] * 4, "label": WORDS})
    assert list(parquet_file.read(path, text_column="a.text").texts) == WORDS


def test_a_null_is_refused_with_its_row_and_left_out_on_demand(tmp_path):
    path = saved(tmp_path, {"text": ["a", None, "c", "d", "e"], "label": ["x", "x", "y", "y", "y"]})
    with pytest.raises(RequestError, match=r"row 2 of .*texts\.parquet has no text \(a missing value\): fill it in"):
        parquet_file.load(path)
    corpus = parquet_file.load(path, drop_blank=True)
    assert corpus.texts == ("a", "c", "d", "e")
    assert corpus.rows.tolist() == [0, 2, 3, 4]
    assert corpus.dropped["blank"] == 1


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"text": [1, 2], "label": ["x", "y"]}, r"int64 in the column 'text', and strings are meant: convert it, or"),
        ({"text": [b"a"], "label": ["x"]}, "holds binary in the column 'text'"),
        ({"text": ["a"], "label": [["x"]]}, r"column 'label', and strings or numbers are meant.*dataset\.label_column"),
        ({"texts": ["a"], "label": ["x"]}, r"no column 'text', only 'texts', 'label': try dataset\.text_column=texts"),
        (arrow.table([["a"], ["b"], ["x"]], names=["text", "text", "label"]), "has the column 'text' 2 times"),
        ({"text": arrow.array([], arrow.string()), "label": arrow.array([], arrow.string())}, "has no rows below"),
    ],
    ids=["numbers as text", "bytes as text", "lists as label", "missing column", "column twice", "no rows"],
)
def test_unfit_columns_are_refused(tmp_path, columns, words):
    with pytest.raises(RequestError, match=words):
        parquet_file.load(saved(tmp_path, columns))


def test_bytes_that_are_no_utf8_are_refused_with_their_row(tmp_path):
    raw = arrow.array([b"ok", b"caf\xe9", b"x", b"y"]).view(arrow.string())
    with pytest.raises(RequestError, match=r"is not UTF-8 in the column 'text', row 2: write it anew"):
        parquet_file.load(saved(tmp_path, {"text": raw, "label": WORDS}))


@pytest.mark.parametrize("content", [b"", b"text,label\na,b\n", b"PAR1", b"PAR1 nonsense PAR1", "a damaged name"])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    path = Path(saved(tmp_path, {"text": ["a"], "label": ["b"], "extra": ["c"]}))
    path.write_bytes(path.read_bytes().replace(b"extra", b"ex\xe1ra") if isinstance(content, str) else content)
    with pytest.raises(RequestError, match=r"texts\.parquet cannot be read as parquet \(.+\): choose its true format"):
        parquet_file.load(str(path))


def test_a_damaged_page_is_refused(tmp_path):
    path = Path(saved(tmp_path, {"text": [f"word {n}" for n in range(5000)], "label": ["x", "y"] * 2500}))
    content = bytearray(path.read_bytes())
    content[20:2000] = bytes(1980)
    path.write_bytes(bytes(content))
    with pytest.raises(RequestError, match="cannot be read as parquet"):
        parquet_file.load(str(path))


def test_the_same_data_have_one_fingerprint_in_every_format_and_place(tmp_path):
    rows = [('one, "two"\nthree', "x"), ("null", "x"), ("é 😀", "01"), ("last", "01")]
    texts, labels = [list(column) for column in zip(*rows, strict=True)]
    csv = 'label;text\nx;"one, ""two""\nthree"\nx;null\n01;é 😀\n01;last\n'
    (tmp_path / "here.csv").write_text(csv, encoding="utf-8-sig", newline="")
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (tmp_path / "there.jsonl").write_text("\n".join(lines), encoding="utf-8")
    corpora = [
        csv_file.load(str(tmp_path / "here.csv")),
        jsonl_file.load(str(tmp_path / "there.jsonl")),
        parquet_file.load(saved(tmp_path, {"text": texts, "label": labels})),
    ]
    assert len({corpus.fingerprint for corpus in corpora}) == 1
    assert [corpus.name for corpus in corpora] == ["here", "there", "texts"]
    assert parquet_file.load(str(tmp_path / "texts.parquet"), name="named").name == "named"
