from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets import Table, build_corpus
from evalkit.errors import RequestError

GOOD = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")]
Row = tuple[str | None, str | None]


def table(rows, splits=None):
    return Table("words.csv", [text for text, _ in rows], [label for _, label in rows], splits)


def build(rows, splits=None, **options):
    return build_corpus(table(rows, splits), name="words", **options)


def labels_of(corpus):
    return [corpus.label_names[code] for code in corpus.labels]


def test_a_corpus_holds_what_the_table_holds():
    corpus = build([("one", "z"), ("two", "a"), ("three", "z"), ("four", "B")], queries=["five", "six"])
    assert corpus.name == "words"
    assert corpus.texts == ("one", "two", "three", "four")
    assert corpus.label_names == ("B", "a", "z")
    assert corpus.labels.tolist() == [2, 1, 2, 0]
    assert corpus.labels.dtype == np.int32
    assert corpus.rows.tolist() == [0, 1, 2, 3]
    assert corpus.rows.dtype == np.int64
    assert corpus.source_rows == 4
    assert corpus.queries == ("five", "six")
    assert corpus.split is None
    assert corpus.dropped == {"duplicates": 0, "conflicts": 0, "blank": 0}
    assert corpus.warnings == ()
    assert len(corpus.fingerprint) == 64


def test_texts_and_labels_are_kept_as_written():
    rows = [(" Word", "x "), ("word", "x "), ("WORD", "é"), ("word ", "e\u0301")]
    corpus = build(rows)
    assert corpus.texts == (" Word", "word", "WORD", "word ")
    assert labels_of(corpus) == ["x ", "x ", "é", "e\u0301"]


# Blank, missing and unusable values

BLANKS = [
    (("", "x"), r"row 5 of words\.csv has a blank text: fill it in, or leave such rows out with dataset\."),
    ((" \t\n\u00a0\u3000", "x"), "row 5 of words.csv has a blank text"),
    (("e", ""), "row 5 of words.csv has a blank label"),
    (("e", "  "), "row 5 of words.csv has a blank label"),
    ((None, "x"), r"row 5 of words.csv has no text \(a missing value\)"),
    (("e", None), r"row 5 of words.csv has no label \(a missing value\)"),
    ((None, None), "row 5 of words.csv has no text"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "words"), BLANKS)
def test_a_blank_value_is_refused_with_its_row_or_left_out_and_counted(row, words):
    with pytest.raises(RequestError, match=words):
        build([*GOOD, row, ("f", "x")])
    corpus = build([*GOOD, row, ("f", "x")], drop_blank=True)
    assert corpus.texts == ("a", "b", "c", "d", "f")
    assert corpus.rows.tolist() == [0, 1, 2, 3, 5]
    assert corpus.source_rows == 6
    assert corpus.dropped == {"duplicates": 0, "conflicts": 0, "blank": 1}


def test_a_table_of_blanks_alone_is_refused():
    with pytest.raises(RequestError, match=r"all 5 rows of words\.csv have a blank text or label: check dataset"):
        build([("", "x")] * 5, drop_blank=True)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("nul\0", "x"), r"^row 5 of words\.csv holds a NUL character: write it as plain UTF-8 text\.$"),
        (("e", "x\0"), "row 5 of words.csv holds a NUL character"),
        (("half \ud83d", "x"), r"row 5 of words\.csv holds half a surrogate pair \(U\+D83D\)"),
        (("e", "\udc00"), r"row 5 of words\.csv holds half a surrogate pair \(U\+DC00\)"),
    ],
)
def test_a_value_that_nothing_can_carry_is_refused_with_its_row(row, words):
    with pytest.raises(RequestError, match=words):
        build([*GOOD, row], drop_blank=True)


@pytest.mark.parametrize(("options", "words"), [
    ({"queries": ["fine", " "]}, "query 2 of queries is blank: write a text there, or leave it out"),
    ({"queries": ["\0"]}, "query 1 .* NUL"),
    ({"conflicts": "last"}, r"dataset\.conflicts=last is none of first, drop and error"),
    *[({"limit": n}, rf"dataset\.limit={n} is too small, as 4 texts are the least: raise it") for n in (-1, 0, 3)],
])  # fmt: skip
def test_an_option_that_cannot_be_is_refused(options, words):
    with pytest.raises(RequestError, match=words):
        build(GOOD, **options)


# Too little

TOO_LITTLE = [
    ([], r"words\.csv has no rows below its header: give it texts and labels\.$"),
    ([("a", "x")], r"words\.csv has only 1 different text, and at least 4 are needed: add texts\.$"),
    ([("a", "x"), ("b", "y"), ("c", "x")], "has only 3 different texts, and at least 4 are needed"),
    ([("same", "x")] * 100, r"has only 1 different text \(left out: 99 as duplicates\), and at least 4 are needed"),
    ([*GOOD[:3], GOOD[0]], r"has only 3 different texts \(left out: 1 as duplicates\)"),
    ([(letter, "x") for letter in "abcde"], "has one label only, 'x' on all 5 texts, and nothing can be told apart"),
    ([(letter, letter) for letter in "abcde"], "has a label of its own on each of its 5 texts, so that no two"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "words"), TOO_LITTLE)
def test_too_little_to_score_is_refused(rows, words):
    with pytest.raises(RequestError, match=words):
        build(rows)


def test_conflicts_that_leave_one_label_are_said():
    rows = list(zip("abcdee", "xxxxxy", strict=True))
    with pytest.raises(RequestError, match=r"one label only, 'x' on all 4 texts \(left out: 2 as conflicts\)"):
        build(rows, conflicts="drop")


# Repeated texts

REPEATED = [
    ("a", "x"), ("b", "x"), ("a", "x"), ("c", "y"), ("b", "y"),
    ("d", "y"), ("b", "y"), ("b", "z"), ("A", "x"), ("a ", "y"),
]  # fmt: skip


def test_the_first_row_of_a_text_counts_and_the_others_are_counted():
    corpus = build(REPEATED)
    assert corpus.texts == ("a", "b", "c", "d", "A", "a ")
    assert labels_of(corpus) == ["x", "x", "y", "y", "x", "y"]
    assert corpus.rows.tolist() == [0, 1, 3, 5, 8, 9]
    assert corpus.dropped == {"duplicates": 2, "conflicts": 2, "blank": 0}
    assert corpus.warnings == (
        "1 text under more than one label, of which the first counts ('x' in row 2 and 'y' in row 5, say); "
        "dataset.conflicts=drop leaves such texts out.",
    )


def test_texts_in_conflict_can_be_left_out():
    corpus = build(REPEATED, conflicts="drop")
    assert corpus.texts == ("a", "c", "d", "A", "a ")
    assert corpus.dropped == {"duplicates": 2, "conflicts": 3, "blank": 0}
    assert corpus.warnings == ()


def test_conflicts_can_be_refused():
    with pytest.raises(RequestError) as caught:
        build(REPEATED, conflicts="error")
    assert str(caught.value) == (
        "words.csv has the text 'b' under two labels, 'x' in row 2 and 'y' in row 5, and dataset.conflicts is error: "
        "correct it, or choose first or drop."
    )
    assert build([*GOOD, GOOD[0]], conflicts="error").dropped["duplicates"] == 1


def test_a_warning_holds_no_text():
    rows = [*GOOD, ("confidential", "x"), ("confidential", "y")]
    (warning,) = build(rows).warnings
    assert "confidential" not in warning


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz")), min_size=8, max_size=40))
def test_every_row_is_kept_or_counted(rows):
    for conflicts in ("first", "drop"):
        try:
            corpus = build(rows, conflicts=conflicts)
        except RequestError:
            continue
        assert len(set(corpus.texts)) == len(corpus.texts)
        assert len(corpus.texts) + sum(corpus.dropped.values()) == corpus.source_rows == len(rows)
        assert corpus.dropped["duplicates"] == len(rows) - len(set(rows))
        assert [rows[row] for row in corpus.rows] == list(zip(corpus.texts, labels_of(corpus), strict=True))
        if conflicts == "drop":
            assert all(len({label for text, label in rows if text == kept}) == 1 for kept in corpus.texts)


# Labels that look alike


@pytest.mark.parametrize(
    ("first", "second"), [("Sport", "sport"), ("sport", "sport "), ("New York", "newyork"), ("STRASSE", "straße")]
)
def test_labels_that_differ_by_case_or_space_are_warned_of_and_kept_apart(first, second):
    corpus = build([("a", first), ("b", first), ("c", second), ("d", "other")])
    assert len(corpus.label_names) == 3
    (warning,) = corpus.warnings
    assert warning.startswith("labels that differ only by spaces or case count as different: ")
    assert f"{first!r} (2 texts)" in warning
    assert f"{second!r} (1 text)" in warning
    assert warning.endswith("; rename them if one is meant.")


def test_more_groups_of_such_labels_are_counted():
    rows = [(str(n), label) for n, label in enumerate(["a", "A", "b", "B", "c", "C"])] + [("6", "a")]
    assert ", and 2 more such groups;" in build(rows).warnings[0]


# Splits


SPLIT_ROWS = list(zip(["t1", "a", "t2", "a", "b", "t1", "c", "d", "b"], "xxyxyxyxx", strict=True))
SPLITS = ["train", "test", "train", "test", "test", "train", "test", "test", "test"]


def test_the_test_rows_are_scored_once_and_all_rows_stand_in_the_split():
    corpus = build(SPLIT_ROWS, SPLITS)
    assert corpus.texts == ("a", "b", "c", "d")
    assert corpus.rows.tolist() == [1, 4, 6, 7]
    assert corpus.dropped == {"duplicates": 1, "conflicts": 1, "blank": 0}
    split = corpus.split
    assert split.train_texts == ("t1", "t2", "t1")
    assert split.train_labels == ("x", "y", "x")
    assert split.train_rows.tolist() == [0, 2, 5]
    assert split.test_texts == ("a", "a", "b", "c", "d", "b")
    assert split.test_labels == ("x", "x", "y", "y", "x", "x")
    assert split.test_rows.tolist() == [1, 3, 4, 6, 7, 8]


def test_blank_rows_stand_in_no_split():
    corpus = build([*SPLIT_ROWS, ("", "x"), (" ", "y")], [*SPLITS, "train", None], drop_blank=True)
    assert corpus.dropped["blank"] == 2
    assert len(corpus.split.train_texts) + len(corpus.split.test_texts) == len(SPLITS)


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        (["train", "dev", "test", "validation"], r"holds 'dev', 'validation' \(first in row 2\), and only train"),
        (["Train", "test", "test", "test"], r"holds 'Train' \(first in row 1\)"),
        (["train", "test ", "test", "test"], "holds 'test ' "),
        (["train", None, "test", "test"], "holds 'None' "),
        (["train", "", "test", "test"], "holds '' "),
        (["train"] * 4, r"has no test row: mark some, or leave dataset\.split_column out\.$"),
        (["test"] * 4, "has no train row"),
        (["train", "train", "test", "test"], r"train rows of words\.csv bear one label only, 'x', and the probe"),
        (["train", "test", "train", "test"], "has only 2 different texts among its test rows, and at least 4"),
    ],
)
def test_an_unfit_split_is_refused(splits, words):
    with pytest.raises(RequestError, match=words):
        build(GOOD, splits)


def test_labels_that_no_train_row_bears_are_warned_of():
    rows = [("t1", "x"), ("t2", "y"), *GOOD, ("e", "new")]
    corpus = build(rows, ["train"] * 2 + ["test"] * 5)
    assert corpus.warnings == ("no train row bears 1 label of the test rows ('new'): the probe errs there.",)


# Limits


def many(sizes):
    rows = [(f"{label}{number}", label) for label, size in sizes.items() for number in range(size)]
    order = np.random.default_rng(1).permutation(len(rows))
    return [rows[place] for place in order]


def test_a_limited_corpus_keeps_the_proportions_and_the_order():
    rows = many({"x": 600, "y": 300, "z": 100})
    corpus = build(rows, limit=50)
    assert Counter(labels_of(corpus)) == {"x": 30, "y": 15, "z": 5}
    assert corpus.rows.tolist() == sorted(corpus.rows.tolist())
    assert [rows[row][0] for row in corpus.rows] == list(corpus.texts)
    assert corpus.dropped["limit"] == 950
    assert corpus.warnings == ()


def test_the_sample_depends_on_its_seed_alone():
    rows = many({"x": 60, "y": 30})
    again = [build(rows, limit=20, sample_seed=seed).texts for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]


def test_small_labels_keep_two_texts():
    corpus = build(many({"x": 1000, "y": 3, "z": 2, "w": 1}), limit=20)
    assert Counter(labels_of(corpus)) == {"x": 15, "y": 2, "z": 2, "w": 1}


def test_a_limit_too_small_for_all_labels_takes_the_largest_and_says_so():
    corpus = build(many({"x": 9, "y": 8, "z": 7, "w": 6, "v": 5}), limit=6)
    assert Counter(labels_of(corpus)) == {"x": 2, "y": 2, "z": 2}
    assert corpus.warnings == (
        "dataset.limit=6 holds only the 3 largest of the 5 labels, two texts of each; raise it to 10 to keep all.",
    )


@pytest.mark.parametrize("limit", [4, 5, 1000])
def test_a_limit_of_all_texts_changes_nothing(limit):
    limited, whole = build([*GOOD, GOOD[0]], limit=limit), build([*GOOD, GOOD[0]])
    assert limited.fingerprint == whole.fingerprint
    assert limited.dropped == whole.dropped


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=12), limit=st.integers(4, 100))
def test_a_limit_is_met_exactly(sizes, limit):
    rows = [(f"{label} {number}", str(label)) for label, size in enumerate(sizes) for number in range(size)]
    try:
        whole = build(rows)
    except RequestError:
        return
    corpus = build(rows, limit=limit)
    assert len(corpus.texts) == min(limit, len(rows))
    counts, all_counts = Counter(labels_of(corpus)), Counter(labels_of(whole))
    assert len(counts) >= 2
    if limit >= sum(min(size, 2) for size in sizes):
        assert all(counts[label] >= min(2, size) for label, size in all_counts.items())


def test_a_limit_bounds_the_train_rows_too():
    rows = many({"x": 40, "y": 40})
    corpus = build([*rows, rows[1]], ["train", "test"] * 40 + ["test"], limit=10)
    assert len(corpus.split.train_texts) == 10
    assert set(corpus.split.test_texts) == set(corpus.texts)
    assert Counter(corpus.split.train_labels).keys() == {"x", "y"}


# Fingerprints


def test_the_fingerprint_is_that_of_the_data_alone():
    first = build(GOOD)
    other = build_corpus(Table("/elsewhere", *zip(*GOOD, strict=True)), name="other", queries=["q"])
    assert first.fingerprint == other.fingerprint
    assert first.fingerprint == build([*GOOD, GOOD[2]]).fingerprint  # what is left out does not count
    # Pinned: a change would make every stored vector and record unfindable.
    assert first.fingerprint == PINNED


PINNED = "8e4cd9683f7a4f1b0bf55fce0810eb7db111fe39eada35ffdb924184949d8dca"


def test_any_change_of_the_data_changes_the_fingerprint():
    split_of_six = ["train", "train", "test", "test", "test", "test"]
    six = [("t", "x"), ("u", "y"), *GOOD]
    corpora = [
        build(GOOD),
        build([GOOD[1], GOOD[0], *GOOD[2:]]),
        build([("A", "x"), *GOOD[1:]]),
        build([("a", "y"), *GOOD[1:]]),
        build([("a ", "x"), *GOOD[1:]]),
        build([("ab", "x"), ("", "x"), *GOOD[2:], ("e", "y")], drop_blank=True),
        build([*GOOD, ("e", "y")]),
        build(six),
        build(six, split_of_six),
        build([("u", "x"), ("t", "y"), *GOOD], split_of_six),
        build([*six, GOOD[0]], [*split_of_six, "test"]),  # the split holds rows as they stand
    ]
    assert len({corpus.fingerprint for corpus in corpora}) == len(corpora)
