"""How much of a map is its seed's: the same vectors, drawn again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit.report.load_runs import RunView, unique

__all__ = ["MAP_SCORES", "PROCRUSTES", "replicates"]

MAP_SCORES = (
    "map/silhouette",
    "map/centroid_accuracy",
    "map/neighbourhood_hit_at_5",
    "hulls/overlap",
    "faithfulness/trustworthiness_at_10",
    "faithfulness/label_continuity",
)

PROCRUSTES = "procrustes distance between two seeds"
"""0: the same picture up to turning, mirroring and size; 1: nothing in common."""


def replicates(views: Sequence[RunView]) -> pd.DataFrame:
    """Spread of the map scores over the seeds of a model's projection.

    Returns
    -------
    DataFrame
        model, pooling, projection, score, runs, mean, spread (standard deviation), lowest, highest; the last
        row of each group is the Procrustes distance over pairs of seeds, where there are two. Empty
        where no projection was drawn twice.
    """
    groups: dict[tuple[str, str, str], list[RunView]] = {}
    for view in unique(views):
        groups.setdefault((view.model, view.pooling, str(view.record.projection["name"])), []).append(view)
    rows = []
    for key, runs in groups.items():
        if len(runs) < 2:
            continue
        for name in MAP_SCORES:
            found = [s.value for run in runs if (s := run.score(name)) is not None and s.value is not None]
            if found:
                rows.append(_row(key, name, found))
        rows.append(_row(key, PROCRUSTES, _distances(runs)))
    return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = ["model", "pooling", "projection", "score", "runs", "mean", "spread", "lowest", "highest"]


def _row(key: tuple[str, str, str], name: str, values: Sequence[float]) -> dict[str, object]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    figures = (*key, name, len(values), float(np.mean(values)), spread, min(values), max(values))
    return dict(zip(COLUMNS, figures, strict=True))


def _distances(runs: Sequence[RunView]) -> list[float]:
    from scipy.spatial import procrustes

    points = [run.texts[["x", "y"]].to_numpy(dtype=float) for run in runs]
    return [float(procrustes(a, b)[2]) for a, b in itertools.combinations(points, 2)]
