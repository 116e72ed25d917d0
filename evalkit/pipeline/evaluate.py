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

from evalkit.pipeline.build_record import check_rank_by, record_of
from evalkit.pipeline.embed import Embedded, embed
from evalkit.pipeline.evaluators import evaluation_of, run_evaluator
from evalkit.pipeline.neighbour_graphs import (
    LARGE,
    QUERY_SAMPLE,
    graph_warnings,
    kept_graph,
    map_graph,
    projection_graph,
    scoring_graph,
)
from evalkit.pipeline.project import project
from evalkit.pipeline.request import EvaluatorChoice, Prepared
from evalkit.runtime.threads import suitable_threads
from evalkit.store import Store
from evalkit.types import Evaluation, NeighbourGraph, Projection, Record, Sample, Vectors

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Result", "Watcher", "evaluate"]

NEAREST = 5
"""Neighbours listed for each query."""


class Watcher(Protocol):
    """Shows the progress of an evaluation."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
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
def _timed(
    watcher: Watcher, seconds: dict[str, float], name: str, total: int | None = None
) -> Iterator[Callable[[int], None]]:
    """Show a stage, and note how long it took."""
    start = time.perf_counter()
    with watcher.stage(name, total) as advance:
        yield advance
    seconds[name] = time.perf_counter() - start


def evaluate(prepared: Prepared, store: Store, *, watcher: Watcher, poolings: Sequence[str] = ()) -> Result:
    """Evaluate a prepared request.

    Parameters
    ----------
    store
        Where vectors, graphs, maps and scores are kept and found.
    watcher
        Shows the stages.
    poolings
        All poolings that the sweep will want of this model and corpus: made in the same forward pass.

    Raises
    ------
    EvaluationError
        Where a model, an evaluator or the store fails.
    RequestError
        Where `rank_by` names no score of this run.
    """
    from evalkit.pipeline import tables

    seconds: dict[str, float] = {}
    stage = functools.partial(_timed, watcher, seconds)
    request, corpus = prepared.request, prepared.corpus
    with stage("encode", len(corpus.texts)) as advance:
        embedded = embed(prepared, store, poolings=poolings, advance=advance)
    unit = embedded.embedding.unit
    with suitable_threads(unit.size):
        with stage("project"):
            whole = _whole_graph(prepared, unit, store)
            key = prepared.keys.projection
            projection = project(prepared.projection, unit, whole, store, key=key, seed=request.seed)
        # Built only where a score is not in the store, or the projection's graph is approximate.
        scoring = functools.cache(lambda: _scoring_graph(prepared, unit, whole, store))
        near = whole if len(unit) <= LARGE else scoring()
        evaluations = {}
        for choice, sample in _samples(prepared, embedded, projection, whole, near, scoring):
            with stage(choice.name):
                evaluations[choice.name] = evaluation_of(
                    store,
                    prepared.keys.evaluations[choice.name],
                    functools.partial(_run, choice, sample, prepared),
                )
        start = time.perf_counter()
        parts = tables.Parts(corpus, embedded, projection, evaluations, near)
        confusion = tables.confusion_table(parts)
        texts, pairs = tables.text_table(parts), tables.pair_table(parts)
        labels, topics = tables.label_table(parts, confusion), tables.topic_rows(parts)
        queries = tables.query_neighbours(parts, NEAREST)
        seconds["tables"] = time.perf_counter() - start
    record = record_of(
        prepared,
        embedded,
        projection,
        evaluations,
        queries=queries,
        topics=topics,
        seconds=seconds,
        more_warnings=[*graph_warnings(whole), *store.warnings],
    )
    check_rank_by(record, request.rank_by)
    return Result(record=record, texts=texts, labels=labels, pairs=pairs, confusion=confusion)


def _whole_graph(prepared: Prepared, unit: Vectors, store: Store) -> NeighbourGraph:
    """Neighbours of every text, as many as the projection and the tables need."""
    depth, seed = prepared.projection_depth, prepared.request.seed
    make = functools.partial(projection_graph, unit, depth, seed=seed)
    return kept_graph(store, prepared.keys.projection_graph, len(unit) * depth, make)


def _scoring_graph(prepared: Prepared, unit: Vectors, whole: NeighbourGraph, store: Store) -> NeighbourGraph:
    """Exact neighbours, as many as the scores need: those of the projection where they suffice."""
    depth, n = prepared.scoring_depth, len(unit)
    if n <= LARGE and depth <= whole.indices.shape[1]:
        return whole
    make = functools.partial(scoring_graph, unit, prepared.corpus.labels, depth, seed=prepared.request.seed)
    rows = n if n <= LARGE else QUERY_SAMPLE
    return kept_graph(store, prepared.keys.scoring_graph, rows * depth, make)


def _samples(
    prepared: Prepared,
    embedded: Embedded,
    projection: Projection,
    whole: NeighbourGraph,
    near: NeighbourGraph,
    scoring: Callable[[], NeighbourGraph],
) -> Iterator[tuple[EvaluatorChoice, Callable[[], Sample]]]:
    """Every evaluator with a function that returns its sample, called where the store lacks the result."""
    corpus, embedding = prepared.corpus, embedded.embedding
    plane = functools.cache(lambda: map_graph(projection.points, prepared.k, near))

    def sample(*, on_map: bool) -> Sample:
        return Sample(
            unit=embedding.unit,
            raw=embedding.raw,
            labels=corpus.labels,
            n_labels=len(corpus.label_names),
            graph=near if on_map else scoring(),
            whole_graph=whole,
            points=projection.points if on_map else None,
            plane=plane() if on_map else None,
            split=embedded.split,
        )

    for choice in prepared.evaluators:
        yield choice, functools.partial(sample, on_map=choice.space == "map")


def _run(choice: EvaluatorChoice, sample: Callable[[], Sample], prepared: Prepared) -> Evaluation:
    return run_evaluator(choice, sample(), k=prepared.k, seed=prepared.request.seed)
