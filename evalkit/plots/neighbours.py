"""The queries' nearest texts, as bars of similarity coloured by topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.plots import palette, style
from evalkit.values import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SHOWN", "draw"]

SHOWN = 12
"""So many queries are drawn; neighbours.csv and the gallery hold all."""

_COLUMNS = 3
_LONGEST = 34
_LEGEND = 12


def draw(
    record: Record, label_names: Sequence[str], *, theme: palette.Theme = "light", out_png: Path, out_svg: Path
) -> None:
    """Draw one panel a query: its nearest texts, nearest first, bars as long as the cosine.

    Parameters
    ----------
    record
        The evaluation; `record.queries` must not be empty.
    label_names
        All label names of the corpus in sorted order, so that colours agree with the maps.
    theme
        ``light`` or ``dark``.
    out_png, out_svg
        Where the two files are written.

    Raises
    ------
    ValueError
        The record has no queries (the caller decides whether there is a picture to draw).
    """
    if not record.queries:
        raise ValueError("the record has no queries, so there is nothing to draw")
    with style.applied(theme):
        style.save(_drawn(record, label_names, theme), out_png, out_svg)


def _drawn(record: Record, label_names: Sequence[str], theme: palette.Theme) -> Figure:
    queries = record.queries[:SHOWN]
    columns = min(_COLUMNS, len(queries))
    rows = -(-len(queries) // columns)
    depth = max(len(query["neighbours"]) for query in queries)
    panel = 0.55 + 0.24 * depth
    wide, foot = 3.3 * columns if columns > 1 else 4.6, 0.72
    high = panel * rows + foot
    drawn = style.figure(wide, high, theme)
    code = {name: position for position, name in enumerate(label_names)}
    for position, query in enumerate(queries):
        row, column = divmod(position, columns)
        left = (column + 0.04) / columns
        bottom = (foot + panel * (rows - 1 - row) + 0.08) / high
        _panel(drawn, (left, bottom, 0.92 / columns, (panel - 0.45) / high), query, code, depth, theme)
    _foot(drawn, record, queries, code, theme)
    return drawn


def _panel(
    drawn: Figure,
    place: tuple[float, float, float, float],
    query: Mapping[str, Any],
    code: Mapping[str, int],
    depth: int,
    theme: palette.Theme,
) -> None:
    found = query["neighbours"]
    colours, ground = palette.colours(len(code), theme), palette.ground(theme)
    axes = drawn.add_axes(place)
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(depth - 0.5, -0.5)
    axes.set_title(style.clean(str(query["query"]), _LONGEST), loc="left", fontsize=10.5, weight="bold", pad=4)
    ranks = np.arange(len(found))
    lengths = np.clip([neighbour["similarity"] for neighbour in found], 0, 1)
    shades = [colours[code[str(neighbour["label"])]] for neighbour in found]
    axes.barh(ranks, np.ones(len(found)), height=0.82, color=ground.line, alpha=0.35, linewidth=0)
    axes.barh(ranks, lengths, height=0.82, color=shades, alpha=0.38, linewidth=0)
    axes.barh(ranks, np.full(len(found), 0.014), height=0.82, color=shades, linewidth=0)
    for rank, neighbour in enumerate(found):
        text = style.clean(str(neighbour["text"]), _LONGEST)
        axes.text(0.03, rank, text, fontsize=8.5, va="center", color=ground.text)
        similarity = style.number(float(neighbour["similarity"]))
        axes.text(0.985, rank, similarity, fontsize=8, va="center", ha="right", color=ground.faint)


def _foot(
    drawn: Figure,
    record: Record,
    queries: Sequence[Mapping[str, Any]],
    code: Mapping[str, int],
    theme: palette.Theme,
) -> None:
    from matplotlib.patches import Patch

    colours, ground = palette.colours(len(code), theme), palette.ground(theme)
    named = sorted({str(n["label"]) for query in queries for n in query["neighbours"]}, key=code.__getitem__)
    handles = [Patch(color=colours[code[name]], label=style.clean(name, 18)) for name in named[:_LEGEND]]
    wide, high = drawn.get_size_inches()
    drawn.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.005, 0.30 / high), frameon=False, fontsize=8,
        ncols=max(1, int(wide / 1.5)), handlelength=0.9, handleheight=0.9, columnspacing=1.1, borderpad=0.2,
    )  # fmt: skip
    parts = [style.model_name(record.encoder)]
    if record.encoder["pooling"] != "none":
        parts.append(f"{record.encoder['pooling']} pooling")
    parts.append("nearest texts by cosine, bars from 0 to 1, coloured by topic")
    if len(record.queries) > len(queries):
        parts.append(f"{len(queries)} of {len(record.queries)} queries")
    caption = style.clean(" · ".join(parts), int(wide * 17))
    drawn.text(0.012, 0.16 / high, caption, fontsize=8, color=ground.faint, va="center")
