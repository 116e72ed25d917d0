"""Rankers beside vectors: BM25, reciprocal rank fusion, and the run file of any other system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.retrieval.expectations import tie_groups
from evalkit.retrieval.search import DEPTH, UNRETRIEVED, hits_from_scores
from evalkit.retrieval.tables import text_lines
from evalkit.retrieval.types import Hits, RetrievalCorpus

__all__ = ["bm25", "fuse", "read_run"]

ROW_BLOCK = 16
ROUNDING = 1e-5
"""BM25 scores closer than this are tied: float32 sums of the same weights in another order."""


def bm25(
    documents: Sequence[str],
    queries: Sequence[str],
    k: int = DEPTH,
    *,
    stop_words: str | None = "english",
    stemmer: str | None = "english",
    k1: float = 1.5,
    b: float = 0.75,
) -> Hits:
    """Rank documents by BM25 (library bm25s); documents that share no term with the query tie at 0.

    Parameters
    ----------
    documents, queries
        Texts.
    k
        Documents a query.
    stop_words
        Language of bm25s' stop words (``english``, ``german``, …); None keeps all words.
    stemmer
        Language of PyStemmer's Snowball stemmer; None compares words as they are.
    k1, b
        Saturation of a term's frequency, and weight of a document's length.

    Raises
    ------
    RequestError
        The library does not know the language.

    References
    ----------
    Robertson & Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond", Found. Trends IR 3.
    Lù 2024, "BM25S: orders of magnitude faster lexical search via eager sparse scoring", arXiv:2407.03618.
    """
    import bm25s
    import Stemmer

    try:
        stem = None if stemmer is None else Stemmer.Stemmer(stemmer)
    except KeyError:
        raise RequestError(
            f"model.stemmer={stemmer} is none of {', '.join(Stemmer.algorithms())}: choose one, or null."
        ) from None

    def tokens(texts: Sequence[str]) -> list[list[str]]:
        found = bm25s.tokenize(
            list(texts), stopwords=stop_words, stemmer=stem, return_ids=False, show_progress=False, allow_empty=False
        )
        return [[word for word in words if word] for words in found]  # an empty text has the token "" there

    try:
        words = tokens(documents)
    except ValueError as error:
        raise RequestError(f"model.stop_words={stop_words} is unknown to bm25s ({error}).") from None
    if not any(words):
        return hits_from_scores(_in_blocks(np.zeros((len(queries), len(documents)))), k)
    index = bm25s.BM25(k1=k1, b=b)
    index.index(words, show_progress=False)

    def rows() -> Iterator[NDArray[np.float32]]:
        asked = tokens(queries)
        for first in range(0, len(asked), ROW_BLOCK):
            yield np.stack(
                [
                    index.get_scores(query) if query else np.zeros(len(documents), dtype=np.float32)
                    for query in asked[first : first + ROW_BLOCK]
                ]
            )

    return hits_from_scores(rows(), k, tolerance=ROUNDING)


def _in_blocks(rows: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for first in range(0, rows.shape[0], ROW_BLOCK):
        yield rows[first : first + ROW_BLOCK]


def fuse(rankings: Sequence[Hits], k: int = DEPTH, *, constant: float = 60.0) -> Hits:
    """Reciprocal rank fusion: documents by the sum of 1 / (constant + rank) over rankings of the same queries.

    Tied documents take the middle of their ranks. A group of ties that does not fit into a list as a whole counts as
    not retrieved (BM25's zeros), and so does a document that no list holds.

    Raises
    ------
    EvaluationError
        The rankings are not of the same queries and documents.

    References
    ----------
    Cormack, Clarke & Büttcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
    methods", SIGIR.
    """
    if not rankings or len({(hits.documents.shape[0], hits.size) for hits in rankings}) != 1:
        raise EvaluationError("rankings to be fused must be of the same queries and documents: rank one corpus.")

    def weights(hits: Hits) -> NDArray[np.float64]:
        starts, sizes = tie_groups(hits)
        whole = (starts + sizes <= hits.documents.shape[1]) & (hits.documents >= 0)
        return np.where(whole, 1 / (constant + starts + (sizes + 1) / 2), 0.0)

    weighted = [(hits.documents, weights(hits)) for hits in rankings]

    def rows() -> Iterator[NDArray[np.float64]]:
        for query in range(rankings[0].documents.shape[0]):
            row = np.zeros((1, rankings[0].size))
            for documents, gains in weighted:
                held = documents[query] >= 0
                row[0, documents[query, held]] += gains[query, held]
            row[row == 0] = UNRETRIEVED
            yield row

    return hits_from_scores(rows(), k, tolerance=1e-12)


def read_run(path: str, corpus: RetrievalCorpus, k: int = DEPTH) -> tuple[Hits, tuple[str, ...]]:
    """Rankings of any system from a TREC run file: ``query Q0 document rank score tag``, separated by spaces.

    As in trec_eval, documents are ranked by score and the rank column is ignored; unlike there, equal scores tie.

    Returns
    -------
    tuple
        Hits of the corpus' queries, and warnings: unknown ids, and queries without a line (they score 0).

    Raises
    ------
    RequestError
        Names the line that is no line of a run, or that ranks a document twice; refuses a run of another corpus.
    """
    query_numbers = {name: number for number, name in enumerate(corpus.query_ids)}
    document_numbers = {name: number for number, name in enumerate(corpus.document_ids)}
    listed: list[dict[int, float]] = [{} for _ in corpus.query_ids]
    strangers = {"query": 0, "document": 0}
    for number, line in text_lines(path):
        fields = line.split()
        try:
            query, _, document, _, score, _ = fields
            value = float(score)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise RequestError(
                f"line {number} of {path} is {line.strip()[:60]!r}, and a run has six fields a line "
                "(query Q0 document rank score tag) with a number as score: correct it."
            )
        if query not in query_numbers or document not in document_numbers:
            strangers["document" if query in query_numbers else "query"] += 1
            continue
        ranked = listed[query_numbers[query]]
        if document_numbers[document] in ranked:
            raise RequestError(
                f"line {number} of {path} ranks {document!r} for query {query!r} a second time: remove it."
            )
        ranked[document_numbers[document]] = value
    if not any(listed):
        raise RequestError(f"no line of {path} has a query and a document of this corpus: check model.path.")

    def rows() -> Iterator[NDArray[np.float64]]:
        for ranked in listed:
            row = np.full((1, len(corpus.document_ids)), UNRETRIEVED)
            row[0, list(ranked)] = list(ranked.values())
            yield row

    silent = sum(not ranked for ranked in listed)
    warnings = [f"{count} lines of {path} name an unknown {kind}." for kind, count in strangers.items() if count]
    if silent:
        warnings.append(f"{path} has no line for {silent} of {len(listed)} queries, which score 0.")
    return hits_from_scores(rows(), k), tuple(warnings)
