"""Corpus + encoder ⇄ store → embedding, by one forward pass a model and corpus.

All poolings that a sweep will want are made in the pass that makes the first; other processes wait for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.datasets.corpus import Corpus, Split
from evalkit.encoders import Advance, Encoder
from evalkit.errors import EvaluationError, RequestError
from evalkit.pipeline.identity import encoder_material, vectors_key
from evalkit.pipeline.request import Prepared
from evalkit.store import Entry, Store
from evalkit.types import Codes, Embedding, EncoderIdentity, Encoding, SplitVectors, Vectors

Encode = Callable[[Sequence[str]], Mapping[str, Encoding]]  # poolings → the texts' vectors by each

KIND = "embeddings"
MEASURED = ("truncated", "seconds", "parameters")  # fields of an `Encoding` besides the vectors


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A corpus' embedding and its companions."""

    embedding: Embedding  # of the N scored texts
    queries: Vectors | None  # (q, d) unit vectors, None where there are none
    split: SplitVectors | None  # raw vectors of the train and test rows
    encoding: Encoding  # how the vectors were made: seconds, truncated texts and parameters of their forward pass
    encoded: int  # how many texts that pass encoded

    @property
    def truncated_share(self) -> float:
        """Share of the encoded texts that were cut."""
        return self.encoding.truncated / max(self.encoded, 1)


def unit_rows(vectors: Vectors, *, block: int = 65_536) -> Vectors:
    """Rows scaled to length 1 (a zero row stays zero), in blocks: memory-mapped vectors are read once."""
    out = np.empty(vectors.shape, dtype=np.float32)
    for start in range(0, len(vectors), block):
        part = np.asarray(vectors[start : start + block], dtype=np.float32)
        # Scaled by the largest entry first: the squares of tiny or huge rows leave float32's range.
        largest = np.abs(part).max(axis=1, keepdims=True, initial=0.0)
        scaled = np.divide(part, largest, out=np.zeros_like(part), where=largest > 0)
        length = np.linalg.norm(scaled, axis=1, keepdims=True)
        out[start : start + block] = np.divide(scaled, length, out=np.zeros_like(scaled), where=length > 0)
    return out


def texts_to_encode(corpus: Corpus) -> tuple[str, ...]:
    """The scored texts; with a split, each scored, train and test text once."""
    if corpus.split is None:
        return corpus.texts
    return tuple(dict.fromkeys((*corpus.texts, *corpus.split.train_texts, *corpus.split.test_texts)))


def rows_among(texts: Sequence[str], chosen: Sequence[str]) -> NDArray[np.int64]:
    """Rows of the `chosen` texts among `texts`."""
    position = {text: row for row, text in enumerate(texts)}
    return np.fromiter((position[text] for text in chosen), dtype=np.int64, count=len(chosen))


def embed(prepared: Prepared, store: Store, *, poolings: Sequence[str] = (), advance: Advance) -> Embedded:
    """The corpus' vectors, from the store or by one forward pass for all `poolings` that the sweep will want."""
    if prepared.encoder.kind == "precomputed":
        return _precomputed(prepared)
    corpus, identity, encoder, keys = prepared.corpus, prepared.encoder, prepared.request.encoder, prepared.keys
    texts = texts_to_encode(corpus)
    wanted = [prepared.request.pooling, *poolings, *(() if corpus.split is None else ("native",))]

    def encode(chosen: Sequence[str]) -> Mapping[str, Encoding]:
        return encoder.encode(texts, chosen, advance)

    def encode_queries(chosen: Sequence[str]) -> Mapping[str, Encoding]:
        return encoder.encode_queries(corpus.queries, chosen, texts, lambda _: None)

    encoding = _obtain(store, encoder, keys.texts, wanted, encode)
    queries = split = None
    if corpus.queries:
        made = _obtain(store, encoder, keys.queries, wanted, encode_queries).vectors
        if encoding.vectors.shape[1] != made.shape[1]:
            raise RequestError(
                f"the texts' vectors of {identity.name} have {encoding.vectors.shape[1]} dimensions and the queries' "
                f"{made.shape[1]}: different embeddings are incompatible, make both with one model."
            )
        queries = unit_rows(made)
    raw = encoding.vectors
    if corpus.split is not None:
        rows = rows_among(texts, corpus.texts)
        raw = encoding.vectors[rows]
        # For `stored_vectors`: which rows of the stored vectors this embedding has.
        whole = {"vectors": vectors_key(identity, keys.texts)}
        store.write(
            "selections", keys.embedding, lambda folder: np.save(folder / "rows.npy", rows, allow_pickle=False), whole
        )
        train, test = rows_among(texts, corpus.split.train_texts), rows_among(texts, corpus.split.test_texts)
        split = _split_vectors(corpus.split, encoding.vectors[train], encoding.vectors[test])
        if identity.pooling != identity.native_pooling:  # MTEB's protocol takes the model's own pooling
            native = _obtain(store, encoder, keys.texts, ["native"], encode).vectors
            split = dataclasses.replace(split, native_train=native[train], native_test=native[test])
    embedding = Embedding(raw=raw, unit=unit_rows(raw), encoder=identity, key=keys.embedding)
    return Embedded(embedding, queries, split, encoding, encoded=len(texts))


def _obtain(store: Store, encoder: Encoder, texts: str, poolings: Sequence[str], encode: Encode) -> Encoding:
    """Vectors of the first of `poolings` from the store, or made with those of the others; `texts` is a fingerprint."""
    first = encoder.identify(poolings[0])
    key = vectors_key(first, texts)

    def make() -> list[tuple[EncoderIdentity, Encoding]]:
        chosen: dict[str, tuple[str, EncoderIdentity]] = {}
        for pooling in poolings:
            identity = encoder.identify(pooling)
            chosen.setdefault(vectors_key(identity, texts), (pooling, identity))
        missing = [entry for other, entry in chosen.items() if other == key or store.find(KIND, other) is None]
        encodings = encode([pooling for pooling, _ in missing])
        return [(identity, encodings[pooling]) for pooling, identity in missing]

    def keep(made: list[tuple[EncoderIdentity, Encoding]]) -> Entry:
        entries = [_write(store, vectors_key(identity, texts), encoding, identity) for identity, encoding in made]
        return entries[0]

    return store.obtain(KIND, key, make=make, keep=keep, load=_load, lock=vectors_key(first, texts, any_pooling=True))


def _write(store: Store, key: str, encoding: Encoding, identity: EncoderIdentity) -> Entry:
    vectors = np.ascontiguousarray(encoding.vectors, dtype=np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise EvaluationError(
            f"{identity.name} gives vectors that are not finite (first: text {int(np.argmin(finite)) + 1}): "
            "its checkpoint is broken or dtype=bfloat16 overflows, try dtype=float32 or another revision."
        )
    made = {name: getattr(encoding, name) for name in MEASURED}
    meta = {**made, "encoder": encoder_material(identity)}
    return store.write(KIND, key, lambda folder: np.save(folder / "vectors.npy", vectors, allow_pickle=False), meta)


def _load(entry: Entry) -> Encoding:
    return Encoding(vectors=entry.array("vectors"), **{name: entry.meta[name] for name in MEASURED})


def stored_vectors(store: Store, key: str) -> Vectors | None:
    """The vectors of an `Embedding.key`, or None where the store does not hold them."""
    entry, rows = store.find(KIND, key), None
    if entry is None and (selection := store.find("selections", key)) is not None:
        entry, rows = store.find(KIND, str(selection.meta["vectors"])), selection.array("rows")
    if entry is None:
        return None
    vectors: Vectors = entry.array("vectors")
    return vectors if rows is None else vectors[rows]


def _split_vectors(split: Split, train: Vectors, test: Vectors) -> SplitVectors:
    names = np.array([*split.train_labels, *split.test_labels], dtype=object)
    codes: Codes = np.unique(names, return_inverse=True)[1].astype(np.int32, copy=False)
    count = len(split.train_labels)
    return SplitVectors(train=train, test=test, train_labels=codes[:count], test_labels=codes[count:])


def _precomputed(prepared: Prepared) -> Embedded:
    """Vectors of a file, read where they are and not copied into the store."""
    corpus, encoder = prepared.corpus, cast(Any, prepared.request.encoder)
    encoding: Encoding = encoder.encode_rows(corpus.rows, corpus.source_rows)
    queries = split = None
    if corpus.queries:
        made = encoder.encode_queries(corpus.queries, ["native"], corpus.texts, lambda _: None)
        queries = unit_rows(made["native"].vectors)
    if corpus.split is not None:
        rows = (corpus.split.train_rows, corpus.split.test_rows)
        split = _split_vectors(corpus.split, *(encoder.encode_rows(each, corpus.source_rows).vectors for each in rows))
    unit = unit_rows(encoding.vectors)
    embedding = Embedding(raw=encoding.vectors, unit=unit, encoder=prepared.encoder, key=prepared.keys.embedding)
    # Nothing was encoded: no texts per second.
    return Embedded(embedding, queries, split, dataclasses.replace(encoding, seconds=0.0), encoded=len(corpus.texts))
