"""What a canvas is made of: shapes with a place in pixels (the origin at the lower left, y upwards) and an ink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from numpy.typing import NDArray

from evalkit.plots import style
from evalkit.plots.outlines import Outline, outline

__all__ = [
    "POINT", "Dots", "Element", "Ink", "Line", "Pictured", "Raster", "Shape", "Washes",
    "frame", "marker", "polygon", "rounded",
]  # fmt: skip

POINT = style.DPI / 72
"""Pixels."""

_CURVE = Path.CURVE3


@dataclass(frozen=True, slots=True)
class Ink:
    """A hex colour and its opacity in 0 … 1."""

    colour: str
    alpha: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A shape, filled or with an edge of `width` points, or both."""

    path: Path
    fill: Ink | None = None
    edge: Ink | None = None
    width: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Washes:
    """Convex polygons, faintly filled, the lowest things on the paper, whose colour they must know (`washes`)."""

    areas: tuple[NDArray[np.float64], ...]
    fills: tuple[Ink, ...]
    paper: str


@dataclass(frozen=True, slots=True, eq=False)
class Dots:
    """One shape (round the origin, in pixels) at each of (n, 2) places."""

    shape: Path
    places: NDArray[np.float64]
    fill: Ink
    edge: Ink | None = None
    width: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Pictured:
    """Dots so many that an SVG bears a picture of them: as shapes they would make it slow to open."""

    dots: tuple[Dots, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """An (height, width, 4) uint8 RGBA picture, first row at the top, its lower left at a whole pixel."""

    pixels: NDArray[np.uint8]
    left: int
    bottom: int


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line of text; `corner` is the lower left of the box that it takes up."""

    text: str
    outline: Outline
    corner: tuple[float, float]
    colour: str
    bold: bool = False

    @classmethod
    def at(
        cls,
        place: tuple[float, float],
        text: str,
        size: float,
        colour: str,
        *,
        bold: bool = False,
        align: float = 0.5,
    ) -> Line:
        """Write `text` in `size` points, its middle at `place`; with `align` 0 the middle of its left edge."""
        shape = outline(text, size, bold)
        corner = (place[0] - align * shape.width * POINT, place[1] - shape.height * POINT / 2)
        return cls(text, shape, corner, colour, bold)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top."""
        left, bottom = self.corner
        return left, bottom, left + self.outline.width * POINT, bottom + self.outline.height * POINT


Element = Shape | Washes | Dots | Pictured | Raster | Line


def polygon(points: NDArray[np.float64] | Sequence[tuple[float, float]], *, closed: bool = True) -> Path:
    """The (n, 2) corners as a path; of a closed one the first corner may stand at the end again."""
    corners = np.asarray(points, dtype=np.float64)
    if not closed:
        return Path(corners)
    if len(corners) > 1 and (corners[0] == corners[-1]).all():
        corners = corners[:-1]
    codes = np.full(len(corners) + 1, Path.LINETO, dtype=Path.code_type)
    codes[0], codes[-1] = Path.MOVETO, Path.CLOSEPOLY
    return Path(np.vstack([corners, corners[:1]]), codes)


def frame(box: tuple[float, float, float, float]) -> Path:
    """The rectangle of left, bottom, right and top."""
    left, bottom, right, top = box
    return polygon([(left, bottom), (left, top), (right, top), (right, bottom)])


def rounded(box: tuple[float, float, float, float], beyond: float) -> Path:
    """A plate that reaches `beyond` the box on all sides, its corners rounded by as much."""
    left, bottom, right, top = box
    low, high = (left - beyond, bottom - beyond), (right + beyond, top + beyond)
    points = (
        (left, low[1]), (right, low[1]), (high[0], low[1]), (high[0], bottom), (high[0], top), high, (right, high[1]),
        (left, high[1]), (low[0], high[1]), (low[0], top), (low[0], bottom), low, (left, low[1]), (left, low[1]),
    )  # fmt: skip
    corner = (Path.LINETO, _CURVE, _CURVE)
    return Path(points, (Path.MOVETO, *corner, *corner, *corner, *corner, Path.CLOSEPOLY))


@lru_cache(maxsize=32)
def marker(name: str, size: float) -> Path:
    """The shape of a matplotlib marker, round the origin; `size` as scatter takes it, its square in points."""
    style_of = MarkerStyle(name)
    shape = style_of.get_path().transformed(style_of.get_transform())
    return Path(shape.vertices * (np.sqrt(size) * POINT), shape.codes)
