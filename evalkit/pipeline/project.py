"""Embedding + neighbour graph → map, through the store."""

from __future__ import annotations

import numpy as np

from evalkit.pipeline.request import ProjectionChoice
from evalkit.records import plain
from evalkit.store import Entry, Store
from evalkit.types import NeighbourGraph, Projection, Vectors

__all__ = ["project"]

KIND = "projections"


def project(
    choice: ProjectionChoice, unit: Vectors, graph: NeighbourGraph, store: Store, *, key: str, seed: int
) -> Projection:
    """Find the map in the store, or compute and keep it.

    Parameters
    ----------
    unit
        (N, d) vectors of length 1.
    graph
        Neighbours of every text, as many as the projection needs.
    """

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
    return Projection(
        name=entry.meta["name"],
        points=np.array(entry.array("points")),
        seed=int(entry.meta["seed"]),
        parameters=entry.meta["parameters"],
        warnings=tuple(entry.meta["warnings"]),
    )
