"""Published and measured values of real corpora; they skip where the data are missing."""

import numpy as np
import pytest

from evalkit.retrieval.intervals import compare_queries
from evalkit.retrieval.rankers import bm25, fuse
from evalkit.retrieval.readers import load_beir, load_helpdesk
from evalkit.retrieval.scores import per_query
from evalkit.retrieval.search import search

pytestmark = pytest.mark.slow


def means(hits, corpus):
    return {name.removeprefix("retrieval/"): v.mean() for name, v in per_query(hits, corpus.judgments).items()}


def test_minilm_on_xquad_has_the_published_scores(shared_data, minilm):
    corpus = load_beir(str(shared_data / "xquad" / "en"))
    found = means(search(minilm(corpus.queries), minilm(corpus.documents)), corpus)
    assert found["ndcg_at_10"] == pytest.approx(0.94357, abs=2e-5)
    assert found["recall_at_10"] == pytest.approx(0.98987, abs=2e-5)
    assert found["mrr_at_10"] == pytest.approx(0.92807, abs=2e-5)


def test_bm25_on_npl_has_the_published_score(shared_data):
    corpus = load_beir(str(shared_data / "npl"))
    lexical = bm25(corpus.documents, corpus.queries)
    assert means(lexical, corpus)["ndcg_at_10"] == pytest.approx(0.428, abs=5e-4)
    assert means(fuse([lexical, lexical]), corpus)["ndcg_at_10"] == pytest.approx(0.428, abs=5e-4)


def test_helpdesk_shows_that_bm25_is_good_and_not_enough(minilm):
    corpus = load_helpdesk()
    dense = search(minilm(corpus.queries), minilm(corpus.documents))
    lexical = bm25(corpus.documents, corpus.queries)
    name = "retrieval/ndcg_at_10"
    values = [per_query(hits, corpus.judgments)[name] for hits in (dense, lexical)]
    assert 0.65 < values[0].mean() < 0.85
    assert 0.4 < values[1].mean() < 0.6
    assert compare_queries(*values, np.random.default_rng(0)).ci_low > 0.1
