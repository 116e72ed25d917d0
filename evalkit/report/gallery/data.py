"""The content of the gallery as one JSON value: texts stored once, coordinates and neighbours as packed integers."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.plots import caption, palette
from evalkit.plots import label_placement as placement
from evalkit.plots.map import WORDS
from evalkit.plots.style import projection_name
from evalkit.records import plain
from evalkit.report.gallery import grid as layout
from evalkit.report.load_runs import LoadedRun

BUDGET = 13_000_000  # bytes of texts, coordinates and neighbours above which a stated sample of the texts is shown
LONGEST_TEXT = 300  # characters kept of a text
NEIGHBOURS = 5  # nearest texts kept of a text
GRID = 65_535  # coordinates are stored as 0 … 65,535
FIELDS = (
    "space", "value", "best", "chance", "adjusted", "p_value", "ci_low", "ci_high", "higher_is_better", "ranks_models",
)  # fmt: skip


def payload(
    runs: Sequence[LoadedRun], tables: Mapping[str, pd.DataFrame], *, theme: str, rank_by: str, budget: int = BUDGET
) -> dict[str, Any]:
    """Return the content of the page as JSON values."""
    first = runs[0].texts
    names, codes = np.unique(first["label"].astype(str).to_numpy(dtype=object), return_inverse=True)
    texts = [text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…" for text in map(str, first["text"])]
    rows = _sample(codes, texts, runs, budget)
    plan = layout.arrange(runs, tables["leaderboard"])
    best = runs[plan.order[0]]
    seed = best.record.projection["seed"]
    reference = best.texts[["x", "y"]].to_numpy(dtype=np.float64)
    return {
        "corpus": plain(runs[0].record.corpus),
        "version": runs[0].record.evalkit_version,
        "theme": theme,
        "rankBy": rank_by,
        "shown": len(rows),
        "cut": LONGEST_TEXT,
        "labels": names.tolist(),
        "sizes": np.bincount(codes, minlength=len(names)).tolist(),
        "colours": {look: palette.colours(len(names), look) for look in palette.HUES},
        "inks": {look: palette.inks(len(names), look) for look in palette.HUES},
        "texts": [texts[row] for row in rows],
        "labelOf": packed(codes[rows], np.uint16),
        "models": plan.models,
        "columns": plan.columns,
        "alignedTo": " · ".join((best.model, best.pooling, projection_name(best.record), f"seed {seed}")),
        "runs": [_run(runs[i], codes, rows, reference, plan.column[i]) for i in plan.order],
        **{name: json_rows(table) for name, table in tables.items()},
    }


def packed(values: NDArray[Any], kind: type[np.unsignedinteger[Any]]) -> str:
    """Return integers as base64 of little-endian unsigned ones; the page reads them into a typed array."""
    limits = np.iinfo(kind)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        raise ValueError(f"values {values.min()} … {values.max()} do not fit {np.dtype(kind).name}")
    return base64.b64encode(values.astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode("ascii")


def json_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as a list of rows, missing and non-finite cells as None."""
    rows: list[dict[str, Any]] = plain(frame.astype(object).where(frame.notna(), None).to_dict("records"))
    return rows


def _sample(
    codes: NDArray[np.int64], texts: Sequence[str], runs: Sequence[LoadedRun], budget: int
) -> NDArray[np.int64]:
    """The texts to show, ascending: all, or every m-th of each label where all would exceed the budget."""
    n = len(texts)
    wide = 2 if n <= GRID else 4
    each = 4 / 3 * (4 + NEIGHBOURS * wide) * len(runs) + 4
    step = (sum(len(text.encode()) for text in texts) + each * n) / budget
    if step <= 1:
        return np.arange(n)
    kept = []
    for code in range(int(codes.max()) + 1):
        members = np.flatnonzero(codes == code)
        count = max(1, int(len(members) / step))
        kept.append(members[np.linspace(0, len(members) - 1, count).round().astype(np.int64)])
    return np.sort(np.concatenate(kept))


def _run(
    run: LoadedRun, codes: NDArray[np.int64], rows: NDArray[np.int64], reference: NDArray[np.float64], column: str
) -> dict[str, Any]:
    """A run's map, scores and neighbour lists."""
    record = run.record
    points = run.texts[["x", "y"]].to_numpy(dtype=np.float64)
    plane = layout.quantised(layout.aligned(points, reference), GRID)
    hearts = placement.anchors(plane.astype(np.float64), codes, few=len(points) <= WORDS)
    return {
        "folder": "/".join(run.folder.parts[-2:]),  # a page that is passed on must not show this machine's folders
        "model": run.model,
        "pooling": run.pooling,
        "projection": projection_name(record),
        "seed": plain(record.projection["seed"]),
        "column": column,
        "revision": str(record.encoder.get("revision", "")),
        "stamp": caption.stamp(record),
        "warnings": list(record.warnings),
        "xy": packed(plane[rows].ravel(), np.uint16),
        "hulls": [layout.hull(plane[codes == code]) for code in range(len(hearts))],
        "hearts": np.rint(hearts).astype(int).tolist(),
        "near": _near(run.texts, rows),
        "scores": {score.name: {field: plain(getattr(score, field)) for field in FIELDS} for score in record.scores},
        "queries": plain(list(record.queries)),
    }


def _near(texts: pd.DataFrame, rows: NDArray[np.int64]) -> Mapping[str, Any] | None:
    """The nearest texts of the shown texts, as positions among the shown; those not shown are left out."""
    if "neighbours" not in texts:
        return None
    nearest = np.stack([np.asarray(row, dtype=np.int64)[:NEIGHBOURS] for row in texts["neighbours"].iloc[rows]])
    place = np.full(len(texts), len(rows), dtype=np.int64)  # len(rows) stands for "not shown"
    place[rows] = np.arange(len(rows))
    kind = np.uint16 if len(rows) <= GRID else np.uint32
    return {"k": nearest.shape[1], "of": packed(place[nearest].ravel(), kind), "wide": np.dtype(kind).itemsize}
