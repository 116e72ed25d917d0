"""Check documents, queries and judgments, and join them to a corpus."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.retrieval.grades import read_gains
from evalkit.retrieval.join import check_join, positional_hints
from evalkit.retrieval.types import Judgments, RetrievalCorpus

__all__ = ["Source", "build_corpus", "join_title"]

KNOWN_ITEM = (
    "the queries are made of the documents' own words, which favours lexical search: compare dense models among "
    "themselves only; bm25 and hybrid stand apart, unranked."
)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What a reader found, in the order of the files.

    Attributes
    ----------
    name, path
        Name of the corpus, and what to call its source in messages.
    document_ids, texts, titles
        One entry a document; an empty title where there is none.
    query_ids, queries, groups
        One entry a query; `groups` is None without a group column.
    judged
        (query id, document id, grade as written), one entry a judgment.
    elsewhere
        Ids of queries that another split judges: that this one does not is no fault.
    made
        True where the reader made the ids itself, so that there is no join to check.
    """

    name: str
    path: str
    document_ids: Sequence[str]
    texts: Sequence[str]
    titles: Sequence[str]
    query_ids: Sequence[str]
    queries: Sequence[str]
    judged: Sequence[tuple[str, str, str]]
    groups: Sequence[str] | None = None
    elsewhere: frozenset[str] = field(default=frozenset())
    made: bool = False


def join_title(title: str, text: str) -> str:
    """Title and text as mteb joins them."""
    return f"{title} {text}".strip() if title else text.strip()


def build_corpus(
    source: Source,
    *,
    grades: str | Mapping[Any, Any] | None = None,
    allow_unjoined: bool = False,
    known_item: bool = False,
) -> RetrievalCorpus:
    """Check what a reader found, and put it into canonical order.

    Parameters
    ----------
    source
        Documents, queries and judgments as they stand in the files.
    grades
        ``higher_is_better``, ``lower_is_better`` (gain = highest grade + 1 − grade; 0 stays not relevant), or a mapping
        of grades to gains. Needed for grades other than 0 and 1.
    allow_unjoined
        Accept that more than a fifth of queries, judgments or judged documents have no partner.
    known_item
        The queries are made of the documents' words.

    Raises
    ------
    RequestError
        What is wrong, how often, where first, and what to do.
    """
    for kind, ids in (("document", source.document_ids), ("query", source.query_ids)):
        _check_ids(source.path, kind, ids)
    texts = [join_title(title, text) for title, text in zip(source.titles, source.texts, strict=True)]
    for kind, ids, content in (("document", source.document_ids, texts), ("query", source.query_ids, source.queries)):
        _check_texts(source.path, kind, ids, content)
    gains, notes, counts = read_gains([grade for *_, grade in source.judged], source.path, grades)
    documents = {name: number for number, name in enumerate(source.document_ids)}
    queries = {name: number for number, name in enumerate(source.query_ids)}
    hints = (
        []
        if source.made
        else positional_hints(
            source.query_ids,
            source.queries,
            source.document_ids,
            texts,
            [(query, document) for (query, document, _), gain in zip(source.judged, gains, strict=True) if gain > 0],
        )
    )
    joined, more = check_join(source.path, queries, documents, source.judged, source.elsewhere, allow_unjoined, hints)
    counts |= joined
    judged, repeated = _table(source.judged, gains, queries, documents)
    relevant = {query for query, entries in judged.items() if any(gain > 0 for gain in entries.values())}
    if not relevant:
        raise RequestError(f"no query of {source.path} has a relevant document in it: check ids and grades.")
    counts["queries_without_relevant"] = len(judged) - len(relevant)
    if counts["queries_without_relevant"]:
        more.append(f"{counts['queries_without_relevant']} judged queries have no relevant document and are left out.")
    if repeated:
        more.append(f"{repeated} judgments stand twice with different grades: the higher one counts.")
    document_order = sorted(range(len(texts)), key=lambda number: source.document_ids[number])
    query_order = sorted(relevant, key=lambda number: source.query_ids[number])
    place = np.empty(len(texts), dtype=np.int64)
    place[document_order] = np.arange(len(texts))
    judgments = _judgments([judged[query] for query in query_order], place)
    groups, group_names = _groups(source, query_order)
    ordered = tuple(texts[number] for number in document_order)
    asked = tuple(source.queries[number] for number in query_order)
    noticed, remarks = _notice(ordered, asked, judgments)
    counts |= noticed
    counts |= {"documents": len(texts), "queries": len(asked), "judgments": int(judgments.documents.size)}
    ids = tuple(source.document_ids[number] for number in document_order)
    query_ids = tuple(source.query_ids[number] for number in query_order)
    return RetrievalCorpus(
        name=source.name,
        document_ids=ids,
        documents=ordered,
        titles=tuple(source.titles[number] for number in document_order),
        query_ids=query_ids,
        queries=asked,
        judgments=judgments,
        groups=groups,
        group_names=group_names,
        known_item=known_item,
        counts=counts,
        warnings=(*notes, *more, *hints, *remarks, *([KNOWN_ITEM] if known_item else [])),
        fingerprint=_fingerprint(ids, ordered, query_ids, asked, judgments, groups, group_names),
    )


def _check_ids(path: str, kind: str, ids: Sequence[str]) -> None:
    if not ids:
        raise RequestError(f"{path} has no {kind}: check the file.")
    blank = [number for number, name in enumerate(ids) if not name.strip()]
    if blank:
        raise RequestError(
            f"{len(blank)} {kind} ids of {path} are blank (first in row {blank[0] + 1}): give each {kind} an id."
        )
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise RequestError(
            f"{len(repeated)} {kind} ids stand more than once in {path} (first {repeated[0]!r}): make them unique."
        )


def _check_texts(path: str, kind: str, ids: Sequence[str], texts: Sequence[str]) -> None:
    """Refuse texts that no tokenizer or file can carry, blank queries, and documents that are all empty."""
    for name, text in zip(ids, texts, strict=True):
        if "\0" in text or not (text.isascii() or text.encode(errors="ignore").decode() == text):
            raise RequestError(
                f"{kind} {name!r} of {path} holds a NUL character or half a surrogate pair: write it as plain UTF-8."
            )
    blank = [name for name, text in zip(ids, texts, strict=True) if not text.strip()]
    if len(blank) == len(texts) or (blank and kind == "query"):
        plural = "queries" if kind == "query" else "documents"
        raise RequestError(
            f"{len(blank)} of {len(texts)} {plural} of {path} are empty (first {blank[0]!r}): fill them in, or remove "
            "them."
        )


def _table(
    judged: Sequence[tuple[str, str, str]],
    gains: NDArray[np.float64],
    queries: Mapping[str, int],
    documents: Mapping[str, int],
) -> tuple[dict[int, dict[int, float]], int]:
    """Query number → document number → gain, and how many pairs had two different gains."""
    table: dict[int, dict[int, float]] = {}
    conflicts = 0
    for (query, document, _), gain in zip(judged, gains.tolist(), strict=True):
        if query in queries and document in documents:
            entries = table.setdefault(queries[query], {})
            number = documents[document]
            conflicts += entries.get(number, gain) != gain
            entries[number] = max(gain, entries.get(number, 0.0))
    return table, conflicts


def _judgments(entries: Sequence[Mapping[int, float]], place: NDArray[np.int64]) -> Judgments:
    starts = np.concatenate([[0], np.cumsum([len(row) for row in entries])]).astype(np.int64)
    documents = np.concatenate([place[np.fromiter(row, dtype=np.int64)] for row in entries]).astype(np.int32)
    gains = np.concatenate([np.fromiter(row.values(), dtype=np.float64) for row in entries])
    order = np.lexsort((documents, np.repeat(np.arange(len(entries)), np.diff(starts))))
    return Judgments(starts, documents[order], gains[order])


def _groups(source: Source, query_order: Sequence[int]) -> tuple[NDArray[np.int32] | None, tuple[str, ...]]:
    if source.groups is None:
        return None, ()
    own = [source.groups[number] for number in query_order]
    names = tuple(sorted(set(own)))
    if len(names) < 2:
        raise RequestError(
            f"all queries of {source.path} are in one group ({names[0]!r}), and intervals need two: name another "
            "column with dataset.group_column, or leave it out."
        )
    codes = {name: code for code, name in enumerate(names)}
    return np.array([codes[name] for name in own], dtype=np.int32), names


def _notice(documents: Sequence[str], queries: Sequence[str], judgments: Judgments) -> tuple[dict[str, int], list[str]]:
    """Counts and warnings of what is allowed but bends scores."""
    plain = [" ".join(text.casefold().split()) for text in documents]
    asked = [" ".join(text.casefold().split()) for text in queries]
    twins: dict[str, list[int]] = {}
    for number, text in enumerate(plain):
        if text:
            twins.setdefault(text, []).append(number)
    verbatim = unjudged = 0
    for query, text in enumerate(asked):
        part = slice(judgments.starts[query], judgments.starts[query + 1])
        judged = set(judgments.documents[part].tolist())
        relevant = judgments.documents[part][judgments.gains[part] > 0].tolist()
        verbatim += any(text in plain[document] for document in relevant)
        unjudged += any(twin not in judged for document in relevant for twin in twins.get(plain[document], ()))
    equal = sum(len(group) for group in twins.values() if len(group) > 1)
    counts = {
        "empty_documents": sum(not text for text in plain),
        "equal_documents": equal,
        "queries_with_unjudged_twin": unjudged,
        "verbatim_queries": verbatim,
        "queries_that_are_documents": sum(text in twins for text in asked),
    }
    sentences = {
        "empty_documents": "empty documents, which no ranker can find",
        "equal_documents": "documents under two or more ids (an unjudged twin of a relevant document counts as a miss, "
        f"in {unjudged} queries)",
        "verbatim_queries": "queries that stand word for word in a relevant document, which favours lexical search",
        "queries_that_are_documents": "queries that are documents themselves, which every ranker puts first",
    }
    return counts, [f"{sentence}: {counts[name]}." for name, sentence in sentences.items() if counts[name]]


def _fingerprint(
    ids: Sequence[str],
    documents: Sequence[str],
    query_ids: Sequence[str],
    queries: Sequence[str],
    judgments: Judgments,
    groups: NDArray[np.int32] | None,
    group_names: Sequence[str],
) -> str:
    """SHA-256 over the sorted content, each text's length before it."""
    running = hashlib.sha256(b"evalkit retrieval corpus 1")

    def add(texts: Iterable[str]) -> None:
        for text in texts:
            content = text.encode()
            running.update(len(content).to_bytes(8, "little") + content)
        running.update(b"\xff" * 8)

    for texts in (ids, documents, query_ids, queries, group_names):
        add(texts)
    for array in (judgments.starts, judgments.documents, judgments.gains, np.zeros(0) if groups is None else groups):
        running.update(np.ascontiguousarray(array).tobytes())
    return running.hexdigest()
