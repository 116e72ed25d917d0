"""Which topic is taken for which: a matrix of shares, true topic down, taken topic across."""

from __future__ import annotations

from collections.abc import Sequence
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

__all__ = ["NUMBERED", "SHOWN", "draw", "most_confused", "neighbour_votes"]

UPRIGHT = 6
"""Of more topics than this, the names above the matrix stand upright."""

NUMBERED = 14
"""Up to this many topics, each cell bears its share."""

SHOWN = 40
"""Of more topics than this, those most often confused are drawn."""


def neighbour_votes(texts: pd.DataFrame, k: int = 5) -> pd.DataFrame:
    """Return the shares in which each topic's texts have neighbours of each topic.

    Parameters
    ----------
    texts
        One row a text, with ``label`` and ``neighbours`` (row numbers of the nearest other texts, nearest first).
    k
        How many of the nearest count.

    Returns
    -------
    pandas.DataFrame
        (labels, labels) shares, names sorted on both axes; each row sums to 1.
    """
    import pandas as pd

    names, codes = np.unique(texts["label"].astype(str).to_numpy(dtype=object), return_inverse=True)
    nearest = np.stack([np.asarray(row)[:k] for row in texts["neighbours"]]).astype(np.int64)
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (np.repeat(codes, nearest.shape[1]), codes[nearest].ravel()), 1.0)
    return pd.DataFrame(counts / counts.sum(axis=1, keepdims=True), index=names, columns=names)


def most_confused(shares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return, ascending, the codes of the `count` topics that give or take the largest shares of confusion."""
    off = shares - np.diag(np.diag(shares))
    weight = np.maximum(off.max(axis=0), off.max(axis=1))
    return np.sort(np.argsort(-weight, kind="stable")[:count])


def draw(
    record: Record,
    shares: pd.DataFrame,
    *,
    meaning: str = "share of the 5 nearest texts",
    theme: palette.Theme = "light",
    out_png: Path,
    out_svg: Path,
) -> None:
    """Draw the matrix of which topic is taken for which.

    Parameters
    ----------
    record
        The evaluation, for the caption.
    shares
        (labels, labels), the same names in the same order on both axes; row = true topic, rows sum to 1.
    meaning
        What a cell is, for the caption.
    theme
        ``light`` or ``dark``.
    out_png, out_svg
        Where the two files are written.
    """
    kept = most_confused(shares.to_numpy(dtype=np.float64), SHOWN)
    with style.applied(theme):
        drawn = _drawn(record, shares, kept, meaning, theme)
        style.save(drawn, out_png, out_svg)


def _drawn(record: Record, shares: pd.DataFrame, kept: NDArray[np.int64], meaning: str, theme: palette.Theme) -> Figure:
    total, count = len(shares), len(kept)
    names = [style.clean(str(name), 26) for name in shares.index[kept]]
    font = 9.0 if count <= NUMBERED else 7.5
    margin = 0.25 + _widest(names, font)
    side = max(2.6, (0.48 if count <= NUMBERED else 0.2) * count)
    above = margin if count > UPRIGHT else 0.25 + 0.8 * margin  # upright names, or slanting ones
    wide, high = max(side + margin + 0.35, 5.6), side + above + 0.7
    drawn = style.figure(wide, high, theme)
    axes = drawn.add_axes((margin / wide, 0.62 / high, side / wide, side / high))
    _cells(axes, shares.to_numpy(dtype=np.float64)[np.ix_(kept, kept)], theme)
    inks = [palette.inks(total, theme)[code] for code in kept]
    axes.set_xticks(
        range(count), names, rotation=90 if count > UPRIGHT else 35, ha="center" if count > UPRIGHT else "left"
    )
    axes.set_yticks(range(count), names)
    axes.tick_params(length=0, labelsize=font, top=True, labeltop=True, bottom=False, labelbottom=False, pad=3)
    for label, ink in zip([*axes.get_xticklabels(), *axes.get_yticklabels()], [*inks, *inks], strict=True):
        label.set_color(ink)
    _caption(drawn, record, total, count, meaning, high, theme)
    return drawn


def _widest(names: Sequence[str], font: float) -> float:
    """Inches that the widest name takes, in the fonts that it is drawn with."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    renderer = RendererAgg(1, 1, style.DPI)  # type: ignore[no-untyped-call]
    properties = FontProperties(size=font)
    widths = [renderer.get_text_width_height_descent(name, properties, ismath=False)[0] for name in names]  # type: ignore[no-untyped-call]
    return float(max(widths)) / style.DPI


def _cells(axes: Axes, shares: NDArray[np.float64], theme: palette.Theme) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    from evalkit.plots.outlines import OutlinedText

    ground = palette.ground(theme)
    strong = "#23508f" if theme == "light" else "#8fb4ff"
    ramp = LinearSegmentedColormap.from_list("share", [ground.paper, strong])
    axes.imshow(shares, cmap=ramp, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    edges, last = np.arange(len(shares) + 1) - 0.5, len(shares) - 0.5
    grid = [((-0.5, edge), (last, edge)) for edge in edges] + [((edge, -0.5), (edge, last)) for edge in edges]
    axes.add_collection(LineCollection(grid, colors=ground.line, linewidths=0.4), autolim=False)
    if len(shares) > NUMBERED:
        return
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = ground.paper if share > 0.5 else ground.text
            written = f"{100 * share:.0f}"
            axes.add_artist(OutlinedText((column, row), written, 8.5, colour))


def _caption(
    drawn: Figure, record: Record, total: int, count: int, meaning: str, high: float, theme: palette.Theme
) -> None:
    from evalkit.plots.outlines import OutlinedText

    subject = style.model_name(record.encoder)
    if record.encoder["pooling"] != "none":
        subject += f" · {record.encoder['pooling']} pooling"
    reading = f"Row: the text's topic. Column: the topic it is taken for ({meaning}, in %)."
    if count < total:
        reading += f" The {count} most confused of {total} topics."
    wide = drawn.get_figwidth()
    colour, where = palette.ground(theme).text, drawn.transFigure
    for text, height, size, bold in ((style.clean(subject, int(wide * 14)), 0.40, 9.0, True),
                                     (style.clean(reading, int(wide * 19)), 0.18, 7.5, False)):  # fmt: skip
        drawn.add_artist(
            OutlinedText((0.12 / wide, height / high), text, size, colour, bold=bold, align=0.0, transform=where)
        )
