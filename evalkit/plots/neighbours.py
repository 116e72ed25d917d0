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

SHOWN = 12  # so many queries are drawn; neighbours.csv and the gallery hold all
COLUMNS = 3
LONGEST = 60  # characters of a query or text, before it is cut to the panel's width
NAMED = 12  # topics in the legend
PANEL, LONE, GAP = 3.0, 5.6, 0.26  # inches: width of a panel among others and of a lone one, and between panels
TITLE, BAR = 0.45, 0.24  # inches: height of a query and of a bar


def draw(record: Record, label_names: Sequence[str], path: Path, theme: palette.Theme = "light") -> None:
    """Draw a panel a query into `path`.png and .svg: its nearest texts, nearest first, bars as long as the cosine.

    `label_names` are all of the corpus in sorted order, so that colours agree with the maps.
    """
    colours = dict(zip(label_names, palette.colours(len(label_names), theme), strict=True))
    with style.applied(theme):
        style.save(_figure(record, colours, theme), path, tight=True)


def _figure(record: Record, colours: Mapping[str, str], theme: palette.Theme) -> Figure:
    """A grid of panels, the legend of topics and the caption under them."""
    queries = record.queries[:SHOWN]
    columns = min(COLUMNS, len(queries))
    rows = -(-len(queries) // columns)
    depth = max(len(query["neighbours"]) for query in queries)
    panel, bars = PANEL if columns > 1 else LONE, BAR * depth
    wide, high = columns * (panel + GAP) - GAP, rows * (bars + TITLE)
    drawn = style.figure(wide, high, theme)
    for position, query in enumerate(queries):
        row, column = divmod(position, columns)
        left, bottom = column * (panel + GAP), high - (row + 1) * (bars + TITLE)
        axes = drawn.add_axes((left / wide, bottom / high, panel / wide, bars / high))
        axes.set(xlim=(0, 1), ylim=(depth - 0.5, -0.5))
        axes.axis("off")
        _draw_panel(axes, query, colours, palette.GROUNDS[theme])
    _write_foot(drawn, record, colours, theme)
    return drawn


def _draw_panel(axes: Axes, query: Mapping[str, Any], colours: Mapping[str, str], ground: palette.Ground) -> None:
    """A query and its nearest texts."""
    width, near = axes.bbox.width, query["neighbours"]
    query_text = style.clean(str(query["query"]), LONGEST)
    style.shorten(axes.text(0, -0.5 - 0.12 / BAR, query_text, fontsize=10.5, weight="bold", va="center"), width)
    ranks, similarities = np.arange(len(near)), [float(neighbour["similarity"]) for neighbour in near]
    shades = [colours[str(neighbour["label"])] for neighbour in near]
    thick = 0.82 * BAR * 72  # points
    axes.hlines(ranks, 0, 1, colors=ground.line, alpha=0.35, linewidth=thick)
    axes.hlines(ranks, 0, np.clip(similarities, 0, 1), colors=shades, alpha=0.38, linewidth=thick)
    axes.hlines(ranks, 0, 0.014, colors=shades, linewidth=thick)
    for rank, neighbour in enumerate(near):
        cosine, words = style.number(similarities[rank]), style.clean(str(neighbour["text"]), LONGEST)
        value = axes.text(0.985, rank, cosine, fontsize=8.0, color=ground.faint, ha="right", va="center_baseline")
        text = axes.text(0.03, rank, words, fontsize=8.5, va="center_baseline")
        style.shorten(text, 0.94 * width - value.get_window_extent().width)


def _write_foot(drawn: Figure, record: Record, colours: Mapping[str, str], theme: palette.Theme) -> None:
    """Write under the panels which colour is which topic, and the caption."""
    from matplotlib.patches import Patch

    queries = record.queries[:SHOWN]
    shown = {str(neighbour["label"]) for query in queries for neighbour in query["neighbours"]}
    names = [name for name in colours if name in shown][:NAMED]
    legend = drawn.legend(
        handles=[Patch(color=colours[name], label=style.clean(name, 18)) for name in names],
        loc="upper left", bbox_to_anchor=(0, -0.28 / drawn.get_figheight()), ncols=int(drawn.get_figwidth() / 1.6),
        fontsize=8.0, frameon=False, borderpad=0, handlelength=0.9, handleheight=0.9, columnspacing=1.4,
        borderaxespad=0,
    )  # fmt: skip
    caption = f"{style.subject(record.encoder)} · nearest texts by cosine, bars from 0 to 1, coloured by topic"
    if len(record.queries) > len(queries):
        caption += f" · {len(queries)} of {len(record.queries)} queries"
    below = (legend.get_window_extent().y0 / style.DPI - 0.2) / drawn.get_figheight()
    faint = palette.GROUNDS[theme].faint
    line = drawn.text(0, below, style.clean(caption, 400), fontsize=8.0, color=faint, va="center")
    style.shorten(line, drawn.get_figwidth() * style.DPI)
