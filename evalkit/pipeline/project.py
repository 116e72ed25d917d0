"""Embedding + neighbour graph → map, through the store."""

from __future__ import annotations

import numpy as np

from evalkit.pipeline.request import ProjectionChoice
from evalkit.records import plain
from evalkit.store import Entry, Store
from evalkit.types import NeighbourGraph, Projection, Vectors

KIND = "projections"


def project(
    choice: ProjectionChoice, unit: Vectors, graph: NeighbourGraph, store: Store, *, key: str, seed: int
) -> Projection:
    """The map from the store, or computed and kept; `graph` has as many neighbours of every text as it needs."""

    def keep(projection: Projection) -> Entry:
        points = np.ascontiguousarray(projection.points, dtype=np.float64)
        meta = {
            "name": projection.name,
            "seed": projection.seed,
            "parameters": plain(projection.parameters),
            "warnings": list(projection.warnings),
        }
        return store.write(KIND, key, lambda folder: np.save(folder / "points.npy", points, allow_pickle=False), meta)

    return store.obtain(KIND, key, make=lambda: choice.project(unit, graph, seed=seed), keep=keep, load=_load)


def _load(entry: Entry) -> Projection:
    fields = {**entry.meta, "warnings": tuple(entry.meta["warnings"])}
    return Projection(points=np.array(entry.array("points")), **fields)
