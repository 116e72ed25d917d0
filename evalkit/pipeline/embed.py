"""Corpus + encoder ⇄ store → embedding: one forward pass a model and corpus, whoever asks and how often.

All poolings that a sweep will want are made in the pass that makes the first of them; a process that
finds another one encoding the same texts waits for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.encoders import Encoder
from evalkit.errors import EvaluationError, RequestError
from evalkit.pipeline.identity import encoder_material, texts_fingerprint
from evalkit.store import Store, digest
from evalkit.types import Corpus, Embedding, EncoderIdentity, Encoding, SplitVectors, Vectors

__all__ = ["Embedded", "embed", "stored_vectors", "unit_rows"]

FORMAT = 1
Advance = Callable[[int], None]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A corpus' embedding with what goes with it.

    Attributes
    ----------
    embedding
        The N scored texts.
    queries
        (q, d) unit vectors of the queries, or None where there are none.
    split
        Raw vectors of the train and test rows, or None without a split.
    encoding
        How the vectors were made: truncated texts, seconds, parameters (of the pass that made them).
    encoded
        How many texts the pass encoded.
    from_store
        Whether they were there already.
    """

    embedding: Embedding
    queries: Vectors | None
    split: SplitVectors | None
    encoding: Encoding
    encoded: int
    from_store: bool


def unit_rows(vectors: Vectors, *, block: int = 65_536) -> Vectors:
    """Rows scaled to length 1 in float32; a zero row stays zero (its cosine with anything is 0).

    Works in blocks, so that memory-mapped vectors are read once.
    """
    out = np.empty(vectors.shape, dtype=np.float32)
    for start in range(0, len(vectors), block):
        part = np.asarray(vectors[start : start + block], dtype=np.float32)
        # Scaled by the largest entry first: the squares of tiny or huge rows leave float32's range.
        largest = np.abs(part).max(axis=1, keepdims=True, initial=0.0)
        scaled = np.divide(part, largest, out=np.zeros_like(part), where=largest > 0)
        length = np.linalg.norm(scaled, axis=1, keepdims=True)
        out[start : start + block] = np.divide(scaled, length, out=np.zeros_like(scaled), where=length > 0)
    return out


def embed(
    encoder: Encoder,
    identity: EncoderIdentity,
    corpus: Corpus,
    store: Store,
    *,
    pooling: str,
    poolings: Sequence[str],
    advance: Advance,
) -> Embedded:
    """The corpus' vectors, from the store or by one forward pass for all of `poolings`.

    Parameters
    ----------
    identity
        ``encoder.identify(pooling)``.
    pooling, poolings
        The pooling wanted now, and all that the sweep will want of this encoder and corpus.
    advance
        Called with the number of texts that a batch finished.
    """
    texts, own, train, test = _inventory(corpus)
    if identity.kind == "precomputed":
        return _precomputed(encoder, identity, corpus)
    fingerprint = texts_fingerprint(texts)
    key = _key(identity, fingerprint)
    if corpus.split is not None:
        poolings = (*poolings, "native")  # MTEB's protocol asks for the model's own, whatever the run pools by
    encoding, made = _fetch(encoder, identity, texts, fingerprint, store, pooling, poolings, advance)
    queries = None
    if corpus.queries:
        queries = _queries(encoder, identity, corpus, texts, key, store, pooling, poolings)
        _same_dimension(encoding.vectors, queries, identity)
    whole = own.size == len(texts) and train is None
    raw = encoding.vectors if whole else encoding.vectors[own]
    split = _split(corpus, encoding.vectors, train, test)
    if split is not None and identity.pooling != identity.native_pooling:
        native_identity = encoder.identify("native")
        native, _ = _fetch(encoder, native_identity, texts, fingerprint, store, "native", (), advance)
        split = dataclasses.replace(split, native_train=native.vectors[train], native_test=native.vectors[test])
    chosen = key if whole else _select(store, key, own)
    embedding = Embedding(raw=raw, unit=unit_rows(raw), encoder=identity, key=chosen)
    return Embedded(
        embedding=embedding,
        queries=None if queries is None else unit_rows(queries),
        split=split,
        encoding=encoding,
        encoded=len(texts),
        from_store=not made,
    )


def _inventory(
    corpus: Corpus,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Each text once, and where the scored, train and test texts are among them."""
    if corpus.split is None:
        return corpus.texts, np.arange(len(corpus.texts)), None, None
    position: dict[str, int] = {}
    for text in (*corpus.texts, *corpus.split.train_texts, *corpus.split.test_texts):
        position.setdefault(text, len(position))

    def places(chosen: Sequence[str]) -> np.ndarray:
        return np.fromiter((position[text] for text in chosen), dtype=np.int64, count=len(chosen))

    return tuple(position), places(corpus.texts), places(corpus.split.train_texts), places(corpus.split.test_texts)


def _key(identity: EncoderIdentity, fingerprint: str) -> str:
    return digest({"format": FORMAT, "encoder": encoder_material(identity), "texts": fingerprint})


def _select(store: Store, key: str, rows: np.ndarray) -> str:
    """Key of some rows of stored vectors; the store remembers which, so that the vectors can be found again."""
    rows = np.ascontiguousarray(rows, dtype=np.int64)
    selection = digest({"vectors": key, "rows": hashlib.sha256(rows.tobytes()).hexdigest()})
    if store.find("selections", selection) is None:

        def fill(folder: Path) -> None:
            np.save(folder / "rows.npy", rows, allow_pickle=False)

        store.write("selections", selection, fill, {"vectors": key})
    return selection


def stored_vectors(store: Store, key: str) -> Vectors | None:
    """The vectors of an `Embedding.key`, or None where the store does not hold them."""
    encoding = _read(store, key)
    if encoding is not None:
        return encoding.vectors
    selection = store.find("selections", key)
    if selection is None:
        return None
    encoding = _read(store, str(selection.meta["vectors"]))
    return None if encoding is None else encoding.vectors[selection.array("rows")]


def _fetch(
    encoder: Encoder,
    identity: EncoderIdentity,
    texts: tuple[str, ...],
    fingerprint: str,
    store: Store,
    pooling: str,
    poolings: Sequence[str],
    advance: Advance,
) -> tuple[Encoding, bool]:
    """Vectors of `texts` from the store, else made (with every pooling wanted) under a lock; and whether made."""
    key = _key(identity, fingerprint)
    found = _read(store, key)
    if found is not None:
        return found, False
    group = digest({"encoder": {**encoder_material(identity), "pooling": None}, "texts": fingerprint})
    with store.lock("encodings", group):
        found = _read(store, key)  # another process may have made it while this one waited
        if found is not None:
            return found, False
        wanted: dict[str, str] = {pooling: key}
        for other in poolings:
            resolved = _key(encoder.identify(other), fingerprint)
            if resolved not in wanted.values() and _read(store, resolved) is None:
                wanted[other] = resolved
        made = encoder.encode(texts, list(wanted), advance)
        for name, where in wanted.items():
            _write(store, where, made[name], encoder.identify(name))
    stored = _read(store, key)
    return (stored if stored is not None else made[pooling]), True


def _read(store: Store, key: str) -> Encoding | None:
    entry = store.find("embeddings", key)
    if entry is None:
        return None
    meta = entry.meta
    return Encoding(
        vectors=entry.array("vectors"),
        truncated=int(meta["truncated"]),
        seconds=float(meta["seconds"]),
        parameters=meta["parameters"],
    )


def _write(store: Store, key: str, encoding: Encoding, identity: EncoderIdentity) -> None:
    vectors = np.ascontiguousarray(encoding.vectors, dtype=np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise EvaluationError(
            f"{identity.name} gives vectors that are not finite (first: text {int(np.argmin(finite)) + 1}): "
            "its checkpoint is broken or dtype=bfloat16 overflows, try dtype=float32 or another revision."
        )

    def fill(folder: Path) -> None:
        np.save(folder / "vectors.npy", vectors, allow_pickle=False)

    store.write(
        "embeddings",
        key,
        fill,
        {
            "truncated": encoding.truncated,
            "seconds": encoding.seconds,
            "parameters": encoding.parameters,
            "encoder": json.loads(json.dumps(encoder_material(identity))),
        },
    )


def _queries(
    encoder: Encoder,
    identity: EncoderIdentity,
    corpus: Corpus,
    texts: tuple[str, ...],
    corpus_key: str,
    store: Store,
    pooling: str,
    poolings: Sequence[str],
) -> Vectors:
    """Query vectors; an encoder fitted on the corpus (tf-idf) has its queries keyed by the corpus too."""
    fitted = identity.kind == "tfidf"
    fingerprint = texts_fingerprint(corpus.queries)
    fingerprint = digest({"queries": fingerprint, "corpus": corpus_key if fitted else None})

    class AsQueries:
        """The same encoder, asked for queries: `_fetch` need not know the difference."""

        identify = staticmethod(encoder.identify)

        @staticmethod
        def encode(chosen: Sequence[str], wanted: Sequence[str], advance: Advance) -> dict[str, Encoding]:
            return encoder.encode_queries(chosen, wanted, texts, advance)

    encoding, _ = _fetch(AsQueries(), identity, corpus.queries, fingerprint, store, pooling, poolings, lambda _: None)  # type: ignore[arg-type]
    return encoding.vectors


def _same_dimension(vectors: Vectors, queries: Vectors, identity: EncoderIdentity) -> None:
    if vectors.shape[1] != queries.shape[1]:
        raise RequestError(
            f"the texts' vectors of {identity.name} have {vectors.shape[1]} dimensions and the queries' "
            f"{queries.shape[1]}: different embeddings are incompatible, make both with one model."
        )


def _split(corpus: Corpus, vectors: Vectors, train: np.ndarray | None, test: np.ndarray | None) -> SplitVectors | None:
    if corpus.split is None or train is None or test is None:
        return None
    names = sorted({*corpus.split.train_labels, *corpus.split.test_labels})
    code = {name: number for number, name in enumerate(names)}

    def codes(labels: Sequence[str]) -> np.ndarray:
        return np.fromiter((code[label] for label in labels), dtype=np.int32, count=len(labels))

    return SplitVectors(
        train=vectors[train],
        test=vectors[test],
        train_labels=codes(corpus.split.train_labels),
        test_labels=codes(corpus.split.test_labels),
    )


def _precomputed(encoder: Any, identity: EncoderIdentity, corpus: Corpus) -> Embedded:
    """Vectors that are a file already: read where they lie, not copied into the store."""
    encoding: Encoding = encoder.encode_rows(corpus.rows, corpus.source_rows)
    queries = None
    if corpus.queries:
        queries = encoder.encode_queries(corpus.queries, ["native"], corpus.texts, lambda _: None)["native"].vectors
    split = None
    if corpus.split is not None:
        train, test = (
            encoder.encode_rows(rows, corpus.source_rows).vectors
            for rows in (corpus.split.train_rows, corpus.split.test_rows)
        )
        both = np.concatenate([train, test])
        split = _split(corpus, both, np.arange(len(train)), np.arange(len(train), len(both)))
    rows = hashlib.sha256(np.ascontiguousarray(corpus.rows, dtype=np.int64).tobytes()).hexdigest()
    key = digest({"format": FORMAT, "encoder": encoder_material(identity), "rows": rows})
    return Embedded(
        embedding=Embedding(raw=encoding.vectors, unit=unit_rows(encoding.vectors), encoder=identity, key=key),
        queries=None if queries is None else unit_rows(queries),
        split=split,
        encoding=dataclasses.replace(encoding, seconds=0.0),  # nothing was encoded: no texts per second
        encoded=len(corpus.texts),
        from_store=True,
    )
