"""The queries' nearest texts, as bars of similarity coloured by topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.plots import palette, style
from evalkit.types import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from evalkit.plots.outlines import OutlinedText

__all__ = ["SHOWN", "draw"]

SHOWN = 12
"""So many queries are drawn; neighbours.csv and the gallery hold all."""

_COLUMNS = 3
_LONGEST = 34
_LEGEND = 12
_MARGIN = 0.13  # inches: where the first panel begins


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
    bars = _Bars(drawn)
    for position, query in enumerate(queries):
        row, column = divmod(position, columns)
        left, bottom = wide * (column + 0.04) / columns, foot + panel * (rows - 1 - row) + 0.08
        _panel(bars, (left, bottom, 0.92 * wide / columns, panel - 0.45), query, code, depth, theme)
    _foot(bars, record, queries, code, theme)
    bars.draw()
    return drawn


class _Bars:
    """Bars and words on a figure, in inches: axes, which have no scale here, would take longer than all they hold."""

    def __init__(self, drawn: Figure) -> None:
        self.figure = drawn
        self._boxes: list[tuple[tuple[float, float], ...]] = []
        self._colours: list[tuple[float, ...]] = []

    def add(self, left: float, middle: float, width: float, height: float, colour: str, alpha: float = 1.0) -> None:
        """A bar; the later ones lie upon the earlier."""
        from matplotlib.colors import to_rgba

        low, high, right = middle - height / 2, middle + height / 2, left + width
        self._boxes.append(((left, low), (right, low), (right, high), (left, high)))
        self._colours.append(to_rgba(colour, alpha))

    def write(
        self, place: tuple[float, float], text: str, size: float, colour: str, *, bold: bool = False, align: float = 0.0
    ) -> OutlinedText:
        """A line of text."""
        from evalkit.plots.outlines import OutlinedText

        where = self.figure.dpi_scale_trans
        line = OutlinedText(place, text, size, colour, bold=bold, align=align, transform=where)
        self.figure.add_artist(line)
        return line

    def draw(self) -> None:
        """Put the bars on the figure."""
        from matplotlib.collections import PolyCollection

        shades = PolyCollection(self._boxes, facecolors=self._colours, linewidths=0)
        shades.set_transform(self.figure.dpi_scale_trans)
        self.figure.add_artist(shades)


def _panel(
    bars: _Bars,
    place: tuple[float, float, float, float],
    query: Mapping[str, Any],
    code: Mapping[str, int],
    depth: int,
    theme: palette.Theme,
) -> None:
    """A query and its nearest texts; place is left, bottom, width and height of the bars."""
    colours, ground = palette.colours(len(code), theme), palette.ground(theme)
    left, bottom, width, height = place
    step = height / depth
    asked = style.clean(str(query["query"]), _LONGEST)
    bars.write((left, bottom + height + 0.12), asked, 10.5, ground.text, bold=True)
    for rank, neighbour in enumerate(query["neighbours"]):
        middle, similarity = bottom + height - (rank + 0.5) * step, float(neighbour["similarity"])
        shade = colours[code[str(neighbour["label"])]]
        bars.add(left, middle, width, 0.82 * step, ground.line, 0.35)
        bars.add(left, middle, width * float(np.clip(similarity, 0, 1)), 0.82 * step, shade, 0.38)
        bars.add(left, middle, width * 0.014, 0.82 * step, shade)
        text = style.clean(str(neighbour["text"]), _LONGEST)
        bars.write((left + 0.03 * width, middle), text, 8.5, ground.text)
        bars.write((left + 0.985 * width, middle), style.number(similarity), 8.0, ground.faint, align=1.0)


def _foot(
    bars: _Bars,
    record: Record,
    queries: Sequence[Mapping[str, Any]],
    code: Mapping[str, int],
    theme: palette.Theme,
) -> None:
    """Which colour is which topic, and the caption."""
    colours, ground = palette.colours(len(code), theme), palette.ground(theme)
    named = sorted({str(n["label"]) for query in queries for n in query["neighbours"]}, key=code.__getitem__)
    wide, left, middle = bars.figure.get_figwidth(), _MARGIN, 0.42
    for name in named[:_LEGEND]:
        written = bars.write((left + 0.17, middle), style.clean(name, 18), 8.0, ground.text)
        reach = written.get_window_extent().width / style.DPI
        if left + 0.17 + reach > wide and middle > 0.4:  # a second row, no third
            left, middle = _MARGIN, 0.28
            written.set_position((left + 0.17, middle))
        bars.add(left, middle, 0.11, 0.11, colours[code[name]])
        left += 0.17 + reach + 0.16
    parts = [style.model_name(record.encoder)]
    if record.encoder["pooling"] != "none":
        parts.append(f"{record.encoder['pooling']} pooling")
    parts.append("nearest texts by cosine, bars from 0 to 1, coloured by topic")
    if len(record.queries) > len(queries):
        parts.append(f"{len(queries)} of {len(record.queries)} queries")
    bars.write((_MARGIN, 0.12), style.clean(" · ".join(parts), int(wide * 17)), 8.0, ground.faint)
