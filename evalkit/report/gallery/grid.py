"""Place the maps in a grid, and turn them so that the eye can compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.plots.style import PROJECTIONS, projection_name
from evalkit.report.load_runs import NO_POOLING, LoadedRun


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows and columns of the small multiples."""

    order: list[int]  # positions of the runs, by row, then column; the first is what all maps are aligned to
    models: list[str]  # names of the rows, the leaderboard's first first
    columns: list[str]  # titles of the columns
    column: list[str]  # title of each run's column, in the runs' own order


def arrange(runs: Sequence[LoadedRun], leaderboard: pd.DataFrame) -> Plan:
    """Put models in rows and pooling, projection and seed in columns.

    What is the same in the whole sweep is left out of the columns: pooling where each model has only one,
    projection parameters where a projection has only one set of them.
    """
    models = list(dict.fromkeys([*leaderboard.get("model", ()), *sorted(run.model for run in runs)]))
    ranked = dict.fromkeys([*leaderboard.get("pooling", ()), *sorted(run.pooling for run in runs)])
    poolings = [name for name in ranked if name != NO_POOLING] or [NO_POOLING]
    by_pooling = len({(run.model, run.pooling) for run in runs}) > len({run.model for run in runs})

    def key(run: LoadedRun) -> tuple[int, int, str, int]:
        """Place of a column: by pooling, projection (t-SNE, UMAP, PCA, then others), parameters and seed."""
        # A model without tokens to pool stands beside the best pooling of the others, not in columns of its own.
        pooling = poolings.index(run.pooling) if by_pooling and run.pooling != NO_POOLING else 0
        name, known = str(run.record.projection["name"]), list(PROJECTIONS)
        place = known.index(name) if name in known else len(known)
        return pooling, place, _drawn_by(run, runs), int(run.record.projection["seed"])

    keys = [key(run) for run in runs]
    before = [f"{name} · " if by_pooling else "" for name in poolings]
    columns = {
        (pooling, place, drawn_by, seed): f"{before[pooling]}{drawn_by} · seed {seed}"
        for pooling, place, drawn_by, seed in sorted(set(keys))
    }
    order = sorted(range(len(runs)), key=lambda i: (models.index(runs[i].model), keys[i], str(runs[i].folder)))
    return Plan(order, models, list(columns.values()), [columns[key] for key in keys])


def _drawn_by(run: LoadedRun, runs: Sequence[LoadedRun]) -> str:
    """The projection, with those of its parameters that differ among the runs drawn by it."""

    def requested(run: LoadedRun) -> dict[str, object]:  # the effective ones hold results (a final loss) besides
        return dict(run.record.settings.get("projection", {}))

    alike = [requested(other) for other in runs if other.record.projection["name"] == run.record.projection["name"]]
    own = requested(run)
    varying = [key for key in sorted(own) if len({repr(parameters.get(key)) for parameters in alike}) > 1]
    return " ".join([projection_name(run.record), *(f"{key} {own[key]}" for key in varying)])


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
    reach = float((high - low).max()) or 1.0
    scaled = (points - (low + high) / 2) / reach * (1, -1) + 0.5
    return np.asarray(np.clip(np.rint(scaled * most), 0, most).astype(np.int64))


def hull(points: NDArray[np.int64]) -> list[int]:
    """Return the corners of the convex hull as x0, y0, x1, y1, …: two for collinear points, one for equal ones."""
    import shapely

    shape = shapely.MultiPoint(points.astype(np.float64)).convex_hull
    corners = shapely.get_coordinates(shape)[: -1 if shape.geom_type == "Polygon" else None]
    return [int(value) for value in corners.ravel()]
