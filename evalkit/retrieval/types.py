"""Values of the retrieval task: a corpus with judged queries, and what a ranker returns for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Ties

__all__ = ["Hits", "Judgments", "RetrievalCorpus"]


@dataclass(frozen=True, slots=True, eq=False)
class Judgments:
    """Relevance judgments in compressed rows: query q has entries ``starts[q]:starts[q + 1]``.

    Attributes
    ----------
    starts
        (Q + 1,) int64 offsets.
    documents
        (J,) int32 document numbers, ascending within a query.
    gains
        (J,) float64 ≥ 0; 0 means judged and not relevant. Documents that are not listed are unjudged.
    """

    starts: NDArray[np.int64]
    documents: NDArray[np.int32]
    gains: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalCorpus:
    """Validated documents and judged queries, both sorted by id.

    Attributes
    ----------
    name
        Name of the corpus in records and pictures.
    document_ids, query_ids
        Identifiers in ascending order; every query has at least one relevant document.
    documents, queries
        The texts to encode; a document's title stands before its text.
    titles
        Title of each document, ``""`` without one.
    judgments
        Judgments of the queries.
    groups
        (Q,) int32 group code of each query, or None: queries of a group depend on one another.
    group_names
        Name of each group code, sorted.
    known_item
        True for queries made from the documents' own words: they favour lexical rankers, which
        must then not be ranked against dense ones.
    counts
        Counts of what was read, left out and noticed, for the record and `evalkit.inspect`.
    warnings
        Sentences for the record and the terminal.
    fingerprint
        Hex SHA-256 of the sorted content: the order of rows in the files does not change it.
    """

    name: str
    document_ids: tuple[str, ...]
    documents: tuple[str, ...]
    titles: tuple[str, ...]
    query_ids: tuple[str, ...]
    queries: tuple[str, ...]
    judgments: Judgments
    groups: NDArray[np.int32] | None
    group_names: tuple[str, ...]
    known_item: bool
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The best K documents of each query, best first.

    Documents with equal scores share one score and stand in the order of their numbers, so a run of equal
    scores is a group of tied documents. `ties` lists the tied documents that found no place among the K.

    Attributes
    ----------
    documents
        (Q, K) int32 document numbers; −1 where the ranker returned fewer than K.
    scores
        (Q, K) descending; −inf where `documents` is −1.
    size
        N, the number of documents that were ranked.
    ties
        Ties across place K.
    """

    documents: NDArray[np.int32]
    scores: NDArray[np.floating[Any]]
    size: int
    ties: Ties
