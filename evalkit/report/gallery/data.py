"""The content of the gallery as one JSON value: texts stored once, coordinates and neighbours as packed integers."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.plots import caption, palette, style
from evalkit.plots import label_placement as placement
from evalkit.plots.map import WORDS
from evalkit.records import plain
from evalkit.report.gallery import grid as layout
from evalkit.report.load_runs import LoadedRun
from evalkit.types import Score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUDGET", "json_rows", "packed", "payload"]

BUDGET = 13_000_000
"""Bytes of embedded texts, coordinates and neighbours above which the gallery shows a stated sample of the texts."""

_LONGEST_TEXT = 300  # characters kept of a text
_NEIGHBOURS = 5  # nearest texts kept of a text
_GRID = 65_535  # coordinates are stored as 0 … 65,535


def payload(
    runs: Sequence[LoadedRun],
    leaderboard: pd.DataFrame,
    comparisons: pd.DataFrame,
    agreement: pd.DataFrame,
    topics: pd.DataFrame,
    *,
    theme: str,
    rank_by: str | None,
    budget: int = BUDGET,
) -> dict[str, Any]:
    """Return the content of the page as JSON values.

    Raises
    ------
    EvaluationError
        There is no run, or the runs are not of the same texts in the same order.
    """
    _check(runs)
    first = runs[0].texts
    names, codes = np.unique(first["label"].astype(str).to_numpy(dtype=object), return_inverse=True)
    texts = [_cut(str(text)) for text in first["text"]]
    rows = _sample(codes, texts, runs, budget)
    plan = layout.arrange(runs, leaderboard)
    reference = runs[plan.order[0]].texts[["x", "y"]].to_numpy(dtype=np.float64)
    themes: tuple[palette.Theme, ...] = ("light", "dark")
    return {
        "corpus": plain(runs[0].record.corpus),
        "version": runs[0].record.evalkit_version,
        "theme": theme,
        "rankBy": rank_by,
        "shown": len(rows),
        "cut": _LONGEST_TEXT,
        "labels": [str(name) for name in names],
        "sizes": np.bincount(codes, minlength=len(names)).tolist(),
        "colours": {kind: palette.colours(len(names), kind) for kind in themes},
        "inks": {kind: palette.inks(len(names), kind) for kind in themes},
        "texts": [texts[row] for row in rows],
        "labelOf": packed(codes[rows], np.uint16),
        "models": plan.models,
        "columns": plan.columns,
        "alignedTo": layout.title(runs[plan.order[0]]),
        "runs": [_run(runs[i], codes, rows, reference, plan.columns[plan.column[i]]) for i in plan.order],
        "leaderboard": json_rows(leaderboard),
        "comparisons": json_rows(comparisons),
        "agreement": json_rows(agreement),
        "topics": json_rows(topics),
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


def _check(runs: Sequence[LoadedRun]) -> None:
    if not runs:
        raise EvaluationError("the gallery needs at least one finished run, but got none; evaluate one first")
    first = runs[0]
    for run in runs[1:]:
        if not all(np.array_equal(run.texts[key].to_numpy(), first.texts[key].to_numpy()) for key in ("text", "label")):
            raise EvaluationError(
                f"the gallery compares maps of the same texts, but {run.folder} ({len(run.texts)} texts) and "
                f"{first.folder} ({len(first.texts)}) hold different ones; report them separately"
            )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _sample(
    codes: NDArray[np.int64], texts: Sequence[str], runs: Sequence[LoadedRun], budget: int
) -> NDArray[np.int64]:
    """Return, ascending, the texts to show: all, or every m-th of each label where all would exceed the budget."""
    n = len(texts)
    wide = 2 if n <= _GRID else 4
    each = 4 / 3 * (4 + _NEIGHBOURS * wide) * len(runs) + 4
    cost = sum(len(text.encode()) for text in texts) + each * n
    if cost <= budget:
        return np.arange(n)
    step = cost / budget
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
    plane = layout.quantised(layout.aligned(points, reference), _GRID)
    hearts = placement.anchors(plane.astype(np.float64), codes, few=len(points) <= WORDS)
    return {
        "folder": "/".join(run.folder.parts[-2:]),  # a page that is passed on must not show this machine's folders
        "model": run.model,
        "pooling": run.pooling,
        "projection": style.PROJECTIONS.get(str(record.projection["name"]), str(record.projection["name"])),
        "seed": plain(record.projection["seed"]),
        "column": column,
        "revision": str(record.encoder.get("revision", "")),
        "stamp": caption.stamp(record),
        "warnings": list(record.warnings),
        "xy": packed(plane[rows].ravel(), np.uint16),
        "hulls": [layout.hull(plane[codes == code]) for code in range(len(hearts))],
        "hearts": np.rint(hearts).astype(int).tolist(),
        "near": _near(run.texts, rows),
        "scores": {score.name: _score(score) for score in record.scores},
        "queries": plain(list(record.queries)),
    }


def _score(score: Score) -> dict[str, Any]:
    fields = ("space", "value", "best", "chance", "adjusted", "p_value", "ci_low", "ci_high", "higher_is_better")
    return {name: plain(getattr(score, name)) for name in (*fields, "ranks_models")}


def _near(texts: pd.DataFrame, rows: NDArray[np.int64]) -> Mapping[str, Any] | None:
    """Return the nearest texts of the shown texts, as positions among the shown; those not shown are left out."""
    if "neighbours" not in texts.columns:
        return None
    nearest = np.stack([np.asarray(row, dtype=np.int64)[:_NEIGHBOURS] for row in texts["neighbours"].iloc[rows]])
    place = np.full(len(texts), len(rows), dtype=np.int64)  # len(rows) stands for "not shown"
    place[rows] = np.arange(len(rows))
    kind = np.uint16 if len(rows) <= _GRID else np.uint32
    return {"k": nearest.shape[1], "of": packed(place[nearest].ravel(), kind), "wide": np.dtype(kind).itemsize}
