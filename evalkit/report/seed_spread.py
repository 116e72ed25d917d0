"""How much a map depends on its seed: the same vectors, projected again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit.report.load_runs import LoadedRun, unique

__all__ = ["MAP_SCORES", "PROCRUSTES", "seed_spread"]

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

COLUMNS = ["model", "pooling", "projection", "score", "runs", "mean", "spread", "lowest", "highest"]


def seed_spread(runs: Sequence[LoadedRun]) -> pd.DataFrame:
    """Return the spread of the map scores over the seeds of a model's projection.

    Returns
    -------
    DataFrame
        model, pooling, projection, score, runs, mean, spread (standard deviation), lowest, highest; the last
        row of each group is the Procrustes distance over pairs of seeds. Empty where no projection was drawn twice.
    """
    groups: dict[tuple[str, str, str], list[LoadedRun]] = {}
    for run in unique(runs):
        groups.setdefault((run.model, run.pooling, str(run.record.projection["name"])), []).append(run)
    rows = []
    for key, group in groups.items():
        if len(group) < 2:
            continue
        values = {name: [s.value for run in group if (s := run.score(name)) is not None] for name in MAP_SCORES}
        values[PROCRUSTES] = list(_distances(group))
        for name, found in values.items():
            known = [value for value in found if value is not None]
            if known:
                spread = float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")
                rows.append((*key, name, len(known), float(np.mean(known)), spread, min(known), max(known)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _distances(runs: Sequence[LoadedRun]) -> list[float]:
    """Procrustes distance of every two maps."""
    from scipy.spatial import procrustes

    points = [run.texts[["x", "y"]].to_numpy(dtype=float) for run in runs]
    return [float(procrustes(a, b)[2]) for a, b in itertools.combinations(points, 2)]
