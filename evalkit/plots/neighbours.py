"""The queries' nearest texts, as bars of similarity coloured by topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.plots import palette, style
from evalkit.types import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SHOWN", "draw"]

SHOWN = 12
"""So many queries are drawn; neighbours.csv and the gallery hold all."""

_COLUMNS = 3
_LONGEST = 60  # characters of a query or text, before it is cut to the panel's width
_LEGEND = 12
_PANEL, _LONE, _GAP = 3.0, 5.6, 0.26  # inches: width of a panel among others and of a lone one, and between panels
_TITLE, _BAR = 0.45, 0.24  # inches: height of a query and of a bar


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
    colours = dict(zip(label_names, palette.colours(len(label_names), theme), strict=True))
    with style.applied(theme):
        style.save(_figure(record, colours, theme), out_png, out_svg, tight=True)


def _figure(record: Record, colours: Mapping[str, str], theme: palette.Theme) -> Figure:
    """A grid of panels, the legend of topics and the caption under them."""
    queries = record.queries[:SHOWN]
    columns = min(_COLUMNS, len(queries))
    rows = -(-len(queries) // columns)
    depth = max(len(query["neighbours"]) for query in queries)
    bars = _BAR * depth
    panel = _PANEL if columns > 1 else _LONE
    wide, high = columns * (panel + _GAP) - _GAP, rows * (bars + _TITLE)
    drawn = style.figure(wide, high, theme)
    for position, query in enumerate(queries):
        row, column = divmod(position, columns)
        left, bottom = column * (panel + _GAP), high - (row + 1) * (bars + _TITLE)
        axes = drawn.add_axes((left / wide, bottom / high, panel / wide, bars / high))
        _draw_panel(axes, query, colours, depth, theme)
    _write_foot(drawn, record, queries, colours, theme)
    return drawn


def _draw_panel(
    axes: Axes, query: Mapping[str, Any], colours: Mapping[str, str], depth: int, theme: palette.Theme
) -> None:
    """A query and its nearest texts."""
    ground = palette.ground(theme)
    axes.set(xlim=(0, 1), ylim=(depth - 0.5, -0.5))
    axes.axis("off")
    width = axes.bbox.width
    title = axes.text(
        0, -0.5 - 0.12 / _BAR, style.clean(str(query["query"]), _LONGEST), fontsize=10.5, weight="bold", va="center"
    )
    style.shorten(title, width)
    near = query["neighbours"]
    ranks = np.arange(len(near))
    similarities = [float(neighbour["similarity"]) for neighbour in near]
    shades = [colours[str(neighbour["label"])] for neighbour in near]
    thick = 0.82 * _BAR * 72  # points
    axes.hlines(ranks, 0, 1, colors=ground.line, alpha=0.35, linewidth=thick)
    axes.hlines(ranks, 0, np.clip(similarities, 0, 1), colors=shades, alpha=0.38, linewidth=thick)
    axes.hlines(ranks, 0, 0.014, colors=shades, linewidth=thick)
    for rank, (neighbour, similarity) in enumerate(zip(near, similarities, strict=True)):
        value = axes.text(
            0.985, rank, style.number(similarity), fontsize=8.0, color=ground.faint, ha="right", va="center_baseline"
        )
        text = axes.text(0.03, rank, style.clean(str(neighbour["text"]), _LONGEST), fontsize=8.5, va="center_baseline")
        style.shorten(text, 0.94 * width - value.get_window_extent().width)


def _write_foot(
    drawn: Figure,
    record: Record,
    queries: Sequence[Mapping[str, Any]],
    colours: Mapping[str, str],
    theme: palette.Theme,
) -> None:
    """Write under the panels which colour is which topic, and the caption."""
    from matplotlib.patches import Patch

    shown = {str(neighbour["label"]) for query in queries for neighbour in query["neighbours"]}
    names = [name for name in colours if name in shown][:_LEGEND]
    parts = [style.subject(record.encoder), "nearest texts by cosine, bars from 0 to 1, coloured by topic"]
    if len(record.queries) > len(queries):
        parts.append(f"{len(queries)} of {len(record.queries)} queries")
    legend = drawn.legend(
        handles=[Patch(color=colours[name], label=style.clean(name, 18)) for name in names],
        loc="upper left", bbox_to_anchor=(0, -0.28 / drawn.get_figheight()), ncols=int(drawn.get_figwidth() / 1.6),
        fontsize=8.0, frameon=False, borderpad=0, handlelength=0.9, handleheight=0.9, columnspacing=1.4,
        borderaxespad=0,
    )  # fmt: skip
    below = legend.get_window_extent().y0 / style.DPI - 0.2
    caption = drawn.text(
        0, below / drawn.get_figheight(), style.clean(" · ".join(parts), 400), fontsize=8.0,
        color=palette.ground(theme).faint, va="center",
    )  # fmt: skip
    style.shorten(caption, drawn.get_figwidth() * style.DPI)
