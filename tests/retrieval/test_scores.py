from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import hits_of, judge

from evalkit.errors import EvaluationError
from evalkit.retrieval.scores import NAMES, curve, evaluate, first_relevant, judged_share, per_query, tied_across
from evalkit.retrieval.search import hits_from_scores


def by_definition(order: list[int], gains: dict[int, float], name: str) -> float:
    """A score of one order, as docs/metrics.md writes it."""
    kind, k = name.removeprefix("retrieval/").rsplit("_at_", 1)
    top = order[: int(k)]
    relevant = {document for document, gain in gains.items() if gain > 0}
    found = [document in relevant for document in top]
    if kind == "ndcg":
        ideal = sorted(gains.values(), reverse=True)[: int(k)]
        gained = sum(gains.get(document, 0) / math.log2(i + 2) for i, document in enumerate(top))
        return gained / sum(gain / math.log2(i + 2) for i, gain in enumerate(ideal))
    if kind == "map":
        return sum(sum(found[: i + 1]) / (i + 1) for i in range(len(found)) if found[i]) / len(relevant)
    return {
        "recall": sum(found) / len(relevant),
        "precision": sum(found) / int(k),
        "hit_rate": float(any(found)),
        "mrr": 1 / (found.index(True) + 1) if any(found) else 0.0,
    }[kind]


def orders(scores: list[float | None]) -> list[list[int]]:
    """Every order of the returned documents that their scores allow."""
    levels = sorted({score for score in scores if score is not None}, reverse=True)
    groups = [[document for document, score in enumerate(scores) if score == level] for level in levels]
    return [
        [document for group in order for document in group]
        for order in itertools.product(*(itertools.permutations(group) for group in groups))
    ]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ties_are_scored_by_their_expectation(data):
    """Against the mean over all orders of the tied, with lists shorter than the tie, and documents not returned."""
    n = data.draw(st.integers(2, 6))
    scores = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=n, max_size=n))
    gains = data.draw(st.dictionaries(st.integers(0, n - 1), st.sampled_from([0.0, 1.0, 2.0]), min_size=1))
    if all(score is None for score in scores) or not any(gains.values()):
        return
    depth = data.draw(st.integers(1, n))
    names = [f"retrieval/{kind}_at_{k}" for kind in ("ndcg", "recall", "precision", "hit_rate", "mrr", "map") for k in
             range(1, depth + 1)]  # fmt: skip
    found = per_query(hits_of(scores, k=depth), judge(gains), names)
    allowed = orders(scores)
    for name in names:
        expected = np.mean([by_definition(order, gains, name) for order in allowed])
        assert found[name][0] == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("graded", [False, True])
def test_equal_to_trec_eval_where_nothing_is_tied(graded):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.broadcast_to(np.arange(300.0), (40, 300)), axis=1)
    gains = [
        {
            int(d): float(rng.integers(0, 4) if graded else 1)
            for d in rng.choice(300, rng.integers(1, 150), replace=False)
        }
        for _ in range(40)
    ]
    gains = [{**row, 7: 1.0} for row in gains]
    found = per_query(hits_from_scores([scores]), judge(*gains))
    theirs = pytrec_eval.RelevanceEvaluator(
        {str(q): {str(d): int(g) for d, g in row.items()} for q, row in enumerate(gains)},
        {"ndcg_cut.1,10", "recall.1,5,10,100", "P.1,5,10", "success.1,5,10", "map_cut.100", "recip_rank"},
    ).evaluate({str(q): {str(d): float(s) for d, s in enumerate(row)} for q, row in enumerate(scores)})
    names = {"ndcg": "ndcg_cut", "recall": "recall", "precision": "P", "hit_rate": "success", "map": "map_cut"}
    for name in NAMES:
        kind, k = name.removeprefix("retrieval/").rsplit("_at_", 1)
        for query, value in enumerate(found[name]):
            if kind == "mrr":
                expected = theirs[str(query)]["recip_rank"]
                expected = expected if expected >= 0.1 else 0.0
            else:
                expected = theirs[str(query)][f"{names[kind]}_{k}"]
            assert value == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("n", [7, 60])
def test_chance_is_the_mean_over_random_orders(n):
    rng = np.random.default_rng(n)
    queries = ({0: 1.0}, {1: 2.0, 2: 1.0, 3: 0.0}, {d: 1.0 + d % 2 for d in range(5)})
    judgments = judge(*queries)
    found = {score.name: score for score in evaluate(hits_of(*[[0.0] * n] * 3), judgments, rng, permutations=0).scores}
    draws = 4000
    blocks = rng.permuted(np.broadcast_to(np.arange(float(n)), (3 * draws, n)), axis=1)
    drawn = per_query(hits_from_scores([blocks]), judge(*queries * draws), NAMES)
    for name in NAMES:
        values = drawn[name].reshape(draws, 3).mean(axis=1)
        error = values.std() / np.sqrt(draws)
        assert found[name].chance == pytest.approx(values.mean(), abs=4.5 * error + 1e-12), name
        # A ranking in which everything is tied is worth exactly its chance.
        assert found[name].value == pytest.approx(found[name].chance, abs=1e-12), name


def test_perfect_rankings_reach_best():
    queries = ({0: 1.0}, {d: 3.0 - d % 3 for d in range(12)})
    rows = [[queries[q].get(d, 0.0) - d / 1000 for d in range(40)] for q in range(2)]
    scores = evaluate(hits_of(*rows), judge(*queries), np.random.default_rng(0)).scores
    for score in scores[:-1]:
        assert score.value == pytest.approx(score.best), score.name
        # Recall at 100 of 40 documents cannot but be 1: nothing is left to adjust.
        assert score.adjusted == (None if score.name == "retrieval/recall_at_100" else pytest.approx(1.0))
        assert score.ci_low < score.ci_high <= score.best
    assert {s.name: s.best for s in scores}["retrieval/precision_at_10"] == pytest.approx((0.1 + 1.0) / 2)
    assert {s.name: s.best for s in scores}["retrieval/recall_at_5"] == pytest.approx((1.0 + 5 / 12) / 2)


def test_a_document_that_every_query_finds_earns_no_p_value():
    """All queries rank alike and judge alike: however the judgments are dealt out, the score stays."""
    judgments = judge(*[{0: 1.0}] * 20)
    scores = evaluate(hits_of(*[[9.0, *range(5)]] * 20), judgments, np.random.default_rng(0), permutations=99).scores
    assert {score.p_value for score in scores[:-1]} == {1.0}
    own = evaluate(
        hits_from_scores([np.eye(20)]), judge(*[{q: 1.0} for q in range(20)]), np.random.default_rng(0), permutations=99
    ).scores
    assert own[1].p_value == 0.01


def test_p_values_of_random_rankings_are_uniform():
    rng = np.random.default_rng(5)
    p = []
    for _ in range(150):
        judgments = judge(*[{int(d): 1.0 for d in rng.choice(50, 3, replace=False)} for _ in range(15)])
        hits = hits_from_scores([rng.random((15, 50))])
        p.append(evaluate(hits, judgments, rng, permutations=99).scores[1].p_value)
    assert np.mean(np.array(p) <= 0.05) <= 0.11
    assert 0.4 < np.mean(p) < 0.6


@pytest.mark.parametrize(
    ("row", "gains", "ndcg", "mrr"),
    [
        ([3.0, 2.0, 1.0], {0: 1.0}, 1.0, 1.0),  # one query, K > N
        ([3.0, 2.0, 1.0], {0: 1.0, 1: 1.0, 2: 1.0}, 1.0, 1.0),  # everything is relevant
        ([0.0] + [1.0] * 150, {0: 1.0}, 0.0, 0.0),  # none within 100
        ([1.0], {0: 2.0}, 1.0, 1.0),  # one document
        ([None, 1.0], {0: 1.0}, 0.0, 0.0),  # not returned
    ],
)
def test_degenerate_corpora(row, gains, ndcg, mrr):
    scores = {score.name: score for score in evaluate(hits_of(row), judge(gains), np.random.default_rng(0)).scores}
    assert scores["retrieval/ndcg_at_10"].value == pytest.approx(ndcg)
    assert scores["retrieval/mrr_at_10"].value == pytest.approx(mrr)
    for score in scores.values():
        assert all(value is None or np.isfinite(value) for value in (score.chance, score.best, score.ci_low))
        assert score.p_value in (None, 1.0)


def test_shallow_hits_and_other_queries_are_refused():
    rows = np.arange(400.0).reshape(2, 200)
    with pytest.raises(EvaluationError, match=r"scores at 100 need as many documents a query, found 10: search deeper"):
        per_query(hits_from_scores([rows], 10), judge({0: 1.0}, {1: 1.0}))
    with pytest.raises(EvaluationError, match=r"2 rankings were given for 1 judged queries"):
        per_query(hits_from_scores([rows]), judge({0: 1.0}))


def test_the_share_of_queries_tied_across_a_place():
    hits = hits_of([5.0, 4.0, 4.0, 1.0], [5.0, 4.0, 3.0, 3.0], k=4)
    assert [tied_across(hits, k) for k in (1, 2, 3, 4)] == [0.0, 0.5, 0.5, 0.0]
    assert tied_across(hits_of([1.0] * 4, [1.0, None, None, None], k=2), 2) == 0.5


def test_curves_end_at_the_scores_and_ranks_are_of_the_tied():
    rng = np.random.default_rng(3)
    judgments = judge({3: 1.0}, {1: 1.0, 2: 2.0})
    hits = hits_from_scores([rng.random((2, 150))])
    assert curve(hits, judgments, "recall")[:, 9] == pytest.approx(per_query(hits, judgments)["retrieval/recall_at_10"])
    tied = hits_of([9.0, 1.0, 1.0, 1.0], [0.0, 5.0, 4.0, 1.0])
    assert first_relevant(tied, judgments).tolist() == [3.0, 1.0]
    assert np.isnan(first_relevant(hits_of([9.0, 1.0], k=1), judge({1: 1.0}))[0])


def test_judged_at_10_counts_judged_documents_of_any_grade():
    assert judged_share(hits_of([3.0, 2.0, 1.0, 0.0]), judge({0: 1.0, 3: 0.0})).tolist() == [0.5]
    assert judged_share(hits_of(list(range(20, 0, -1))), judge({0: 0.0, 15: 1.0})).tolist() == [0.1]
