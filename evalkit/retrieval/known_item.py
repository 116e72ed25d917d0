"""Known-item queries: a corpus of texts alone asks for its own documents."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from evalkit.errors import RequestError
from evalkit.retrieval.corpus import Source, build_corpus, join_title
from evalkit.retrieval.readers import DOCUMENT_IDS, TEXTS, TITLES
from evalkit.retrieval.tables import read_table
from evalkit.retrieval.types import RetrievalCorpus

__all__ = ["load_documents"]

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
KINDS = ("title", "first_sentence", "held_out_sentence")


def load_documents(
    path: str,
    *,
    queries_from: str,
    name: str = "documents",
    id_column: str | None = None,
    text_column: str | None = None,
    title_column: str | None = None,
    seed: int = 0,
) -> RetrievalCorpus:
    """A corpus of texts alone, with one known-item query a document, for which that document is relevant.

    Parameters
    ----------
    queries_from
        ``title`` asks for a text by its title, which is then no part of the document; ``first_sentence`` by its first
        sentence, which stays; ``held_out_sentence`` by one of its sentences, which is taken out (the inverse cloze
        task). Documents without a title, or of one sentence, are there to be found but ask nothing.
    seed
        Draws the held-out sentence.

    Raises
    ------
    RequestError
        The file cannot be read, or no document makes a query.

    References
    ----------
    Azzopardi, de Rijke & Balog 2007, "Building simulated queries for known-item topics", SIGIR.
    """
    if queries_from not in KINDS:
        raise RequestError(f"dataset.queries_from={queries_from} is none of {', '.join(KINDS)}: choose one.")
    table = read_table(path)
    texts = [text.strip() for text in table.column("dataset.text_column", text_column, TEXTS)]
    titles = table.optional("dataset.title_column", title_column, TITLES) or [""] * len(texts)
    if queries_from == "title" and not any(titles):
        raise RequestError(f"{path} has no titles to ask for: name a column with dataset.title_column.")
    if queries_from != "title":
        texts = [join_title(title, text) for title, text in zip(titles, texts, strict=True)]
    width = len(str(len(texts)))
    numbers = [f"{number:0{width}d}" for number in range(1, len(texts) + 1)]
    ids = table.optional("dataset.document_id_column", id_column, DOCUMENT_IDS) or numbers
    rng = np.random.default_rng(seed)
    asked: dict[str, str] = {}
    # In the order of the ids, so that the order of the file draws no other sentences.
    for row in sorted(range(len(ids)), key=ids.__getitem__):
        query, texts[row] = _known_item(texts[row], titles[row], queries_from, rng)
        if query:
            asked[ids[row]] = query
    if not asked:
        raise RequestError(f"no document of {path} has two sentences, and queries need one: choose queries_from=title.")
    source = Source(
        name=name if name != "documents" else Path(path).stem,
        path=path,
        document_ids=ids,
        texts=texts,
        titles=[""] * len(texts),
        query_ids=list(asked),
        queries=list(asked.values()),
        judged=[(each, each, "1") for each in asked],
        made=True,
    )
    return build_corpus(source, known_item=True)


def _known_item(text: str, title: str, kind: str, rng: np.random.Generator) -> tuple[str, str]:
    """The query that a document makes ("" where it makes none), and what is left of the document."""
    if kind == "title":
        return title.strip() if text else "", text
    sentences = [part.strip() for part in SENTENCE_END.split(text) if part.strip()]
    if len(sentences) < 2:
        return "", text
    if kind == "first_sentence":
        return sentences[0], text
    taken = sentences.pop(int(rng.integers(len(sentences))))
    return taken, " ".join(sentences)
