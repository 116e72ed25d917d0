"""Which topic is taken for which: a matrix of shares, true topics in rows, taken topics in columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.plots import palette, style
from evalkit.types import Record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 14  # up to this many topics, each cell bears its share
SHOWN = 40  # of more topics than this, only the most confused are drawn
UPRIGHT = 6  # of more topics than this, the names above the matrix stand upright
LONGEST_NAME = 34


def most_confused(shares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return, ascending, the codes of the `count` topics that give or take the largest shares of confusion."""
    off = shares - np.diag(np.diag(shares))
    weight = np.maximum(off.max(axis=0), off.max(axis=1))
    return np.sort(np.argsort(-weight, kind="stable")[:count])


def draw(record: Record, shares: pd.DataFrame, path: Path, theme: palette.Theme = "light") -> None:
    """Draw into `path`.png and .svg (labels, labels) shares of the 10 nearest texts, a true topic a row."""
    with style.applied(theme):
        style.save(_figure(record, shares, theme), path, tight=True)


def _figure(record: Record, shares: pd.DataFrame, theme: palette.Theme) -> Figure:
    """The matrix of the most confused topics with its caption."""
    matrix = shares.to_numpy(dtype=np.float64)
    kept = most_confused(matrix, SHOWN)
    count = len(kept)
    cell, font = (0.48, 9.0) if count <= NUMBERED else (0.2, 7.5)
    side = max(2.6, cell * count)
    drawn = style.figure(side, side, theme)
    axes = drawn.add_axes((0, 0, 1, 1))
    _draw_cells(axes, matrix[np.ix_(kept, kept)], theme)
    names = [style.clean(str(name), LONGEST_NAME) for name in shares.index[kept]]
    upright = count > UPRIGHT
    axes.set_xticks(np.arange(count) + 0.5, names, rotation=90 if upright else 35, ha="center" if upright else "left")
    axes.set_yticks(np.arange(count) + 0.5, names)
    axes.tick_params(length=0, labelsize=font, top=True, labeltop=True, bottom=False, labelbottom=False, pad=3)
    inks = palette.inks(len(shares), theme)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, code in zip(labels, kept, strict=True):
            label.set_color(inks[code])
    _write_caption(axes, record, len(shares), count)
    return drawn


def _draw_cells(axes: Axes, shares: NDArray[np.float64], theme: palette.Theme) -> None:
    """Colour the cells by share and, in a small matrix, write the shares in percent."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    ground = palette.GROUNDS[theme]
    strong = "#23508f" if theme == "light" else "#8fb4ff"
    ramp = LinearSegmentedColormap.from_list("share", [ground.paper, strong])
    axes.pcolormesh(shares, cmap=ramp, vmin=0, vmax=1, edgecolors=ground.line, linewidth=0.4)
    axes.set(xlim=(0, len(shares)), ylim=(len(shares), 0), aspect="equal")
    if len(shares) > NUMBERED:
        return
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            cell = to_hex(ramp(share))
            ink = max((ground.text, ground.paper), key=lambda ink: palette.contrast(ink, cell))
            text = axes.text(column + 0.5, row + 0.5, f"{100 * share:.0f}", fontsize=8.5, color=ink)
            text.set(ha="center", va="center")


def _write_caption(axes: Axes, record: Record, total: int, count: int) -> None:
    """Write under the matrix, from its row names' left edge on, what was drawn and how to read it."""
    reading = "Row: the text's topic. Column: the topic it is taken for (share of the 10 nearest texts, in %)."
    if count < total:
        reading += f" The {count} most confused of {total} topics."
    left = min(label.get_window_extent().x0 for label in axes.get_yticklabels()) * 72 / style.DPI
    for text, down, size, weight in ((style.subject(record.encoder), 14, 9.0, "bold"), (reading, 29, 7.5, "normal")):
        axes.annotate(
            style.clean(text, 200), (0, 0), (left, -down), xycoords="axes fraction", textcoords="offset points",
            fontsize=size, fontweight=weight, va="center",
        )  # fmt: skip
