import csv
import time

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets import csv_reader as csv_file
from evalkit.errors import RequestError

ROWS = [("red apple", "fruit"), ("green pear", "fruit"), ("grey cat", "animal"), ("brown dog", "animal")]


def saved(folder, content, name="texts.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def read(folder, content, separator=None):
    table = csv_file.read(saved(folder, content), separator=separator)
    return list(zip(table.texts, table.labels, strict=True))


PLAIN = "text,label\nred apple,fruit\ngreen pear,fruit\ngrey cat,animal\nbrown dog,animal\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\n\n") + "\n\n",
        "\n\n" + PLAIN,
        PLAIN.replace("text,label", '"text","label"').replace("red apple", '"red apple"'),
        "label,id,text\nfruit,1,red apple\nfruit,2,green pear\nanimal,3,grey cat\nanimal,4,brown dog\n",
        PLAIN.replace("text,label", "text,label,").replace("fruit\n", "fruit,\n").replace("animal\n", "animal,\n"),
    ],
)
def test_the_habits_of_csv_come_to_the_same(tmp_path, content):
    assert read(tmp_path, content) == ROWS


def test_quoted_fields_hold_separators_newlines_and_quotes(tmp_path):
    content = 'text,label\r\n"one, two",a\r\n"line\r\nbreak\nand\rmore",a\r\n"she said ""no""",b\r\n5" pipe,b\r\n'
    assert [text for text, _ in read(tmp_path, content)] == [
        "one, two", "line\r\nbreak\nand\rmore", 'she said "no"', '5" pipe',
    ]  # fmt: skip


@pytest.mark.parametrize("text", [
    "null", "NA", "nan", "None", "N/A", "NULL", "#N/A", "true", "1e5", "inf", "-",  # missing to other readers
    "01", "1", "1.0", "007", " 7", "1e3", "+5", "99999999999999999999999",
    "😀 emoji", "שלום עולם", "مرحبا", "a\u2028b", "a\x0bb\x0cc\x1cd\x85e", "\ufeffmark", "é", "e\u0301", "=cmd()",
])  # fmt: skip
def test_texts_and_labels_stay_as_written(tmp_path, text):
    assert read(tmp_path, f"text,label\n{text},{text}\n") == [(text, text)]


def test_a_comma_in_a_name_or_in_texts_does_not_mislead_the_search_for_the_separator(tmp_path):
    content = "text;label;a,b,c,d,e\n1,2,3,4,5,6;x;y\n"
    assert read(tmp_path, content) == [("1,2,3,4,5,6", "x")]
    table = csv_file.read(saved(tmp_path, '"my,text";label\nword;a\n'), text_column="my,text")
    assert list(table.texts) == ["word"]


@pytest.mark.parametrize(("separator", "written"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), (";", ";"), ("~", "~")])
def test_a_separator_can_be_forced(tmp_path, separator, written):
    assert read(tmp_path, PLAIN.replace(",", written), separator) == ROWS


@pytest.mark.parametrize("separator", ["", ",,", '"', "\n", "\r", "comma"])
def test_a_separator_that_cannot_be_is_refused(tmp_path, separator):
    with pytest.raises(RequestError, match=r"dataset\.separator must be one character .*: write for example"):
        read(tmp_path, PLAIN, separator)


def test_a_text_of_ten_megabytes_is_read_and_the_modules_own_limit_is_left_as_it_was(tmp_path):
    before = csv.field_size_limit()
    text = "word " * 2_000_000
    assert read(tmp_path, f'text,label\n"{text}",a\n') == [(text, "a")]
    assert csv.field_size_limit() == before


REFUSED = [
    ("empty", "", r"texts\.csv is empty: give a file with texts and labels\.$"),
    ("only a BOM", b"\xef\xbb\xbf", "is empty"),
    ("only blank lines", "\n \r\n\n", "is empty"),
    ("missing column", "text,labels\na,b\n", r"no column 'label', only 'text', 'labels': try dataset.label_column="),
    ("other case", "Text,label\na,b\n", r"no column 'text', only 'Text', 'label': try dataset\.text_column=Text\.$"),
    ("nothing alike", "sentence,class\na,b\n", r"'sentence', 'class': name one of them with dataset\.text_column=COL"),
    ("no header", "good,a\nbad,b\n", "has no column 'text', only 'good', 'a'"),
    ("single column", "text\na\nb\n", "has no column 'label', only 'text'"),
    ("unknown separator", "text~label\na~b\n", "has no column 'text', only 'text~label'"),
    ("many columns", ",".join(f"c{n}" for n in range(20)) + "\n", r"'c11' and 8 more: name one"),
    ("column twice", "text,label,text\na,b,c\n", "has the column 'text' 2 times: rename all but one of them"),
    ("too many fields", PLAIN + "one, two,a\n", r"3 fields in row 5 \(line 6\), and its header has 2: put a text that"),
    ("too few fields", "text,label\n\na,b\n\nword\n", r"has 1 field in row 2 \(line 5\), and its header has 2"),
    ("unclosed quote", PLAIN + '"never closed,a\nb,c\n', r"a quoted field that begins in row 5 \(line 6\): close it"),
    ("unclosed header", '"text,label\na,b\n', "ends inside a quoted field that begins in the header"),
    ("quote in quotes", 'text,label\n"a\nb",c\n"he "said" it",a\n', r"in row 2 \(line 4\): write it twice"),
    ("space after quote", 'text,label\n"a" ,b\n', r"in row 1 \(line 2\): write it twice .* there, or close the field"),
    ("NUL", 'text,label\n"a\nb",c\nx\0y,d\n', r"has a NUL byte in row 2 \(line 4\) \(byte 20 of the file\): remove it"),
    ("UTF-16", PLAIN.encode("utf-16"), "is UTF-16, and UTF-8 text is meant: save it as UTF-8"),
    ("UTF-16 without mark", PLAIN.encode("utf-16-le"), "has a NUL byte in the header .* as UTF-8 if it is UTF-16"),
    ("UTF-32", PLAIN.encode("utf-32"), "is UTF-32"),
    ("Latin-1", "text,label\nok,a\ncafé,b\n".encode("latin-1"), r"UTF-8: row 2 \(line 3\) has .* 0xE9 \(byte 19 of"),
    ("Latin-1 in the header", "täxt;label\n".encode("latin-1"), r"the header \(line 1\) has the byte 0xE4"),
    ("cut off", "text,label\nok,é".encode()[:-1], r"row 1 \(line 2\) has the byte 0xC3 \(byte 14 of the file\)"),
    ("semicolons", 'text;label\n"a;\n\nb";x\n"\xff";y\n'.encode("latin-1"), r"row 2 \(line 5\) has the byte 0xFF"),
    ("gzip", b"\x1f\x8b\x08\x00", "is compressed by gzip, and UTF-8 text is meant: unpack it first"),
    ("workbook", b"PK\x03\x04....", "is a zip archive or an Excel workbook"),
    ("parquet", b"PAR1....", "is a parquet file, and UTF-8 text is meant: read it with dataset=parquet"),
]


@pytest.mark.parametrize(("content", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_read_right_is_refused_with_its_row(tmp_path, content, words):
    with pytest.raises(RequestError, match=words) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


SPEECH = 'text\tlabel\n"I will go home.\tspeech\nBut not today."\tspeech\nhe sat\tprose\n"all, of it"\tprose\n'


def test_a_quoted_text_that_swallows_a_row_is_warned_of_and_quotes_can_be_plain(tmp_path):
    table = csv_file.read(saved(tmp_path, SPEECH))
    assert len(table.texts) == 3
    assert table.warnings == [
        "the quoted text of row 1 (line 2) runs over several lines that look like rows of their own; "
        "set dataset.quoting=none if quotes are plain characters in this file."
    ]
    plain = csv_file.read(saved(tmp_path, SPEECH), quoting="none")
    assert list(plain.texts) == ['"I will go home.', 'But not today."', "he sat", '"all, of it"']
    assert plain.warnings == []
    verse = 'text,label\n"roses, red\nviolets",poem\nword,other\n'
    assert csv_file.read(saved(tmp_path, verse)).warnings == []
    with pytest.raises(RequestError, match=r"dataset\.quoting=all is neither minimal nor none"):
        csv_file.read(saved(tmp_path, SPEECH), quoting="all")
    swallowed = 'label,text\nspeech,"I will go.\nspeech,Not today."\nprose,he sat\n'
    assert len(csv_file.read(saved(tmp_path, swallowed)).warnings) == 1


def test_excels_first_line_names_the_separator(tmp_path):
    assert read(tmp_path, "sep=~\r\n" + PLAIN.replace(",", "~").replace("\n", "\r\n")) == ROWS
    assert read(tmp_path, "sep=;\n" + PLAIN.replace(",", ";"), ";") == ROWS


def test_lines_of_remarks_are_no_rows(tmp_path):
    remarked = "# made today\n" + PLAIN.replace("grey cat", "# more, of them\ngrey cat")
    table = csv_file.read(saved(tmp_path, remarked), comment="#")
    assert list(zip(table.texts, table.labels, strict=True)) == ROWS
    assert table.name_row(2) == "row 3 (line 6)"


def test_a_file_without_a_header_has_numbered_columns(tmp_path):
    path = saved(tmp_path, PLAIN.partition("\n")[2])
    table = csv_file.read(path, text_column="0", label_column="1", header=False)
    assert list(zip(table.texts, table.labels, strict=True)) == ROWS
    assert table.name_row(0) == "row 1 (line 1)"
    with pytest.raises(RequestError, match="has no column 'text', only '0', '1': name one of them"):
        csv_file.read(path, header=False)
    with pytest.raises(RequestError, match=r"3 fields in row 2 \(line 2\), and its first row has 2"):
        csv_file.read(saved(tmp_path, "a,x\nb,x,y\n"), text_column="0", label_column="1", header=False)


# Properties

field = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
special = st.text(st.sampled_from([",", ";", "\t", "|", '"', "\n", "\r", " ", "a", "\u2028", "\ufeff"]), max_size=8)


@given(
    rows=st.lists(st.tuples(field | special, field | special), min_size=1, max_size=6),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.booleans(),
    quote_all=st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, rows, separator, end, mark, quote_all):
    path = tmp_path_factory.getbasetemp() / "property.csv"
    # Python 3.11's writer leaves a CR unquoted where lines end in LF.
    minimal = not quote_all and not any("\r" in cell or "\n" in cell for row in rows for cell in row)
    with path.open("w", encoding="utf-8-sig" if mark else "utf-8", newline="") as file:
        quoting = csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL
        writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=quoting)
        writer.writerows([("text", "label"), *rows])
    table = csv_file.read(str(path))
    assert list(zip(table.texts, table.labels, strict=True)) == rows


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, noise):
    path = tmp_path_factory.getbasetemp() / "noise.csv"
    path.write_bytes(b"text,label\n" + noise)
    try:
        table = csv_file.read(str(path))
    except RequestError:
        return  # and nothing else
    assert len(table.texts) == len(table.labels)


# Real texts


@pytest.mark.parametrize(
    ("name", "texts", "labels", "duplicates", "conflicts"),
    [
        ("snips/data.csv", 14_310, 7, 174, 0),
        ("clinc150/data.csv", 22_495, 150, 1, 4),
        ("clinc150/data_domain.csv", 22_495, 10, 4, 1),
        ("sotu/data.csv", 233, 8, 0, 0),
    ],
)
def test_real_files_are_what_pandas_finds(shared_data, name, texts, labels, duplicates, conflicts):
    corpus = csv_file.load(str(shared_data / name))
    frame = pandas.read_csv(shared_data / name, dtype=str, keep_default_na=False)
    kept = frame.drop_duplicates("text")
    assert (len(corpus.texts), len(corpus.label_names)) == (texts, labels)
    assert corpus.dropped == {"duplicates": duplicates, "conflicts": conflicts, "blank": 0}
    assert len(frame) == corpus.source_rows == texts + duplicates + conflicts
    assert corpus.dropped["duplicates"] == frame.duplicated(["text", "label"]).sum()
    assert list(corpus.texts) == kept["text"].tolist()
    assert [corpus.label_names[code] for code in corpus.labels] == kept["label"].tolist()
    assert corpus.rows.tolist() == kept.index.tolist()
    assert len(corpus.warnings) == (conflicts > 0)


def test_a_real_split_keeps_its_rows_as_they_stand(shared_data):
    corpus = csv_file.load(str(shared_data / "clinc150/data_split.csv"), split_column="split")
    frame = pandas.read_csv(shared_data / "clinc150/data_split.csv", dtype=str, keep_default_na=False)
    train, test = frame[frame["split"] == "train"], frame[frame["split"] == "test"]
    assert list(corpus.split.train_texts) == train["text"].tolist()
    assert list(corpus.split.train_labels) == train["label"].tolist()
    assert list(corpus.split.test_texts) == test["text"].tolist() == list(corpus.texts)
    assert corpus.split.test_rows.tolist() == test.index.tolist()
    assert len(set(corpus.split.train_texts) & set(corpus.split.test_texts)) == 2  # known, and they stay


@pytest.mark.slow
def test_a_million_rows_take_seconds(tmp_path):
    path = tmp_path / "million.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(("text", "label"))
        csv.writer(file).writerows((f"text number {row} über alles", f"label {row % 100}") for row in range(1_000_000))
    start = time.perf_counter()
    corpus = csv_file.load(str(path))
    assert time.perf_counter() - start < 30  # measured: 4 s
    assert len(corpus.texts) == 1_000_000
