"""One embedding's neighbour graphs, each built at most once and only when something asks.

Up to `large` texts there is one exact graph, deep enough for every score; the projections take its
nearest columns. Above, the scores get exact neighbours of a stratified sample of queries, and what needs
every text (maps, hubness, intrinsic dimension) an approximate graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.neighbours import approximate as inverted_lists
from evalkit.neighbours import exact as neighbours
from evalkit.pipeline.identity import labels_digest
from evalkit.stats.ranking_depth import graph_depth
from evalkit.store import Entry, Store, digest
from evalkit.types import Codes, Embedding, NeighbourGraph, Points, Ties

__all__ = ["Graphs", "stratified_queries"]

FORMAT = 1
KIND = "graphs"

QUERY_SAMPLE = 10_000
"""Queries against all texts where the corpus is large."""

KEPT_BYTES = 1 << 28
"""A larger graph is rebuilt rather than kept: 256 MB."""


class Graphs:
    """The graphs of one embedding under one labelling.

    Parameters
    ----------
    embedding
        The N texts.
    labels
        (N,) label codes: R-scores need as many neighbours as a label has texts.
    ks
        K of precision at K.
    store
        Where graphs are kept; None keeps them in memory only.
    seed
        Of the query sample and the approximate graph.
    large
        Above so many texts, neighbours are exact for a sample of queries only.
    """

    def __init__(
        self, embedding: Embedding, labels: Codes, ks: Sequence[int], store: Store | None, *, seed: int, large: int
    ) -> None:
        self._embedding = embedding
        self._labels = labels
        self._ks = tuple(ks)
        self._store = store
        self._seed = seed
        self._n = len(embedding.unit)
        self._large = self._n > large
        self._wanted = min(max((11, *(k + 1 for k in ks))), self._n - 1)
        self._built: dict[str, NeighbourGraph] = {}
        self.warnings: list[str] = []

    def want(self, k: int) -> None:
        """Announce that `k` neighbours of every text will be asked for (a projection's need)."""
        self._wanted = min(max(self._wanted, k), self._n - 1)

    def deep(self) -> NeighbourGraph:
        """Exact neighbours as deep as the R-scores need, of every text or of the query sample."""
        if "deep" not in self._built:
            depth = max(graph_depth(self._labels, self._ks), 0 if self._large else self._wanted)
            self._built["deep"] = self._exact(min(depth, self._n - 1))
        return self._built["deep"]

    def shallow(self) -> NeighbourGraph:
        """Exact neighbours as deep as maps and precision at K need."""
        if "deep" in self._built and self._built["deep"].indices.shape[1] >= self._wanted:
            return self._built["deep"]
        if "shallow" not in self._built:
            self._built["shallow"] = self._exact(self._wanted)
        return self._built["shallow"]

    def whole(self) -> NeighbourGraph:
        """Neighbours of every text: exact, or approximate in a large corpus."""
        if not self._large:
            return self.shallow()
        if "whole" not in self._built:
            self._built["whole"] = self._kept(
                {"graph": "approximate", "k": self._wanted, "seed": self._seed},
                lambda: inverted_lists.approximate(self._embedding.unit, self._wanted, seed=self._seed),
            )
            recall = self._built["whole"].recall
            self.warnings.append(
                f"the map, hubness and intrinsic dimension of {self._n} texts rest on an approximate neighbour graph"
                + (f" (it finds {recall:.1%} of the true neighbours)." if recall is not None else ".")
            )
        return self._built["whole"]

    def plane(self, points: Points) -> NeighbourGraph:
        """Exact neighbours on the map, of the same query rows as the embedding's."""
        return neighbours.plane(points, min(max((11, *(k + 1 for k in self._ks))), self._n - 1), queries=self.queries())

    def queries(self) -> NDArray[np.int64] | None:
        """The sampled query rows, or None where every text is one."""
        if not self._large:
            return None
        rng = np.random.default_rng([self._seed, 0x5EED])
        return stratified_queries(self._labels, QUERY_SAMPLE, rng)

    def _exact(self, depth: int) -> NeighbourGraph:
        material: dict[str, Any] = {"graph": "exact", "k": depth, "seed": self._seed if self._large else None}
        if self._large:
            material["labels"] = labels_digest(self._labels, int(self._labels.max()) + 1)
        return self._kept(
            material, lambda: neighbours.nearest(self._embedding.unit, depth, queries=self.queries()), rows=depth
        )

    def _kept(
        self, material: dict[str, Any], make: Callable[[], NeighbourGraph], *, rows: int | None = None
    ) -> NeighbourGraph:
        size = (QUERY_SAMPLE if self._large and rows else self._n) * int(material["k"]) * 8
        store = self._store
        if store is None or self._n <= 2_000 or size > KEPT_BYTES:
            return make()  # cheaper to build than to keep, or too large to
        key = digest({"format": FORMAT, "vectors": self._embedding.key, **material})

        def keep(graph: NeighbourGraph) -> None:
            store.write(KIND, key, lambda folder: _save(graph, folder), _meta(graph))

        return store.obtain(KIND, key, load=_load, make=make, keep=keep)


def stratified_queries(labels: Codes, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` rows in ascending order, every label by its share (largest remainders), at least one of each.

    Parameters
    ----------
    labels
        (N,) codes 0 … k − 1.
    count
        At least the number of labels is drawn; N or more gives every row.
    """
    n = len(labels)
    if count >= n:
        return np.arange(n, dtype=np.int64)
    sizes = np.bincount(labels)
    exact = sizes * (count / n)
    quota = np.maximum(np.floor(exact).astype(np.int64), np.minimum(sizes, 1))
    short = count - int(quota.sum())
    if short > 0:
        order = np.argsort(-(exact - np.floor(exact)), kind="stable")
        for label in order[:short]:
            quota[label] += 1
    quota = np.minimum(quota, sizes)
    by_label = np.argsort(labels, kind="stable")
    ends = np.cumsum(sizes)
    drawn = [
        rng.choice(by_label[end - size : end], size=take, replace=False)
        for size, end, take in zip(sizes, ends, quota, strict=True)
        if take
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def _meta(graph: NeighbourGraph) -> dict[str, Any]:
    return {"size": graph.size, "exact": graph.exact, "recall": graph.recall, "sampled": graph.queries is not None}


def _save(graph: NeighbourGraph, folder: Path) -> None:
    np.save(folder / "indices.npy", graph.indices, allow_pickle=False)
    np.save(folder / "similarities.npy", graph.similarities, allow_pickle=False)
    if graph.queries is not None:
        np.save(folder / "queries.npy", graph.queries, allow_pickle=False)
    for field in dataclasses.fields(Ties):
        np.save(folder / f"ties_{field.name}.npy", getattr(graph.ties, field.name), allow_pickle=False)


def _load(entry: Entry) -> NeighbourGraph:
    # Copies: the store's arrays are read-only maps, and some libraries (scipy's sparse matrices) write where they read.
    def array(name: str) -> NDArray[Any]:
        return np.array(entry.array(name))

    return NeighbourGraph(
        indices=array("indices"),
        similarities=array("similarities"),
        size=int(entry.meta["size"]),
        queries=array("queries") if entry.meta["sampled"] else None,
        ties=Ties(**{field.name: array(f"ties_{field.name}") for field in dataclasses.fields(Ties)}),
        exact=bool(entry.meta["exact"]),
        recall=entry.meta["recall"],
    )
