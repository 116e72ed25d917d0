"""Request + corpus → `Prepared`: everything that can be known before a weight is loaded, all keys among it."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from evalkit.datasets.corpus import Corpus
from evalkit.errors import RequestError
from evalkit.pipeline import identity
from evalkit.pipeline.embed import rows_among, texts_to_encode
from evalkit.pipeline.neighbour_graphs import graph_key, projection_depth
from evalkit.pipeline.request import EvaluatorChoice, Keys, Prepared, ProjectionChoice, Request
from evalkit.records import plain
from evalkit.stats.labelled_graph import graph_depth
from evalkit.stats.stratified_rows import LARGE
from evalkit.store import digest
from evalkit.types import EncoderIdentity
from evalkit.version import __version__

UNKNOWN_NEED = 15  # neighbours given to a user's own projection that does not say how many it needs
PROJECTION_FORMAT = 1
DRAWING = ("projections", "neighbours", "runtime/compiled.py")  # a map is computed again where these sources change


def check_seed(seed: int) -> None:
    """Refuse a seed that numpy's generators do not take."""
    if not 0 <= seed < 2**32:
        raise RequestError(f"seed must be from 0 to 4294967295, and {seed} was given: choose another.")


def check_k(k: Any) -> None:
    """Refuse what lists no different numbers from 1 up; None stands for the default."""
    if k is None:
        return
    if not isinstance(k, Collection) or not k or len(set(k)) < len(k) or min(k) < 1:
        raise RequestError(f"k must list different numbers from 1 up, and {k} was given: write for example k=[1,5,10].")


def resolve_k(k: tuple[int, ...] | None, n: int) -> tuple[int, ...]:
    """K of precision at K: those of 1, 5, 10 below N by default; an explicit K of N or more is refused."""
    if k is None:
        return tuple(entry for entry in (1, 5, 10) if entry < n)
    if max(k) >= n:
        raise RequestError(
            f"k={max(k)} asks for more neighbours than there are: the corpus has {n} texts, "
            f"so K can be at most {n - 1}."
        )
    return k


def prepare(request: Request, corpus: Corpus) -> Prepared:
    """Resolve K, projection and encoder, and with them the identity and all keys; loads no weight."""
    n = len(corpus.texts)
    k = resolve_k(request.k, n)
    projection, warnings = _projection_for(request.projection, n)
    encoder = request.encoder.identify(request.pooling)
    corpus, query_warnings = _with_answerable_queries(request, encoder, corpus)
    from evalkit.metrics import label_neighbours  # compiled code, which the refusals above need not wait for

    topics = EvaluatorChoice(name="topics", space="embedding", evaluate=label_neighbours.evaluate, described={})
    evaluators = (*request.evaluators, topics)
    deep, shallow = graph_depth(corpus.labels, k), projection_depth(k, neighbours_needed(projection.project, n), n)
    texts, queries, embedding = vector_keys(encoder, corpus)
    labels = identity.labels_digest(corpus.labels, len(corpus.label_names))
    map_key = _projection_key(projection, embedding, request.seed)
    shared = {
        "vectors": embedding,
        "labels": labels,
        # The probe reads the train and test rows as well, which the scored texts do not determine.
        "split": None if corpus.split is None else corpus.fingerprint,
        "seed": request.seed,
        "source": identity.source_digest(),
    }
    keys = Keys(
        texts=texts,
        queries=queries,
        embedding=embedding,
        scoring_graph=graph_key(embedding, deep, n, seed=request.seed, labels=labels),
        projection_graph=graph_key(embedding, shallow, n, seed=request.seed),
        projection=map_key,
        evaluations={choice.name: _evaluation_key(choice, shared, map_key, k) for choice in evaluators},
    )
    return Prepared(
        request=request, corpus=corpus, encoder=encoder, projection=projection, evaluators=evaluators, k=k, keys=keys,
        identity=_run_identity(request, encoder, corpus, k, projection), warnings=warnings + query_warnings,
        scoring_depth=deep, projection_depth=shallow,
    )  # fmt: skip


def _with_answerable_queries(
    request: Request, encoder: EncoderIdentity, corpus: Corpus
) -> tuple[Corpus, tuple[str, ...]]:
    """For vectors from a file: refuse those that do not fit the data, and leave out the data's queries without any."""
    if encoder.kind != "precomputed":
        return corpus, ()
    vectors: Any = request.encoder
    vectors.encode_rows(corpus.rows, corpus.source_rows)
    if not corpus.queries or vectors.query_path is not None:
        return corpus, ()
    if request.described.get("queries"):
        vectors.encode_queries(corpus.queries, ["native"], corpus.texts, lambda _: None)  # raises: says what is missing
    count = len(corpus.queries)
    left_out = f"the data's {count} queries are left out: {encoder.name} has no vectors of them (model.query_path)."
    return replace(corpus, queries=()), (left_out,)


def _projection_for(choice: ProjectionChoice, n: int) -> tuple[ProjectionChoice, tuple[str, ...]]:
    """The chosen projection; UMAP in place of the default above 50,000 texts."""
    if choice.chosen or choice.name != "tsne" or n <= LARGE:
        return choice, ()
    from evalkit.projections import umap

    described = {"_target_": "evalkit.projections.umap.project", "name": "umap"}
    warning = f"UMAP draws the map: t-SNE of {n} texts takes long (projection=tsne asks for it all the same)."
    return replace(choice, name="umap", project=umap.project, described=described), (warning,)


def neighbours_needed(project: Any, n: int) -> int:
    """How many neighbours of each of `n` texts a projection needs: what ``needs`` in its module returns."""
    keywords: dict[str, Any] = {}
    while isinstance(project, functools.partial):  # Hydra's own is within ours
        keywords, project = {**project.keywords, **keywords}, project.func
    needs = getattr(sys.modules.get(project.__module__), "needs", None)
    if needs is None:
        return min(UNKNOWN_NEED, n - 1)
    known = inspect.signature(needs).parameters
    return min(int(needs(n, **{name: value for name, value in keywords.items() if name in known})), n - 1)


def _run_identity(
    request: Request, encoder: EncoderIdentity, corpus: Corpus, k: tuple[int, ...], projection: ProjectionChoice
) -> str:
    """Hash of all that determines the result (hex, 64 characters)."""
    settings = {**request.identifying, "k": list(k), "projection": dict(projection.described)}
    material = {
        "settings": settings,
        "encoder": identity.encoder_material(encoder),
        "corpus": corpus.fingerprint,
        "queries": {"texts": list(corpus.queries), "side": dict(encoder.query_side)},
        "seed": request.seed,
        "version": __version__,
        "source": identity.source_digest(),
        "foreign": identity.foreign_digests(settings),
    }
    return digest(material)


def vector_keys(encoder: EncoderIdentity, corpus: Corpus) -> tuple[str, str, str]:
    """Fingerprints of the texts and of the queries to encode, and the key of the scored texts' embedding."""
    if encoder.kind == "precomputed":
        return "", "", identity.vectors_key(encoder, identity.rows_digest(corpus.rows))
    texts = texts_to_encode(corpus)
    fingerprint = identity.texts_fingerprint(texts)
    key = identity.vectors_key(encoder, fingerprint)
    fitted = key if encoder.kind == "tfidf" else None  # fitted on the corpus, and so are its queries
    asked = {"queries": identity.texts_fingerprint(corpus.queries), "corpus": fitted, "side": dict(encoder.query_side)}
    queries = digest(asked)
    if corpus.split is not None:
        key = digest({"vectors": key, "rows": identity.rows_digest(rows_among(texts, corpus.texts))})
    return fingerprint, queries, key


def _projection_key(projection: ProjectionChoice, embedding: str, seed: int) -> str:
    described = plain(projection.described)
    material = {
        "format": PROJECTION_FORMAT,
        "vectors": embedding,
        "projection": described,
        "seed": seed,
        "source": identity.source_digest(DRAWING),
        "foreign": identity.foreign_digests(described),
    }
    return digest(material)


def _evaluation_key(choice: EvaluatorChoice, shared: Mapping[str, Any], projection: str, k: tuple[int, ...]) -> str:
    described = plain(choice.described)
    material = {
        **shared,
        "evaluator": {"name": choice.name, "space": choice.space, **described},
        "projection": projection if choice.space == "map" else None,
        "k": list(k) if choice.takes_k else None,
        "foreign": identity.foreign_digests(described),
    }
    return digest(material)
