import itertools

import numpy as np
import pytest
from rankings import hits_of, judge

from evalkit.retrieval.holes import score_bounds, to_judge
from evalkit.retrieval.scores import NAMES, per_query
from evalkit.retrieval.search import hits_from_scores

NDCG = "retrieval/ndcg_at_10"


def test_bounds_without_holes_are_the_score():
    hits = hits_of([3.0, 2.0, 1.0])
    judgments = judge({0: 0.0, 1: 2.0, 2: 1.0})
    values = per_query(hits, judgments)
    assert score_bounds(hits, judgments) == {name: (values[name][0], values[name][0]) for name in NAMES}


def test_bounds_are_the_extremes_over_all_judgments_of_the_holes():
    """Against every way of judging the unjudged documents of the first ten."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.random(14)
        judged = {int(d): float(rng.integers(0, 2)) for d in rng.choice(14, 7, replace=False)} | {13: 1.0}
        hits = hits_from_scores([scores[None]])
        holes = [int(d) for d in hits.documents[0, :10] if d not in judged]
        names = [NDCG, "retrieval/precision_at_5", "retrieval/mrr_at_10", "retrieval/recall_at_10"]
        every = [
            per_query(hits, judge({**judged, **dict(zip(holes, gains, strict=True))}), names)
            for gains in itertools.product((0.0, 1.0), repeat=len(holes))
        ]
        for name, (low, high) in score_bounds(hits, judge(judged), names).items():
            assert low == pytest.approx(per_query(hits, judge(judged), names)[name][0])
            assert high == pytest.approx(max(each[name][0] for each in every), abs=1e-12), name


def test_the_pair_that_tells_models_apart_most_comes_first():
    """Document 1 is first for one model and missing for the other; 2 is second for both."""
    rows = {"a": [0.0, 9.0, 8.0, *[7.0 - i for i in range(12)]], "b": [9.0, -50.0, 8.0, *[7.0 - i for i in range(12)]]}
    judgments = judge({0: 1.0}, {0: 1.0})
    models = {name: hits_of(row, row) for name, row in rows.items()}
    pairs = to_judge(models, judgments, 4)
    assert [(pair.query, pair.document) for pair in pairs[:2]] == [(0, 1), (1, 1)]
    assert pairs[0].ranks == {"a": 1, "b": None}
    before = [per_query(hits, judgments, [NDCG])[NDCG].mean() for hits in models.values()]
    after = [per_query(hits, judge({0: 1.0, 1: 1.0}, {0: 1.0}), [NDCG])[NDCG].mean() for hits in models.values()]
    assert pairs[0].effect == pytest.approx(abs((after[0] - after[1]) - (before[0] - before[1])))
    assert pairs == sorted(pairs, key=lambda pair: -pair.effect)
    assert all(pair.document != 0 for pair in to_judge(models, judgments))
    assert (
        to_judge({"a": models["a"]}, judge(dict.fromkeys(range(15), 1.0), dict.fromkeys(range(15), 0.0) | {0: 1.0}))
        == []
    )
