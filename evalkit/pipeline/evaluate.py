"""Request + corpus → Record: one way, no way back, and nothing computed that the store holds.

Knows no Hydra, no MLflow and no matplotlib. `prepare` settles everything that can be known without a
weight in memory (the identity among it); `evaluate` does the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.errors import RequestError
from evalkit.pipeline.build_record import check_rank_by, record_of
from evalkit.pipeline.embed import Embedded, embed
from evalkit.pipeline.evaluators import bundled, evaluation_key, evaluations_of, run_evaluator
from evalkit.pipeline.identity import labels_digest, run_identity
from evalkit.pipeline.neighbour_graphs import Graphs
from evalkit.pipeline.project import project, projection_key
from evalkit.pipeline.request import EvaluatorChoice, Prepared, ProjectionChoice, Request
from evalkit.runtime.threads import suitable_threads
from evalkit.store import Store
from evalkit.types import Corpus, EncoderIdentity, Evaluation, Projection, Record, Sample

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DEFAULT_K",
    "LARGE",
    "Result",
    "Watcher",
    "evaluate",
    "prepare",
    "resolve_k",
]

DEFAULT_K = (1, 5, 10)

LARGE = 50_000
"""Above so many texts neighbour scores use a sample of queries, graphs are approximate, and UMAP is the default."""

NEAREST = 5
"""Neighbours listed for each query."""


class Watcher(Protocol):
    """Somebody who follows the work: the terminal, or nobody."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Enter a stage; the value is called with the number of finished parts."""


class Silent:
    """A watcher that shows nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Enter a stage without a word."""
        yield lambda _: None


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished evaluation: its record and its tables (a row a text, a label, a pair; labels × labels)."""

    record: Record
    texts: pd.DataFrame
    labels: pd.DataFrame
    pairs: pd.DataFrame
    confusion: pd.DataFrame


@dataclass(slots=True)
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def resolve_k(k: tuple[int, ...] | None, n: int) -> tuple[int, ...]:
    """K of precision at K: those of 1, 5, 10 below N by default.

    Raises
    ------
    RequestError
        Where an explicit K is N or more.
    """
    if k is None:
        return tuple(entry for entry in DEFAULT_K if entry < n)
    if max(k) >= n:
        raise RequestError(
            f"k={max(k)} asks for more neighbours than there are: the corpus has {n} texts, "
            f"so K can be at most {n - 1}."
        )
    return k


def prepare(request: Request, corpus: Corpus) -> Prepared:
    """Resolve K, projection and encoder, and with them the identity; loads no weight."""
    k = resolve_k(request.k, len(corpus.texts))
    projection, warnings = _projection_for(request.projection, len(corpus.texts))
    encoder = request.encoder.identify(request.pooling)
    corpus, query_warnings = _answerable(request, encoder, corpus)
    identity = run_identity(
        identifying=request.identifying,
        encoder=encoder,
        corpus=corpus,
        k=k,
        projection=projection.described,
        seed=request.seed,
    )
    return Prepared(request, corpus, encoder, projection, k, identity, warnings + query_warnings)


def _answerable(request: Request, encoder: EncoderIdentity, corpus: Corpus) -> tuple[Corpus, tuple[str, ...]]:
    """For vectors from a file: refuse now what does not fit the data, and leave out queries nobody asked for."""
    if encoder.kind != "precomputed":
        return corpus, ()
    vectors: Any = request.encoder
    vectors.encode_rows(corpus.rows, corpus.source_rows)
    if not corpus.queries or vectors.can_encode_queries:
        return corpus, ()
    if request.described.get("queries"):
        vectors.encode_queries(corpus.queries, ["native"], corpus.texts, lambda _: None)  # says what is missing
    count = len(corpus.queries)
    left_out = f"the data's {count} queries are left out: {encoder.name} has no vectors of them (model.query_path)."
    return replace(corpus, queries=()), (left_out,)


def _projection_for(choice: ProjectionChoice, n: int) -> tuple[ProjectionChoice, tuple[str, ...]]:
    if choice.chosen or choice.name != "tsne" or n <= LARGE:
        return choice, ()
    from evalkit.projections import umap

    target = "evalkit.projections.umap.project"
    swapped = ProjectionChoice(
        name="umap", project=umap.project, described={"_target_": target, "name": "umap"}, chosen=False
    )
    return swapped, (f"UMAP draws the map: t-SNE of {n} texts takes long (projection=tsne asks for it all the same).",)


def evaluate(
    prepared: Prepared, store: Store, *, poolings: Sequence[str] = (), watcher: Watcher | None = None
) -> Result:
    """Do the work of a prepared request.

    Parameters
    ----------
    store
        Where vectors, graphs, maps and scores are kept and found.
    poolings
        All poolings that the sweep will want of this model and corpus: made in the same forward pass.
    watcher
        Is told of each stage.
    """
    from evalkit.pipeline import tables

    watcher = watcher or Silent()
    clock = _Clock()
    request, corpus = prepared.request, prepared.corpus
    with clock("encode"), watcher.stage("encode", len(corpus.texts)) as advance:
        embedded = embed(
            request.encoder,
            prepared.encoder,
            corpus,
            store,
            pooling=request.pooling,
            poolings=poolings,
            advance=advance,
        )
    with suitable_threads(embedded.embedding.unit.size):
        graphs = Graphs(embedded.embedding, corpus.labels, prepared.k, store, seed=request.seed, large=LARGE)
        with clock("project"), watcher.stage("project"):
            projection = project(prepared.projection, embedded.embedding, graphs, store, seed=request.seed)
        evaluations = _evaluate_all(prepared, embedded, graphs, projection, store, clock, watcher)
        with clock("tables"):
            parts = tables.Parts(corpus, embedded, projection, evaluations, graphs.shallow())
            queries = tables.query_neighbours(parts, NEAREST)
            texts = tables.text_table(parts)
            confusion = tables.confusion_table(parts)
            labels = tables.label_table(parts, confusion)
            pairs = tables.pair_table(parts)
            topics = tables.topic_rows(parts)
    record = record_of(
        prepared,
        embedded,
        projection,
        evaluations,
        queries=queries,
        topics=topics,
        seconds=clock.seconds,
        graph_warnings=graphs.warnings,
        store_warnings=store.warnings,
    )
    check_rank_by(record, request.rank_by)
    return Result(record=record, texts=texts, labels=labels, pairs=pairs, confusion=confusion)


def _evaluate_all(
    prepared: Prepared,
    embedded: Embedded,
    graphs: Graphs,
    projection: Projection,
    store: Store,
    clock: _Clock,
    watcher: Watcher,
) -> dict[str, Evaluation]:
    """Every evaluator's result, in the order asked; only what the store lacks is computed."""
    corpus = prepared.corpus
    keyed = _keyed(prepared, embedded)

    def make(choice: EvaluatorChoice) -> Evaluation:
        sample = _sample(choice, embedded, corpus, graphs, projection)
        return run_evaluator(choice, sample, k=prepared.k, seed=prepared.request.seed)

    def watched(choice: EvaluatorChoice) -> Evaluation:
        with clock(choice.name), watcher.stage(choice.name):
            return make(choice)

    done: dict[str, Evaluation] = {}
    for bundle in bundled(keyed, len(corpus.texts)):
        if bundle.choices[1:]:
            for choice in bundle.choices:
                clock.seconds[choice.name] = 0.0  # where the store has them
            found = evaluations_of(bundle, store, watched)
        else:
            with clock(bundle.choices[0].name), watcher.stage(bundle.choices[0].name):
                found = evaluations_of(bundle, store, make)
        done.update({choice.name: each for choice, each in zip(bundle.choices, found, strict=True)})
    return {choice.name: done[choice.name] for choice, _ in keyed}


def _keyed(prepared: Prepared, embedded: Embedded) -> list[tuple[EvaluatorChoice, str]]:
    """The evaluators asked for, in that order, with the keys of their results."""
    request, corpus = prepared.request, prepared.corpus
    labels = labels_digest(corpus.labels, len(corpus.label_names))
    # The probe reads the train and test rows as well, which the scored texts do not determine.
    split = None if corpus.split is None else corpus.fingerprint
    where = projection_key(prepared.projection, embedded.embedding, request.seed)
    return [
        (
            choice,
            evaluation_key(
                choice,
                vectors=embedded.embedding.key,
                labels=labels,
                projection=where,
                split=split,
                k=prepared.k,
                seed=request.seed,
            ),
        )
        for choice in (*request.evaluators, _topics())
    ]


def _topics() -> EvaluatorChoice:
    """Which topics are neighbours: no score that one could leave out, but kept and shared like one."""
    from evalkit.metrics import label_neighbours as topics

    return EvaluatorChoice(name="topics", space="embedding", evaluate=topics.evaluate, described={})


def _sample(
    choice: EvaluatorChoice, embedded: Embedded, corpus: Corpus, graphs: Graphs, projection: Projection
) -> Sample:
    on_map = choice.space == "map"
    return Sample(
        unit=embedded.embedding.unit,
        raw=embedded.embedding.raw,
        labels=corpus.labels,
        n_labels=len(corpus.label_names),
        graph=graphs.shallow() if on_map else graphs.deep(),
        whole_graph=graphs.whole(),
        points=projection.points if on_map else None,
        plane=graphs.plane(projection.points) if on_map else None,
        split=embedded.split,
    )
