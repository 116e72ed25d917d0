import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets import jsonl_reader as jsonl_file
from evalkit.errors import RequestError


def read(folder, content):
    path = folder / "texts.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = jsonl_file.read(str(path))
    return list(zip(table.texts, table.labels, strict=True))


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "a b", "label": "x"}\n{"label": "y", "text": "c\\nd", "id": 3}\n',
        '{"text": "a b", "label": "x"}\r\n{"text": "c\\nd", "label": "y"}',
        '\n{"text": "a b", "label": "x"}\n\n  {"text": "c\\nd", "label": "y"}  \n\n',
        b'\xef\xbb\xbf{"text": "a b", "label": "x"}\n{"text": "c\\u000ad", "label": "y"}\n',
    ],
    ids=["plain", "CRLF", "blank lines", "BOM"],
)
def test_an_object_a_line_is_a_row(tmp_path, content):
    assert read(tmp_path, content) == [("a b", "x"), ("c\nd", "y")]


@pytest.mark.parametrize(
    ("label", "text"),
    [("1", "1"), ("1.10", "1.10"), ("1E3", "1E3"), ("-0", "-0"), ("true", "true"), ("false", "false"), ('"01"', "01")],
)
def test_labels_that_are_numbers_become_text_as_written(tmp_path, label, text):
    assert read(tmp_path, f'{{"text": "a", "label": {label}}}') == [("a", text)]


def test_a_number_too_long_for_an_integer_is_a_label_too(tmp_path):
    digits = "1" * 5000
    assert read(tmp_path, f'{{"text": "a", "label": {digits}}}') == [("a", digits)]


def test_null_is_a_missing_value_and_the_word_null_is_not(tmp_path):
    content = '{"text": null, "label": "null"}\n{"text": "null", "label": null}'
    assert read(tmp_path, content) == [(None, "null"), ("null", None)]


def test_a_surrogate_pair_is_one_character(tmp_path):
    assert read(tmp_path, r'{"text": "\ud83d\ude00", "label": "x"}') == [("😀", "x")]


REFUSED = [
    ("empty", "", "is empty"),
    (
        "no JSON",
        '{"text": "a", "label": "x"}\n\nword\n',
        r"row 2 \(line 3\) of .* is no JSON \(Expecting value, .* 1\)",
    ),
    ("cut off", '{"text": "a", "la', r"row 1 \(line 1\) of .* is no JSON \(Unterminated string"),
    ("two objects", '{"text": "a"} {"label": "b"}', r"is no JSON \(Extra data, character 15\)"),
    ("NaN", '{"text": "a", "label": NaN}', r"is no JSON \(NaN is no JSON value"),
    ("single quotes", "{'text': 'a'}", "is no JSON"),
    ("an array file", '[{"text": "a"}]', r"row 1 \(line 1\) of .* is a list, and an object is meant: write one"),
    ("a pretty file", '{\n  "text": "a"\n}', r"row 1 \(line 1\) of .* is no JSON"),
    ("a string", '"word"', "is a string, and an object is meant"),
    ("a number", "5", "is the number 5, and an object is meant"),
    ("null", "null", "is null, and an object is meant"),
    ("missing key", '{"text": "a", "lable": "y"}', r"row 1 \(line 1\) of .* no column 'label', .* 'lable': try"),
    (
        "number as text",
        '{"text": 5, "label": 1}',
        r"number 5 as 'text' in row 1 \(line 1\), and a string is meant: write",
    ),
    ("boolean as text", '{"text": true, "label": "x"}', "has true or false as 'text'"),
    ("list as text", '{"text": ["a"], "label": "x"}', "has a list as 'text'"),
    (
        "list as label",
        '{"text": "a", "label": ["x"]}',
        r"a list as 'label' .* a string or a number is meant: .*label_col",
    ),
    ("object as label", '{"text": "a", "label": {}}', "has an object as 'label'"),
    ("too deep", "[" * 100_000, "is nested too deeply to be read"),
    ("Latin-1", '{"text": "a"}\n{"text": "é"}'.encode("latin-1"), "line 2 has the byte 0xE9"),
    ("NUL", '{"text": "\0", "label": "x"}', "has a NUL byte in line 1"),
]


@pytest.mark.parametrize(("content", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_read_right_is_refused_with_its_row(tmp_path, content, words):
    with pytest.raises(RequestError, match=words) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_a_real_file_that_is_not_utf8_names_the_line_and_byte(shared_data):
    path = shared_data / "snips" / "not_utf8_train_PlayMusic_full.json"
    with pytest.raises(UnicodeDecodeError) as known:
        path.read_bytes().decode()
    line = path.read_bytes()[: known.value.start].count(b"\n") + 1
    words = rf"line {line} has the byte 0xED \(byte {known.value.start} of the file\).*: save the file as UTF-8"
    with pytest.raises(RequestError, match=words):
        jsonl_file.load(str(path))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=6), ascii_only=st.booleans())
def test_what_is_written_is_read(tmp_path_factory, rows, ascii_only):
    path = tmp_path_factory.getbasetemp() / "property.jsonl"
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only) for text, label in rows]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    table = jsonl_file.read(str(path))
    assert list(zip(table.texts, table.labels, strict=True)) == rows


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@given(text=values, label=values)
def test_any_values_are_read_or_refused(tmp_path_factory, text, label):
    path = tmp_path_factory.getbasetemp() / "noise.jsonl"
    path.write_text(json.dumps({"text": text, "label": label}))
    fit = (text is None or isinstance(text, str)) and not isinstance(label, list | dict)
    if fit:
        table = jsonl_file.read(str(path))
        assert list(table.texts) == [text]
    else:
        with pytest.raises(RequestError, match=r"as '(text|label)' in row 1 \(line 1\)"):
            jsonl_file.read(str(path))
