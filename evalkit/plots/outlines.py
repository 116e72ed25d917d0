"""Words drawn as filled outlines: laid out once a process, where matplotlib lays a text out anew four times a picture.

The pictures of a sweep bear the same words at other places. Measuring, drawing on pixels and writing as SVG each ask
the font for the same layout; that was more than half the time of drawing a small map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import BoxStyle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox

from evalkit.plots import style

__all__ = ["Outline", "OutlinedText", "Plate", "outline"]

DIGITS = 2
"""Decimals of a pixel that a glyph's points have: nobody sees more, and an SVG would hold six."""

IDENTITY = Affine2D()

LINE = "lp"
"""What every line has room for, as in matplotlib: words on one height have their middles on one height."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A text's filled shape, in points.

    Attributes
    ----------
    path
        The glyphs; the baseline begins at (0, 0).
    width, height, descent
        Of the line that the text takes up.
    """

    path: Path
    width: float
    height: float
    descent: float


@dataclass(frozen=True, slots=True)
class Plate:
    """What a name stands on, so that it can be read upon points and hulls."""

    colour: str
    alpha: float
    padding: float


@lru_cache(maxsize=4096)
def outline(text: str, size: float, bold: bool) -> Outline:
    """The outline of one line of text.

    Parameters
    ----------
    text
        One line; only glyphs that the fonts in use have (`style.clean`).
    size
        Points.
    bold
        Or upright.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=list(style.families()), weight="bold" if bold else "normal", size=size)
    vertices, codes = text_to_path.get_text_path(font, text)
    width, high, low = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    _, line_high, line_low = text_to_path.get_text_width_height_descent(LINE, font, ismath=False)
    descent = max(low, line_low)
    points = np.asarray(vertices, dtype=np.float64).reshape(-1, 2) * (size / text_to_path.FONT_SCALE)
    path = Path(points, codes) if len(codes) else Path([(0.0, 0.0)])  # of spaces alone
    return Outline(path, width, max(high - low, line_high - line_low) + descent, descent)


class OutlinedText(Text):
    """One upright line of text, its middle (or the middle of its left or right edge) upon its position.

    Parameters
    ----------
    place
        Position, in the coordinates of the artist's transform: data, or what `transform` says.
    text, size, bold
        As in `outline`.
    colour
        Of the glyphs.
    plate
        What it stands on, or None.
    align
        0: the left edge is upon the position, 0.5: the middle, 1: the right edge.
    """

    def __init__(
        self,
        place: tuple[float, float],
        text: str,
        size: float,
        colour: str,
        *,
        bold: bool = False,
        plate: Plate | None = None,
        align: float = 0.5,
        **properties: Any,
    ) -> None:
        super().__init__(*place, text, color=colour, va="center", **properties)
        self.set_fontsize(size)
        self.set_fontweight("bold" if bold else "normal")
        self._outline = outline(text, size, bold)
        self._size = size
        self._plate = plate
        self._align = align

    def draw(self, renderer: Any) -> None:
        """Fill the plate, if any, and the glyphs."""
        if not self.get_visible():
            return
        scale, shape = renderer.points_to_pixels(1.0), self._outline
        x, y = self._corner(scale)
        context = renderer.new_gc()
        context.set_linewidth(0.0)
        if self._plate is not None:
            box = BoxStyle.Round(pad=self._plate.padding)
            under = box(0.0, 0.0, shape.width, shape.height, self._size)
            context.set_alpha(self._plate.alpha)
            renderer.draw_path(context, under, Affine2D().scale(scale).translate(x, y), to_rgba(self._plate.colour))
            context.set_alpha(1.0)
        points = np.round(shape.path.vertices * scale + (x, y + shape.descent * scale), DIGITS)
        renderer.draw_path(context, Path(points, shape.path.codes), IDENTITY, to_rgba(self.get_color()))
        context.restore()
        self.stale = False

    def get_window_extent(self, renderer: Any = None, dpi: float | None = None) -> Bbox:
        """The box that the text takes up, without its plate, in pixels."""
        root = self.get_figure(root=True)
        assert root is not None
        scale = renderer.points_to_pixels(1.0) if renderer is not None else (dpi or root.dpi) / 72.0
        x, y = self._corner(scale)
        return Bbox.from_bounds(x, y, scale * self._outline.width, scale * self._outline.height)

    def _corner(self, scale: float) -> tuple[float, float]:
        """Lower left, in pixels."""
        x, y = self.get_transform().transform(self.get_position())
        left = x - scale * self._outline.width * self._align
        return float(left), float(y - scale * self._outline.height / 2)
