"""Embedding + neighbour graph → map, through the store: a map is a property of model × projection × seed."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.pipeline.identity import foreign_digests, source_digest
from evalkit.pipeline.neighbour_graphs import Graphs
from evalkit.pipeline.request import ProjectionChoice
from evalkit.records import plain
from evalkit.store import FEW_TEXTS, Entry, Recent, Store, digest
from evalkit.types import Embedding, Projection

__all__ = ["neighbours_needed", "project", "projection_key"]

FORMAT = 1
KIND = "projections"

_recent: Recent[Projection] = Recent()

DRAWING = ("projections", "neighbours", "runtime/compiled.py")
"""The sources that a map depends on: after an upgrade that changes them it is drawn again."""

UNKNOWN_NEED = 15
"""Neighbours handed to a user's own projection that does not say how many it needs."""


def projection_key(choice: ProjectionChoice, embedding: Embedding, seed: int) -> str:
    """Store key of a map: vectors, projection, parameters and seed."""
    described = plain(choice.described)
    return digest(
        {
            "format": FORMAT,
            "vectors": embedding.key,
            "projection": described,
            "seed": seed,
            "source": source_digest(DRAWING),
            "foreign": foreign_digests(described),
        }
    )


def project(choice: ProjectionChoice, embedding: Embedding, graphs: Graphs, store: Store, *, seed: int) -> Projection:
    """The map, found or drawn; processes that want the same one wait for each other."""
    key = projection_key(choice, embedding, seed)
    need = neighbours_needed(choice.project, len(embedding.unit))
    graphs.want(need)
    remembered = len(embedding.unit) <= FEW_TEXTS and not foreign_digests(plain(choice.described))
    return _recent.obtain(
        store,
        KIND,
        key,
        load=_load,
        make=lambda: choice.project(embedding.unit, graphs.whole(), seed=seed),
        keep=lambda drawn: _keep(store, key, drawn),
        remember=remembered,
    )


def neighbours_needed(target: Callable[..., Any], n: int) -> int:
    """How many neighbours a projection wants for `n` texts: what its module's ``needs`` says."""
    keywords: dict[str, Any] = {}
    while isinstance(target, functools.partial):
        keywords = {**target.keywords, **keywords}
        target = target.func
    needs = getattr(sys.modules.get(target.__module__), "needs", None)
    if needs is None:
        return min(UNKNOWN_NEED, n - 1)
    known = inspect.signature(needs).parameters
    return min(int(needs(n, **{name: value for name, value in keywords.items() if name in known})), n - 1)


def _keep(store: Store, key: str, projection: Projection) -> None:
    points = np.ascontiguousarray(projection.points, dtype=np.float64)

    def fill(folder: Path) -> None:
        np.save(folder / "points.npy", points, allow_pickle=False)

    meta = {
        "name": projection.name,
        "seed": projection.seed,
        "parameters": plain(projection.parameters),
        "warnings": list(projection.warnings),
    }
    store.write(KIND, key, fill, meta)


def _load(entry: Entry) -> Projection:
    return Projection(
        name=entry.meta["name"],
        points=np.asarray(entry.array("points")),
        seed=int(entry.meta["seed"]),
        parameters=entry.meta["parameters"],
        warnings=tuple(entry.meta["warnings"]),
    )
