"""Do judgments, queries and documents belong together? Shares without a partner, and alignment by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np

from evalkit.errors import RequestError

__all__ = ["check_join", "positional_hints"]

WARN, REFUSE = 0.05, 0.20
SAMPLE = 5_000
FAR_ABOVE = 2.0
LEAST_GAIN = 0.05


def check_join(
    path: str,
    queries: Mapping[str, int],
    documents: Mapping[str, int],
    judged: Sequence[tuple[str, str, str]],
    elsewhere: Set[str],
    allow_unjoined: bool,
    hints: Sequence[str],
) -> tuple[dict[str, int], list[str]]:
    """Counts of what has no partner, and warnings.

    Parameters
    ----------
    queries, documents
        Id → number.
    judged
        (query id, document id, grade).
    elsewhere
        Queries that another split judges; they are no part of this one.
    hints
        Sentences about other alignments, for the refusal.

    Raises
    ------
    RequestError
        More than a fifth of queries, judgments or judged documents have no partner, and that is not allowed.
    """
    with_judgment = {query for query, _, _ in judged}
    expected = [query for query in queries if query in with_judgment or query not in elsewhere]
    wanted = dict.fromkeys(document for _, document, _ in judged)
    missing = {
        "queries_without_judgment": (
            "queries have no judgment", [query for query in expected if query not in with_judgment], expected,
        ),
        "judgments_of_unknown_queries": (
            "judgments are of an unknown query", [query for query, _, _ in judged if query not in queries], judged,
        ),
        "unknown_judged_documents": (
            "judged documents are unknown", [name for name in wanted if name not in documents], wanted,
        ),
    }  # fmt: skip
    warnings = []
    for what, alone, among in missing.values():
        if not alone:
            continue
        share = len(alone) / len(among)
        sentence = f"{len(alone)} of {len(among)} {what} ({share:.0%}; first {alone[0]!r})"
        if share > REFUSE and not allow_unjoined:
            hint = f" ({hints[0].rstrip('.')})" if hints else ""
            raise RequestError(
                f"{sentence} in {path}: check that the ids belong together{hint}, or set dataset.allow_unjoined=true."
            )
        emphasis = "the ids may not belong together: " if share > WARN else ""
        warnings.append(f"{emphasis}{sentence}; left out.")
    counts = {name: len(alone) for name, (_, alone, _) in missing.items()}
    return counts | {"queries_of_other_splits": len(queries) - len(expected)}, warnings


def positional_hints(
    query_ids: Sequence[str],
    queries: Sequence[str],
    document_ids: Sequence[str],
    texts: Sequence[str],
    relevant: Sequence[tuple[str, str]],
) -> list[str]:
    """A sentence for queries and one for documents where numbering by position fits the words far better than ids.

    The fit is the mean tf-idf cosine of queries with their relevant documents, of at most 5,000 judgments.
    """
    if not relevant:
        return []
    pairs = [relevant[number] for number in np.linspace(0, len(relevant) - 1, min(SAMPLE, len(relevant))).astype(int)]
    by_id = _numbers(query_ids), _numbers(document_ids)
    by_place = (
        _positions([q for q, _ in relevant], query_ids),
        _positions([d for _, d in relevant], document_ids, numbers_only=True),
    )
    alignments = {"": by_id, "queries": (by_place[0], by_id[1]), "documents": (by_id[0], by_place[1])}
    rows = {
        kind: [(ours[query], theirs[document]) for query, document in pairs if query in ours and document in theirs]
        for kind, (ours, theirs) in alignments.items()
    }
    fits = _fits(queries, texts, {kind: found for kind, found in rows.items() if kind == "" or found != rows[""]})
    # Pairs that an alignment does not join fit as little as can be.
    fits = {kind: fit * len(rows[kind]) / len(pairs) for kind, fit in fits.items()}
    return [
        f"by the position of the {kind} in their file instead of their ids, queries share far more words with their "
        f"relevant documents (tf-idf cosine {fit:.3f} instead of {fits['']:.3f}): the ids may be of another numbering."
        for kind, fit in fits.items()
        if kind and fit > FAR_ABOVE * fits[""] + LEAST_GAIN
    ]


def _numbers(ids: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(ids)}


def _positions(judged: Sequence[str], ids: Sequence[str], *, numbers_only: bool = False) -> dict[str, int]:
    """Judged id → number by position: i is the i-th, or judged ids in their own order where they are too high."""
    names = list(dict.fromkeys(judged))
    if all(name.isdecimal() for name in names):
        if max(map(int, names)) <= len(ids):
            return {name: int(name) - 1 for name in names if int(name) > 0}
        names.sort(key=int)
    if numbers_only:
        return _numbers(ids)
    return {name: number for number, name in enumerate(names) if number < len(ids)}


def _fits(
    queries: Sequence[str], texts: Sequence[str], rows: Mapping[str, Sequence[tuple[int, int]]]
) -> dict[str, float]:
    """Mean tf-idf cosine of the (query, document) pairs of each alignment; 0 where there are none."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    documents = sorted({document for found in rows.values() for _, document in found})
    place = {document: number for number, document in enumerate(documents)}
    asked = sorted({query for found in rows.values() for query, _ in found})
    asked_place = {query: number for number, query in enumerate(asked)}
    vectoriser = TfidfVectorizer(sublinear_tf=True)
    try:
        weights = vectoriser.fit_transform([*(texts[number] for number in documents), *(queries[n] for n in asked)])
    except ValueError:  # no words at all
        return dict.fromkeys(rows, 0.0)
    left, right = weights[len(documents) :], weights[: len(documents)]
    return {
        kind: float(
            left[[asked_place[q] for q, _ in found]].multiply(right[[place[d] for _, d in found]]).sum() / len(found)
        )
        if found
        else 0.0
        for kind, found in rows.items()
    }
