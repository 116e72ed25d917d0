"""Read retrieval corpora from files: BEIR's layout, three tables, pairs, and the demonstration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import RequestError
from evalkit.retrieval.corpus import Source, build_corpus
from evalkit.retrieval.tables import Table, read_judgments, read_table
from evalkit.retrieval.types import RetrievalCorpus

__all__ = [
    "DOCUMENT_IDS",
    "TEXTS",
    "TITLES",
    "Grades",
    "judgment_rows",
    "load_beir",
    "load_helpdesk",
    "load_judged",
    "load_pairs",
    "source_of",
]

Grades = str | Mapping[Any, Any] | None

DOCUMENT_IDS = ("_id", "id", "document_id", "doc_id", "docid", "docno", "corpus-id")
QUERY_IDS = ("_id", "id", "query_id", "qid", "query-id")
TEXTS = ("text", "document", "body", "content")
QUERY_TEXTS = ("text", "query", "question")
TITLES = ("title",)
JUDGED_QUERIES = ("query-id", "query_id", "qid", "query")
JUDGED_DOCUMENTS = ("corpus-id", "corpus_id", "document_id", "doc_id", "docid", "docno", "document")
GRADES = ("score", "grade", "relevance", "label", "rel")


def load_judged(
    documents: str,
    queries: str,
    judgments: str,
    *,
    name: str = "judged",
    document_id_column: str | None = None,
    text_column: str | None = None,
    title_column: str | None = None,
    query_id_column: str | None = None,
    query_column: str | None = None,
    group_column: str | None = None,
    grade_column: str | None = None,
    grades: Grades = None,
    allow_unjoined: bool = False,
) -> RetrievalCorpus:
    """A corpus from three files: CSV, TSV, JSON Lines or parquet by their endings; judgments in TREC's layout too.

    Parameters
    ----------
    documents, queries, judgments
        Paths.
    name
        Name of the corpus.
    document_id_column, text_column, title_column, query_id_column, query_column, grade_column
        Column names; None takes the usual ones (``id``, ``text``, ``title``, ``query``, ``score``, …). Judgments
        without a column of grades are all of grade 1.
    group_column
        Column of the queries' file whose values say which queries depend on one another.
    grades, allow_unjoined
        See `evalkit.retrieval.corpus.build_corpus`.

    Raises
    ------
    RequestError
        A file cannot be read, or its content is unfit.
    """
    texts, asked, judged = read_table(documents), read_table(queries), read_judgments(judgments)
    source = source_of(
        name, judgments, texts, asked,
        judgment_rows(judged, "dataset.judgments", grade_column),
        (document_id_column, text_column, title_column, query_id_column, query_column, group_column),
    )  # fmt: skip
    return build_corpus(source, grades=grades, allow_unjoined=allow_unjoined)


def judgment_rows(table: Table, option: str, grade_column: str | None = None) -> list[tuple[str, str, str]]:
    """(query id, document id, grade) of each row."""
    queries = table.column(option, None, JUDGED_QUERIES)
    documents = table.column(option, None, JUDGED_DOCUMENTS)
    grades = table.optional("dataset.grade_column", grade_column, GRADES) or ["1"] * len(queries)
    return list(zip(queries, documents, grades, strict=True))


def source_of(
    name: str,
    path: str,
    texts: Table,
    asked: Table,
    judged: list[tuple[str, str, str]],
    columns: tuple[str | None, ...] = (None,) * 6,
) -> Source:
    """Documents and queries of two tables; `columns` names document id, text, title, query id, query and group."""
    document_id, text, title, query_id, query, group = columns
    ids = texts.column("dataset.document_id_column", document_id, DOCUMENT_IDS)
    return Source(
        name=name,
        path=path,
        document_ids=ids,
        texts=texts.column("dataset.text_column", text, TEXTS),
        titles=texts.optional("dataset.title_column", title, TITLES) or [""] * len(ids),
        query_ids=asked.column("dataset.query_id_column", query_id, QUERY_IDS),
        queries=asked.column("dataset.query_column", query, QUERY_TEXTS),
        judged=judged,
        groups=None if group is None else asked.column("dataset.group_column", group, ()),
    )


def load_beir(
    path: str,
    *,
    name: str = "beir",
    split: str = "test",
    group_column: str | None = None,
    grades: Grades = None,
    allow_unjoined: bool = False,
) -> RetrievalCorpus:
    """A corpus from a folder in BEIR's layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv.

    Queries that only other splits judge are left aside.

    Raises
    ------
    RequestError
        A file is missing or unfit; names the splits that there are.
    """
    folder = Path(path).expanduser()
    qrels = {file.stem: file for file in sorted((folder / "qrels").glob("*.tsv"))}
    if split not in qrels:
        raise RequestError(
            f"{path} has no judgments qrels/{split}.tsv, found {', '.join(qrels) or 'none'}: choose with "
            "dataset.split, or name a folder in BEIR's layout with dataset.path."
        )
    judged = judgment_rows(read_judgments(str(qrels[split])), "dataset.path")
    elsewhere = frozenset(
        query
        for other, file in qrels.items()
        if other != split
        for query, *_ in judgment_rows(read_judgments(str(file)), "dataset.path")
    )
    columns = (None, None, None, None, None, group_column)
    texts, asked = read_table(str(folder / "corpus.jsonl")), read_table(str(folder / "queries.jsonl"))
    called = name if name != "beir" else folder.resolve().name
    source = source_of(called, path, texts, asked, judged, columns)
    source = dataclasses.replace(source, elsewhere=elsewhere)
    return build_corpus(source, grades=grades, allow_unjoined=allow_unjoined)


def load_pairs(
    path: str,
    *,
    name: str = "pairs",
    query_column: str | None = None,
    document_column: str | None = None,
    group_column: str | None = None,
) -> RetrievalCorpus:
    """A corpus from one table of queries and their documents, as questions with answers are kept.

    Equal documents are one document, and equal queries one query with several relevant documents. Ids are numbers in
    the order of the sorted texts.

    Raises
    ------
    RequestError
        The file cannot be read, or a row lacks its query or document.
    """
    table = read_table(path)
    queries = table.column("dataset.query_column", query_column, ("query", "question"))
    documents = table.column("dataset.document_column", document_column, ("document", "answer", *TEXTS))
    groups = None if group_column is None else table.column("dataset.group_column", group_column, ())
    for number, (query, document) in enumerate(zip(queries, documents, strict=True), start=1):
        if not query.strip() or not document.strip():
            missing = "document" if query.strip() else "query"
            raise RequestError(f"row {number} of {path} has no {missing}: fill it in, or remove the row.")
    ids = [_numbered(sorted(set(texts))) for texts in (queries, documents)]
    own = None if groups is None else dict(zip(queries, groups, strict=True))
    source = Source(
        name=name if name != "pairs" else Path(path).stem,
        path=path,
        document_ids=list(ids[1].values()),
        texts=list(ids[1]),
        titles=[""] * len(ids[1]),
        query_ids=list(ids[0].values()),
        queries=list(ids[0]),
        judged=[(ids[0][query], ids[1][document], "1") for query, document in zip(queries, documents, strict=True)],
        groups=None if own is None else [own[query] for query in ids[0]],
        made=True,
    )
    return build_corpus(source)


def _numbered(texts: list[str]) -> dict[str, str]:
    """Text → id whose order as text is the order of the list."""
    width = len(str(len(texts)))
    return {text: f"{number:0{width}d}" for number, text in enumerate(texts, start=1)}


def load_helpdesk(*, name: str = "helpdesk") -> RetrievalCorpus:
    """The demonstration that comes with evalkit: help articles of a fictitious product and graded questions.

    A judgment of 2 answers the question, 1 helps. Many questions share no content word with their article.
    """
    folder = Path(__file__).with_name("helpdesk")
    files = [str(folder / f"{part}.csv") for part in ("documents", "queries", "judgments")]
    return load_judged(*files, name=name, grades="higher_is_better")
