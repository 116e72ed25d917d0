"""The neighbour graphs of one embedding: one that scores read, one that projections read, and one of the map.

Up to `LARGE` texts every graph is exact and of every text. Above, the scores get exact neighbours of a stratified
sample of queries, and what needs every text (maps, hubness, intrinsic dimension) an approximate graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.neighbours import exact
from evalkit.neighbours.approximate import approximate
from evalkit.stats.stratified_rows import LARGE
from evalkit.store import Entry, Store, digest
from evalkit.types import Codes, NeighbourGraph, Points, Ties, Vectors

FORMAT = 2
KIND = "graphs"
QUERY_SAMPLE = 10_000  # queries against all texts in a large corpus
KEPT_BYTES = 1 << 28  # a larger graph is built again rather than kept


def projection_depth(ks: Sequence[int], needed: int, n: int) -> int:
    """Neighbours of each of `n` texts that the projection, precision at K and the tables need; at most n − 1."""
    return min(max(11, needed, *(k + 1 for k in ks)), n - 1)


def scoring_graph(unit: Vectors, labels: Codes, depth: int, *, seed: int, large: int = LARGE) -> NeighbourGraph:
    """Exact `depth` neighbours of every text; of more than `large`, of a stratified sample of queries."""
    queries = None
    if len(unit) > large:
        queries = stratified_queries(labels, QUERY_SAMPLE, np.random.default_rng([seed, 0x5EED]))
    return exact.nearest(unit, depth, queries=queries)


def projection_graph(unit: Vectors, depth: int, *, seed: int, large: int = LARGE) -> NeighbourGraph:
    """`depth` neighbours of every text: exact; of more than `large`, approximate."""
    return exact.nearest(unit, depth) if len(unit) <= large else approximate(unit, depth, seed=seed)


def map_graph(points: Points, ks: Sequence[int], graph: NeighbourGraph) -> NeighbourGraph:
    """Exact neighbours on the map, of the same query rows as in `graph`."""
    return exact.plane(points, projection_depth(ks, 0, len(points)), queries=graph.queries)


def graph_warnings(graph: NeighbourGraph) -> list[str]:
    """A sentence for the record where the projection's graph is approximate."""
    if graph.exact:
        return []
    recall = "" if graph.recall is None else f" (it finds {graph.recall:.1%} of the true neighbours)"
    return [
        f"the map, hubness and intrinsic dimension of {graph.size} texts "
        f"rest on an approximate neighbour graph{recall}."
    ]


def stratified_queries(labels: Codes, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `count` rows in ascending order, each label in proportion (largest remainders), at least one of each.

    `stats.stratified_rows` draws at least two, and in another order: the scores of large corpora rest on these draws.
    """
    n = len(labels)
    if count >= n:
        return np.arange(n, dtype=np.int64)
    sizes = np.bincount(labels)
    shares = sizes * (count / n)
    quota = np.maximum(np.floor(shares).astype(np.int64), 1)
    short = max(count - int(quota.sum()), 0)
    quota[np.argsort(np.floor(shares) - shares, kind="stable")[:short]] += 1
    quota = np.minimum(quota, sizes)
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    drawn = [rng.choice(rows, size=take, replace=False) for rows, take in zip(members, quota, strict=True)]
    return np.sort(np.concatenate(drawn))


def graph_key(embedding: str, depth: int, n: int, *, seed: int, labels: str | None = None) -> str:
    """Store key of a graph; `labels` (their digest) tells a scoring graph, whose queries depend on them above LARGE."""
    sampled = n > LARGE and labels is not None
    material = {
        "format": FORMAT,
        "vectors": embedding,
        "graph": "exact" if sampled or n <= LARGE else "approximate",
        "k": depth,
        "seed": seed if n > LARGE else None,
        "labels": labels if sampled else None,
    }
    return digest(material)


def kept_graph(store: Store, key: str, size: int, make: Callable[[], NeighbourGraph]) -> NeighbourGraph:
    """The graph from the store, or made and kept; one of more than `KEPT_BYTES` (`size` neighbours) is made only."""
    if 8 * size > KEPT_BYTES:
        return make()
    return store.obtain(KIND, key, make=make, keep=lambda graph: _keep(store, key, graph), load=_load)


def _keep(store: Store, key: str, graph: NeighbourGraph) -> Entry:
    ties = {f"ties_{field.name}": getattr(graph.ties, field.name) for field in dataclasses.fields(Ties)}
    arrays = {"indices": graph.indices, "similarities": graph.similarities, **ties}
    if graph.queries is not None:
        arrays["queries"] = graph.queries
    meta = {"size": graph.size, "exact": graph.exact, "recall": graph.recall}
    return store.write(KIND, key, lambda folder: np.savez(folder / "arrays.npz", allow_pickle=False, **arrays), meta)


def _load(entry: Entry) -> NeighbourGraph:
    arrays = entry.arrays()
    ties = Ties(**{field.name: arrays.pop(f"ties_{field.name}") for field in dataclasses.fields(Ties)})
    return NeighbourGraph(ties=ties, **{"queries": None, **arrays, **entry.meta})
