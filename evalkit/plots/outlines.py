"""Words drawn as filled outlines, composed of glyphs that are read from the fonts once a process.

matplotlib lays a text out anew four times a picture, at a millisecond or more each time; that was more than half the
time of drawing a small map. The texts of a sweep are new with each run, their letters are not: so glyphs and the
steps from one letter to the next are kept, and texts are put together from them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox, IdentityTransform
from numpy.typing import NDArray

from evalkit.plots import style

__all__ = ["EM", "Glyph", "Outline", "OutlinedText", "outline"]

EM = float(text_to_path.FONT_SCALE)
"""Units of a glyph's points and places that make the size of its text."""

LINE = "lp"
"""What every line has room for, as in matplotlib: words on one height have their middles on one height."""

KEPT = 512
"""Texts whose layout is kept: a corpus' words and names, which each picture of a sweep bears."""

_IDENTITY = IdentityTransform()


@dataclass(frozen=True, slots=True, eq=False)
class Glyph:
    """A letter's filled shape, one object for all its uses.

    Attributes
    ----------
    points, codes
        (n, 2) and (n,) of a path whose baseline begins at (0, 0); `EM` units are the size of the text.
    high, low
        Of its highest and lowest point.
    """

    points: NDArray[np.float64]
    codes: NDArray[np.uint8]
    high: float
    low: float


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A line of text: which glyphs stand where.

    Attributes
    ----------
    glyphs, places
        n glyphs (of spaces none) and the (n, 2) beginnings of their baselines, in units (`EM`).
    size, width, height, descent
        Of the text and of the line that it takes up, in points.
    """

    glyphs: tuple[Glyph, ...]
    places: NDArray[np.float64]
    size: float
    width: float
    height: float
    descent: float

    def path(self, scale: float = 1.0, corner: tuple[float, float] = (0.0, 0.0)) -> Path:
        """The glyphs as one shape, `scale` a point, the lower left of the line at `corner`."""
        if not self.glyphs:
            return Path([corner])
        points, codes = _shape(self)
        baseline = (corner[0], corner[1] + self.descent * scale)
        return Path(points * (self.size / EM * scale) + baseline, codes)


@lru_cache(maxsize=128)
def _shape(line: Outline) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """All glyphs of a line as one path, in units: the words of the last pictures, some 8 kB each."""
    points = np.concatenate([glyph.points for glyph in line.glyphs])
    points += np.repeat(line.places, [len(glyph.codes) for glyph in line.glyphs], axis=0)
    return points, np.concatenate([glyph.codes for glyph in line.glyphs])


@lru_cache(maxsize=KEPT)
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
    composed = _composed(text, bold)
    (glyphs, places), width = composed if composed is not None else (_laid(text, bold), _measured(text, bold))
    line_high, line_low = _line(bold)
    high = max([line_high, *(glyph.high for glyph in glyphs)])
    low = min([line_low, *(glyph.low for glyph in glyphs)])
    unit = size / EM
    inked = [row for row, glyph in enumerate(glyphs) if len(glyph.codes)]
    glyphs, places = tuple(glyphs[row] for row in inked), places[inked]
    return Outline(glyphs, places, size, width * unit, (high - low) * unit, -low * unit)


def _composed(text: str, bold: bool) -> tuple[_Laid, float] | None:
    """Lay out a text letter by letter, or return None: where letters join, change or stack, pairs do not suffice."""
    if not text or not all(_stands_alone(letter) for letter in text):
        return None
    steps = [_step(pair, bold) for pair in map("".join, pairwise(text))]
    if None in steps:
        return None
    places = np.zeros((len(text), 2))
    np.cumsum(np.array(steps, dtype=np.float64), out=places[1:, 0])
    return (tuple(_letter(letter, bold) for letter in text), places), float(places[-1, 0]) + _width(text[-1], bold)


def _stands_alone(letter: str) -> bool:
    """Whether a letter looks the same whatever stands around: Latin, punctuation, arrows and signs.

    Of one script only: what stands between two takes the kerning of one of them, which a pair does not tell.
    """
    code = ord(letter)
    return code < 0x250 or 0x2010 <= code < 0x2027 or 0x2190 <= code < 0x2300


@lru_cache(maxsize=2048)
def _letter(letter: str, bold: bool) -> Glyph:
    ((glyph,), _) = _laid(letter, bold)
    return glyph


@lru_cache(maxsize=8192)
def _step(pair: str, bold: bool) -> float | None:
    """From the beginning of the first letter to that of the second; None where the font has one glyph for both."""
    glyphs, places = _laid(pair, bold)
    if glyphs != (_letter(pair[0], bold), _letter(pair[1], bold)) or places[0].any() or places[1, 1]:
        return None
    return float(places[1, 0])


@lru_cache(maxsize=2)
def _line(bold: bool) -> tuple[float, float]:
    glyphs, _ = _laid(LINE, bold)
    return max(glyph.high for glyph in glyphs), min(glyph.low for glyph in glyphs)


# As matplotlib names them: by face and number. As many as the corpora of a process have letters.
_glyphs: OrderedDict[str, Glyph] = OrderedDict()

_Laid = tuple[tuple[Glyph, ...], NDArray[np.float64]]


def _laid(text: str, bold: bool) -> _Laid:
    """Glyphs and places as matplotlib lays a text out: with kerning, ligatures and the fallback fonts."""
    font: Any = get_font(list(_faces(bold)))
    font.set_size(EM, text_to_path.DPI)
    known: Any = _glyphs
    placed, new, _ = text_to_path.get_glyphs_with_font(font, text, known, return_new_glyphs_only=True)
    for name, (points, codes) in new.items():
        rows = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        heights = rows[:, 1] if len(rows) else np.zeros(1)
        marks = np.asarray(codes, dtype=np.uint8)
        _glyphs[name] = Glyph(rows, marks, float(heights.max()), float(heights.min()))
    places = np.array([(x, y) for _, x, y, _ in placed], dtype=np.float64).reshape(-1, 2)
    return tuple(_glyphs[name] for name, *_ in placed), places


@lru_cache(maxsize=2048)
def _width(letter: str, bold: bool) -> float:
    return _measured(letter, bold)


def _measured(text: str, bold: bool) -> float:
    font = FontProperties(family=list(style.families()), weight="bold" if bold else "normal", size=EM)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width


@lru_cache(maxsize=2)
def _faces(bold: bool) -> tuple[str, ...]:
    """Files of the fonts, the first first."""
    weight = "bold" if bold else "normal"
    return tuple(findfont(FontProperties(family=[family], weight=weight)) for family in style.families())


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
        align: float = 0.5,
        **properties: Any,
    ) -> None:
        super().__init__(*place, text, color=colour, va="center", **properties)
        self.set_fontsize(size)
        self.set_fontweight("bold" if bold else "normal")
        self._outline = outline(text, size, bold)
        self._align = align

    def draw(self, renderer: Any) -> None:
        """Fill the glyphs."""
        if not self.get_visible():
            return
        scale = renderer.points_to_pixels(1.0)
        context = renderer.new_gc()
        context.set_linewidth(0.0)
        shape = self._outline.path(scale, self._corner(scale))
        # Nobody sees more than hundredths of a pixel, and an SVG would hold six decimals.
        shape = Path(np.round(np.asarray(shape.vertices), 2), shape.codes)
        renderer.draw_path(context, shape, _IDENTITY, to_rgba(self.get_color()))
        context.restore()
        self.stale = False

    def get_window_extent(self, renderer: Any = None, dpi: float | None = None) -> Bbox:
        """The box that the text takes up, in pixels."""
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
