from __future__ import annotations

import pytest

from evalkit.errors import RequestError
from evalkit.retrieval.corpus import Source, build_corpus

TEXTS = ("red apples", "green pears", "blue plums", "ripe figs", "sour limes", "sweet dates", "dry nuts", "wild kiwis")


def source(judged, *, query_ids=None, queries=TEXTS, document_ids=None, texts=TEXTS, **more) -> Source:
    """Eight documents 1 … 8 and eight queries of their words, judged as given."""
    query_ids = [str(i + 1) for i in range(len(queries))] if query_ids is None else query_ids
    document_ids = [str(i + 1) for i in range(len(texts))] if document_ids is None else document_ids
    judged = [(str(q), str(d), str(g)) for q, d, g in judged]
    return Source("c", "c.csv", document_ids, texts, [""] * len(texts), query_ids, queries, judged, **more)


DIAGONAL = [(i, i, 1) for i in range(1, 9)]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"document_ids": ["1", "1", *"345678"]}, r"1 document ids stand more than once in c\.csv \(first '1'\)"),
        ({"query_ids": ["1", " ", *"345678"]}, r"1 query ids of c\.csv are blank \(first in row 2\)"),
        ({"queries": (*TEXTS[:7], " ")}, r"1 of 8 queries of c\.csv are empty \(first '8'\)"),
        ({"texts": ("",) * 8}, "8 of 8 documents of"),
        ({"texts": ("a\0b", *TEXTS[1:])}, "document '1' of .* NUL character"),
        ({"queries": ("\ud83d", *TEXTS[1:])}, "query '1' of .* half a surrogate pair"),
        ({"texts": (), "document_ids": ()}, "has no document"),
        ({"groups": ["x"] * 8}, "all queries of .* are in one group .'x'."),
    ],
)
def test_unfit_documents_and_queries_are_refused(fault, sentence):
    with pytest.raises(RequestError, match=sentence):
        build_corpus(source(DIAGONAL, **fault))


@pytest.mark.parametrize(
    ("grades", "meaning", "sentence"),
    [
        ([1, "x", "y"], None, r"2 of 3 grades of c\.csv are no numbers from 0 on \(first 'x' in judgment 2\)"),
        ([1, -2, 1], None, "1 of 3 grades .*first '-2'"),
        ([1, "nan", 1], None, "1 of 3 grades"),
        (
            [1, 2, 4],
            None,
            r"are 1 \(1 times\), 2 .*nothing says which end is best: set dataset.grades=higher_is_better",
        ),
        ([1, 2, 4], "best_first", "dataset.grades=best_first is none of"),
        ([1, 2, 4], {1: 1, 2: 0}, "1 judgments of .* a grade that dataset.grades does not map .first '4'."),
        ([1, 1, 1], {1: -1}, "dataset.grades maps '1' to no number from 0 on"),
        ([0, 0, 0], None, "no query of c.csv has a relevant document"),
    ],
)
def test_grades_without_a_meaning_are_refused(grades, meaning, sentence):
    rows = [(i + 1, i + 1, grade) for i, grade in enumerate(grades)]
    with pytest.raises(RequestError, match=sentence):
        build_corpus(source(rows, queries=TEXTS[:3]), grades=meaning)


@pytest.mark.parametrize(
    ("meaning", "expected"),
    [
        ("higher_is_better", [1, 2, 4, 0, 0]),
        ("lower_is_better", [4, 3, 1, 0, 0]),
        ({1: 3, 2: 1, 4: 0, 0: 0, -1: 0}, [3, 1, 0, 0, 0]),
    ],
)
def test_grades_become_gains(meaning, expected):
    rows = [(1, 1, 1), (1, 2, 2), (1, 3, 4), (1, 4, 0), (1, 5, -1)]
    corpus = build_corpus(source(rows, queries=TEXTS[:1]), grades=meaning)
    assert corpus.judgments.gains.tolist() == expected
    assert corpus.counts["negative_grades"] == (0 if isinstance(meaning, dict) else 1)
    if not isinstance(meaning, dict):
        assert any("1 judgments of c.csv have the grade −1, which counts as not relevant" in w for w in corpus.warnings)


def test_queries_without_a_relevant_document_are_left_out():
    corpus = build_corpus(source([*DIAGONAL[:6], (7, 1, 0), (8, 1, 0)]))
    assert corpus.query_ids == tuple("123456")
    assert corpus.counts["queries_without_relevant"] == 2
    assert "2 judged queries have no relevant document and are left out." in corpus.warnings


def test_repeated_judgments_count_once():
    corpus = build_corpus(source([*DIAGONAL, (1, 1, 1), (2, 2, 0)]))
    assert corpus.judgments.gains.tolist() == [1.0] * 8
    assert any("1 judgments stand twice with different grades" in warning for warning in corpus.warnings)


@pytest.mark.parametrize(
    ("judged", "what", "share"),
    [
        (DIAGONAL[:6], "queries have no judgment", "2 of 8 .*25%; first '7'"),
        (
            [*DIAGONAL, ("x", 1, 1), ("x", 2, 1), ("y", 1, 1)],
            "judgments are of an unknown query",
            "3 of 11 .*27%; first 'x'",
        ),
        ([*DIAGONAL, (1, "a", 1), (1, "b", 1), (1, "c", 1)], "judged documents are unknown", "3 of 11 .*first 'a'"),
    ],
)
def test_what_finds_no_partner_is_refused_above_a_fifth(judged, what, share):
    with pytest.raises(RequestError, match=rf"{share.split(' .')[0]} {what}.*set dataset.allow_unjoined=true") as found:
        build_corpus(source(judged))
    assert share.rsplit("first ", 1)[1] in str(found.value)
    corpus = build_corpus(source(judged), allow_unjoined=True)
    assert any(what in warning and "may not belong together" in warning for warning in corpus.warnings)


def test_a_small_share_without_a_partner_is_said():
    many = [f"fruit number {i}" for i in range(100)]
    judged = [(i, i, 1) for i in range(1, 99)]
    corpus = build_corpus(source([*judged, ("x", 1, 1)], queries=many, texts=many))
    assert corpus.counts["queries_without_judgment"] == 2
    assert corpus.counts["judgments_of_unknown_queries"] == 1
    assert "2 of 100 queries have no judgment (2%; first '99'); left out." in corpus.warnings


def words(i: int) -> str:
    """Two words that no other number has."""
    return f"w{i}ord t{i}erm"


def test_another_numbering_by_position_is_noticed():
    """As in a Cranfield found in public: topics bear numbers up to 365, judgments count from 1."""
    texts = [words(i) + " and more" for i in range(40)]
    queries = [words(i) for i in range(40)]
    numbers = [str(i * 3 // 2 + 1) for i in range(40)]
    judged = [(i + 1, i + 1, 1) for i in range(40)]
    with pytest.raises(RequestError, match=r"by the position of the queries in their file.*set dataset.allow_unjoined"):
        build_corpus(source(judged, queries=queries, texts=texts, query_ids=numbers))
    corpus = build_corpus(source(judged, queries=queries, texts=texts, query_ids=numbers), allow_unjoined=True)
    assert any("instead of their ids, queries share far more words" in warning for warning in corpus.warnings)


def test_documents_numbered_otherwise_are_noticed_and_right_ids_are_not():
    texts = [words(i) + " and more" for i in range(40)]
    queries = [words(i) for i in range(40)]
    judged = [(i + 1, i + 1, 1) for i in range(40)]
    shifted = [str((i + 7) % 40 + 1) for i in range(40)]
    wrong = build_corpus(source(judged, queries=queries, texts=texts, document_ids=shifted))
    assert any("by the position of the documents" in warning for warning in wrong.warnings)
    right = [(i + 1, int(shifted[i]), 1) for i in range(40)]
    fine = build_corpus(source(right, queries=queries, texts=texts, document_ids=shifted))
    assert not any("by the position" in warning for warning in fine.warnings)


def test_what_bends_scores_is_counted():
    texts = (*TEXTS[:5], "Red  Apples", "", "the ripe figs of spring")
    queries = ("red APPLES", "what is green?", "blue", "ripe figs", *"abcd")
    corpus = build_corpus(source([(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 8, 1)], queries=queries, texts=texts),
                          allow_unjoined=True)  # fmt: skip
    assert corpus.counts["equal_documents"] == 2
    assert corpus.counts["queries_with_unjudged_twin"] == 1
    assert corpus.counts["empty_documents"] == 1
    assert corpus.counts["verbatim_queries"] == 3
    assert corpus.counts["queries_that_are_documents"] == 2
    assert len([warning for warning in corpus.warnings if warning.endswith((": 1.", ": 2.", ": 3."))]) == 4
    judged_twin = [(1, 1, 1), (1, 6, 0), (2, 2, 1), (3, 3, 1), (4, 8, 1)]
    corpus = build_corpus(source(judged_twin, queries=queries, texts=texts), allow_unjoined=True)
    assert corpus.counts["queries_with_unjudged_twin"] == 0
