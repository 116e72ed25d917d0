"""Place the maps in a grid, and turn them so that the eye can compare them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.plots.style import PROJECTIONS
from evalkit.report.load_runs import NO_POOLING, LoadedRun

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Plan", "aligned", "arrange", "hull", "quantised", "title"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows and columns of the small multiples.

    Attributes
    ----------
    order
        Positions of the runs, by row, then column; the first is what all maps are aligned to.
    models
        Names of the rows, the leaderboard's first first.
    columns
        Titles of the columns.
    column
        Column of each run, in the runs' own order.
    """

    order: list[int]
    models: list[str]
    columns: list[str]
    column: list[int]


def arrange(runs: Sequence[LoadedRun], leaderboard: pd.DataFrame) -> Plan:
    """Put models in rows and pooling, projection and seed in columns.

    What is the same in the whole sweep is left out of the columns: pooling where each model has only one,
    projection parameters where a projection has only one set of them.
    """
    ranked = list(dict.fromkeys(leaderboard["model"].astype(str))) if "model" in leaderboard.columns else []
    present = sorted({run.model for run in runs})
    models = [name for name in ranked if name in present] + [name for name in present if name not in ranked]
    poolings = defaultdict(set)
    for run in runs:
        poolings[run.model].add(run.pooling)
    by_pooling = any(len(found) > 1 for found in poolings.values())
    best_first = _poolings(runs, leaderboard)
    # A model without tokens to pool stands beside the best pooling of the others, not in columns of its own.
    own = [best_first[0] if run.pooling == NO_POOLING else run.pooling for run in runs]
    keys = [((pooling if by_pooling else ""), *_drawn_by(run, runs)) for run, pooling in zip(runs, own, strict=True)]
    unique = sorted(set(keys), key=lambda key: (best_first.index(key[0]) if key[0] else 0, _place(key[1]), *key[1:]))
    columns = [" · ".join(str(part) for part in (key[0], key[1], f"seed {key[2]}") if part) for key in unique]
    column = [unique.index(key) for key in keys]
    order = sorted(range(len(runs)), key=lambda i: (models.index(runs[i].model), column[i], str(runs[i].folder)))
    return Plan(order, models, columns, column)


def _poolings(runs: Sequence[LoadedRun], leaderboard: pd.DataFrame) -> list[str]:
    """Return the poolings there are, the leaderboard's first first; that of models without tokens only if alone."""
    ranked = list(leaderboard["pooling"].astype(str)) if "pooling" in leaderboard.columns else []
    named = [name for name in dict.fromkeys([*ranked, *sorted({run.pooling for run in runs})]) if name != NO_POOLING]
    return named or [NO_POOLING]


def _place(drawn_by: str) -> int:
    """Return where a projection's columns stand: t-SNE, UMAP, PCA, then all others."""
    known = [*PROJECTIONS.values()]
    return next((place for place, name in enumerate(known) if drawn_by.startswith(name)), len(known))


def title(run: LoadedRun) -> str:
    """Return a run's name: model · pooling · projection · seed."""
    projection = run.record.projection
    name = PROJECTIONS.get(str(projection["name"]), str(projection["name"]))
    return f"{run.model} · {run.pooling} · {name} · seed {projection['seed']}"


def _drawn_by(run: LoadedRun, runs: Sequence[LoadedRun]) -> tuple[str, int]:
    """Return the projection with those parameters that differ among the runs drawn by it, and the seed."""
    projection = run.record.projection
    name = str(projection["name"])
    alike = [_requested(other) for other in runs if other.record.projection["name"] == name]
    own = _requested(run)
    varying = [key for key in sorted(own) if len({repr(parameters.get(key)) for parameters in alike}) > 1]
    shown = " ".join([PROJECTIONS.get(name, name), *(f"{key} {own[key]}" for key in varying)])
    return shown, int(projection["seed"])


def _requested(run: LoadedRun) -> dict[str, object]:
    """The projection's parameters as requested: its effective ones hold results (a final loss) besides."""
    requested = run.record.settings.get("projection")
    kept = requested.items() if isinstance(requested, Mapping) else ()
    return {str(key): value for key, value in kept if key not in {"name", "_target_"}}


def aligned(points: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn and, where that fits better, mirror (N, 2) points towards the reference (orthogonal Procrustes).

    Never stretched: distances within a map stay as its projection made them.
    """
    centred = points - points.mean(axis=0)
    left, _, right = np.linalg.svd(centred.T @ (reference - reference.mean(axis=0)))
    return np.asarray(centred @ left @ right)


def quantised(points: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return (N, 2) integers 0 … `most`, both axes to one scale, y pointing down as on a screen."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max())
    scaled = (points - (low + high) / 2) / (reach if reach > 0 else 1.0) + 0.5
    scaled[:, 1] = 1 - scaled[:, 1]
    return np.asarray(np.clip(np.rint(scaled * most), 0, most).astype(np.int64))


def hull(points: NDArray[np.int64]) -> list[int]:
    """Return the corners of the convex hull as x0, y0, x1, y1, …: two for collinear points, one for equal ones."""
    import shapely

    shape = shapely.MultiPoint(points.astype(np.float64)).convex_hull
    corners = shapely.get_coordinates(shape)
    if shape.geom_type == "Polygon":
        corners = corners[:-1]
    return [int(value) for value in corners.ravel()]
