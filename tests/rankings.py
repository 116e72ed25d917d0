"""Judgments and hits by hand."""

import numpy as np

from evalkit.retrieval.search import UNRETRIEVED, hits_from_scores
from evalkit.retrieval.types import Hits, Judgments


def judge(*queries: dict[int, float]) -> Judgments:
    """One mapping of document numbers to gains a query."""
    rows = [sorted(query.items()) for query in queries]
    return Judgments(
        np.cumsum([0, *(len(row) for row in rows)]),
        np.array([document for row in rows for document, _ in row], dtype=np.int32),
        np.array([gain for row in rows for _, gain in row], dtype=np.float64),
    )


def hits_of(*rows: list[float | None], k: int = 100) -> Hits:
    """Hits of rows of scores; None is a document that is not returned."""
    scores = np.array([[UNRETRIEVED if score is None else score for score in row] for row in rows])
    return hits_from_scores([scores], k)
