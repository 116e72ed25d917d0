"""Prepared request → Record: embedding, graphs, projection, evaluators, tables; what the store holds is not computed.

Imports no Hydra, no MLflow and no matplotlib.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evalkit.encoders import Advance
from evalkit.pipeline import neighbour_graphs as graphs
from evalkit.pipeline.build_record import check_rank_by, record_of
from evalkit.pipeline.embed import Embedded, embed
from evalkit.pipeline.evaluators import evaluation_of, run_evaluator
from evalkit.pipeline.project import project
from evalkit.pipeline.request import EvaluatorChoice, Prepared
from evalkit.runtime.threads import suitable_threads
from evalkit.stats.stratified_rows import LARGE
from evalkit.store import Store
from evalkit.types import Evaluation, NeighbourGraph, Projection, Record, Sample, Vectors

if TYPE_CHECKING:
    import pandas as pd

NEAREST = 5  # neighbours listed for each query


class Watcher(Protocol):
    """Shows the progress of an evaluation."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Enter a stage; the value is called with the number of finished parts."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished evaluation: its record and its tables (a row a text, a label, a pair; labels × labels)."""

    record: Record
    texts: pd.DataFrame
    labels: pd.DataFrame
    pairs: pd.DataFrame
    confusion: pd.DataFrame


@contextmanager
def _timed(watcher: Watcher, seconds: dict[str, float], name: str, total: int | None = None) -> Iterator[Advance]:
    """Show a stage, and note how long it took."""
    start = time.perf_counter()
    with watcher.stage(name, total) as advance:
        yield advance
    seconds[name] = time.perf_counter() - start


def evaluate(prepared: Prepared, store: Store, *, watcher: Watcher, poolings: Sequence[str] = ()) -> Result:
    """Evaluate a prepared request, with all `poolings` that the sweep will want in one forward pass."""
    from evalkit.pipeline import tables

    seconds: dict[str, float] = {}
    stage = functools.partial(_timed, watcher, seconds)
    request, corpus = prepared.request, prepared.corpus
    with stage("encode", len(corpus.texts)) as advance:
        embedded = embed(prepared, store, poolings=poolings, advance=advance)
    unit, keys = embedded.embedding.unit, prepared.keys
    with suitable_threads(unit.size):
        with stage("project"):
            depth = prepared.projection_depth
            make = functools.partial(graphs.projection_graph, unit, depth, seed=request.seed)
            whole = graphs.kept_graph(store, keys.projection_graph, len(unit) * depth, make)
            projection = project(prepared.projection, unit, whole, store, key=keys.projection, seed=request.seed)
        near, evaluations = _evaluations(prepared, embedded, projection, whole, store, stage)
        start = time.perf_counter()
        parts = tables.Parts(corpus, embedded, projection, evaluations, near)
        confusion = tables.confusion_table(parts)
        texts, pairs = tables.text_table(parts), tables.pair_table(parts)
        labels, topics = tables.label_table(parts, confusion), tables.topic_rows(parts)
        queries = tables.query_neighbours(parts, NEAREST)
        seconds["tables"] = time.perf_counter() - start
    warnings = [*graphs.graph_warnings(whole), *store.warnings]
    record = record_of(prepared, parts, queries, topics, seconds, warnings)
    check_rank_by(record, request.rank_by)
    return Result(record=record, texts=texts, labels=labels, pairs=pairs, confusion=confusion)


def _evaluations(
    prepared: Prepared,
    embedded: Embedded,
    projection: Projection,
    whole: NeighbourGraph,
    store: Store,
    stage: Callable[[str], AbstractContextManager[object]],
) -> tuple[NeighbourGraph, dict[str, Evaluation]]:
    """The neighbours in the embedding that maps are compared with, and each evaluator's result by name."""
    corpus, embedding = prepared.corpus, embedded.embedding
    # Built only where a score is not in the store, or the projection's graph is approximate.
    scoring = functools.cache(lambda: _scoring_graph(prepared, embedding.unit, whole, store))
    near = whole if len(corpus.texts) <= LARGE else scoring()
    plane = functools.cache(lambda: graphs.map_graph(projection.points, prepared.k, near))

    def run(choice: EvaluatorChoice) -> Evaluation:
        on_map = choice.space == "map"
        sample = Sample(
            unit=embedding.unit, raw=embedding.raw, labels=corpus.labels, n_labels=len(corpus.label_names),
            graph=near if on_map else scoring(), whole_graph=whole, split=embedded.split,
            points=projection.points if on_map else None, plane=plane() if on_map else None,
        )  # fmt: skip
        return run_evaluator(choice, sample, k=prepared.k, seed=prepared.request.seed)

    results = {}
    for choice in prepared.evaluators:
        with stage(choice.name):
            key = prepared.keys.evaluations[choice.name]
            results[choice.name] = evaluation_of(store, key, functools.partial(run, choice))
    return near, results


def _scoring_graph(prepared: Prepared, unit: Vectors, whole: NeighbourGraph, store: Store) -> NeighbourGraph:
    """Exact neighbours, as many as the scores need: those of the projection where they suffice."""
    depth, n = prepared.scoring_depth, len(unit)
    if n <= LARGE and depth <= whole.indices.shape[1]:
        return whole
    make = functools.partial(graphs.scoring_graph, unit, prepared.corpus.labels, depth, seed=prepared.request.seed)
    rows = n if n <= LARGE else graphs.QUERY_SAMPLE
    return graphs.kept_graph(store, prepared.keys.scoring_graph, rows * depth, make)
