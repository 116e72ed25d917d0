import numpy as np
import pytest
from rankings import hits_of, judge

from evalkit.errors import EvaluationError, RequestError
from evalkit.retrieval.rankers import bm25, fuse, read_run
from evalkit.retrieval.readers import load_beir
from evalkit.retrieval.scores import per_query

DOCUMENTS = ("The cat sat on the mat.", "Dogs chase cats", "", "Die Häuser am See", "a fish swims in the sea")


def test_bm25_ranks_by_shared_words_and_the_rest_tie_at_zero():
    hits = bm25(DOCUMENTS, ["cat", "zebra", "?", "swimming fish"], 3)
    assert set(hits.documents[0, :2]) == {0, 1}
    assert hits.scores[0, 2] == 0
    assert hits.documents[3, 0] == 4
    assert (hits.scores[1:3] == 0).all()
    assert hits.ties.counts.tolist() == [2, 2, 2, 2]
    # Where everything ties, a score is its chance.
    judgments = judge({0: 1.0}, {2: 1.0}, {4: 1.0}, {4: 1.0})
    recall = per_query(hits, judgments, ["retrieval/recall_at_1"])["retrieval/recall_at_1"]
    assert recall[1:] == pytest.approx([0.2, 0.2, 1.0])


def test_bm25_by_language():
    assert bm25(DOCUMENTS, ["Haus"], 1, stop_words="german", stemmer="german").documents[0, 0] == 3
    assert bm25(DOCUMENTS, ["Haus"], 1, stop_words=None, stemmer=None).scores[0, 0] == 0
    assert bm25(DOCUMENTS, ["the"], 1, stop_words=None).scores[0, 0] > 0
    assert (bm25(["?", "!"], ["the"], 5).scores == 0).all()
    with pytest.raises(RequestError, match=r"model\.stemmer=klingon is none of arabic"):
        bm25(DOCUMENTS, ["x"], stemmer="klingon")
    with pytest.raises(RequestError, match=r"model\.stop_words=klingon is unknown to bm25s"):
        bm25(DOCUMENTS, ["x"], stop_words="klingon")


def test_reciprocal_rank_fusion_by_hand():
    first, second = hits_of([3.0, 2.0, 1.0, None]), hits_of([None, 5.0, 7.0, 5.0])
    fused = fuse([first, second])
    expected = [1 / 61, 1 / 62 + 1 / 62.5, 1 / 63 + 1 / 61, 1 / 62.5]
    order = np.argsort(expected)[::-1]
    assert fused.documents[0].tolist() == order.tolist()
    assert fused.scores[0] == pytest.approx(np.array(expected)[order])


def test_ties_that_do_not_fit_into_a_list_earn_nothing():
    fused = fuse([hits_of([9.0, 0.0, 0.0, 0.0], k=2), hits_of([1.0, 2.0, None, None], k=2)])
    assert fused.documents[0].tolist() == [0, 1, -1, -1]
    assert fused.scores[0, :2] == pytest.approx([1 / 61 + 1 / 62, 1 / 61])
    alone = fuse([hits_of([9.0, 0.0, 0.0, 0.0], k=2)])
    assert alone.documents[0].tolist() == [0, -1, -1, -1]


def test_rankings_of_other_queries_are_not_fused():
    with pytest.raises(EvaluationError, match=r"must be of the same queries and documents"):
        fuse([hits_of([1.0, 2.0]), hits_of([1.0, 2.0, 3.0])])


@pytest.fixture
def corpus(beir):
    documents = [(f"d{i}", "", f"text {i}") for i in range(1, 6)]
    return load_beir(beir(documents, [("q1", "one"), ("q2", "two")], test=[("q1", "d1", 1), ("q2", "d2", 1)]))


def test_a_run_file_is_ranked_by_score(corpus, tmp_path):
    run = tmp_path / "run.txt"
    lines = ["q1 Q0 d3 1 0.5 x", "q1 Q0 d1 2 0.9 x", "q1 Q0 d4 3 0.5 x", "q1 Q0 d99 1 3 x", "q7 Q0 d1 1 3 x"]
    run.write_text("\n".join(lines), encoding="utf-8")
    hits, warnings = read_run(str(run), corpus)
    assert hits.documents[0].tolist() == [0, 2, 3, -1, -1]
    assert hits.documents[1].tolist() == [-1] * 5
    assert hits.size == 5
    assert warnings == (
        f"1 lines of {run} name an unknown query.",
        f"1 lines of {run} name an unknown document.",
        f"{run} has no line for 1 of 2 queries, which score 0.",
    )
    assert per_query(hits, corpus.judgments)["retrieval/mrr_at_10"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("q1 Q0 d1 1 x", "line 1 of .* is 'q1 Q0 d1 1 x', and a run has six fields"),
        ("q1 Q0 d1 1 high x", "with a number as score"),
        ("q1 Q0 d1 1 nan x", "with a number as score"),
        ("q1 Q0 d1 1 2 x\nq1 Q0 d1 2 1 x", "line 2 of .* ranks 'd1' for query 'q1' a second time"),
        ("q9 Q0 d1 1 2 x", "no line of .* has a query and a document of this corpus"),
    ],
)
def test_lines_that_are_no_run_are_refused(corpus, tmp_path, line, sentence):
    (tmp_path / "run.txt").write_text(line, encoding="utf-8")
    with pytest.raises(RequestError, match=sentence):
        read_run(str(tmp_path / "run.txt"), corpus)
