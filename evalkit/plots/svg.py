"""A canvas' shapes as SVG. Equal letters and dots are defined once and used by name: a quarter of the size."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache, singledispatchmethod

import numpy as np
from matplotlib.path import Path
from numpy.typing import ArrayLike, NDArray

from evalkit.plots import pixels, png, style
from evalkit.plots.outlines import EM, Glyph
from evalkit.plots.shapes import POINT, Dots, Element, Ink, Line, Pictured, Raster, Shape, Washes, polygon

__all__ = ["document"]

_LETTERS = {Path.MOVETO: ("M", 1), Path.LINETO: ("L", 1), Path.CURVE3: ("Q", 2), Path.CURVE4: ("C", 3)}
"""SVG's command for each of matplotlib's codes, and how many points it takes."""


def document(elements: Sequence[Element], size: tuple[int, int], paper: str) -> str:
    """Write elements as an SVG document, its units points.

    Parameters
    ----------
    elements
        The lowest first.
    size
        Width and height in pixels.
    paper
        Hex colour of the ground.
    """
    sheet = _Sheet(size)
    body = [line for element in elements for line in sheet.drawn(element)]
    width, height = (f"{side / POINT:g}" for side in size)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
            f'width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}">',
            "<defs>",
            *sheet.definitions,
            "</defs>",
            f'<rect width="{width}" height="{height}" fill="{paper}"/>',
            '<g fill="none" stroke-linejoin="round">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


class _Sheet:
    """Turns pixels, upwards, into points, downwards, and names what is used more than once."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._names: dict[str, str] = {}
        self._letters: dict[Glyph, str] = {}
        self.definitions: list[str] = []

    @singledispatchmethod
    def drawn(self, element: Element) -> list[str]:
        """The lines of an element."""
        raise NotImplementedError(type(element))

    @drawn.register
    def _(self, element: Shape) -> list[str]:
        commands = _commands(self._points(np.asarray(element.path.vertices)), element.path.codes)
        return [f'<path d="{commands}"{_inks(element)}/>']

    @drawn.register
    def _(self, element: Washes) -> list[str]:
        areas = zip(element.areas, element.fills, strict=True)
        return [line for area, ink in areas for line in self.drawn(Shape(polygon(area), ink))]

    @drawn.register
    def _(self, element: Dots) -> list[str]:
        points = _rounded(np.asarray(element.shape.vertices) * (1 / POINT, -1 / POINT))
        name = self._named(_commands(points, element.shape.codes))
        uses = [f'<use xlink:href="#{name}" x="{x:g}" y="{y:g}"/>' for x, y in self._points(element.places).tolist()]
        return [f"<g{_inks(element)}>", *uses, "</g>"]

    @drawn.register
    def _(self, element: Pictured) -> list[str]:
        picture = pixels.drawn(element.dots, self._size, None)
        seen = picture[..., 3] > 0
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if not len(rows):
            return []
        kept = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return self.drawn(Raster(kept, int(columns[0]), self._size[1] - int(rows[-1]) - 1))

    @drawn.register
    def _(self, element: Raster) -> list[str]:
        high, wide, _ = element.pixels.shape
        x, y = self._points(np.array([(element.left, element.bottom + high)]))[0]
        data = base64.b64encode(png.encoded(element.pixels, style.DPI)).decode("ascii")
        return [
            f'<image x="{x:g}" y="{y:g}" width="{wide / POINT:g}" height="{high / POINT:g}" '
            f'preserveAspectRatio="none" xlink:href="data:image/png;base64,{data}"/>'
        ]

    @drawn.register
    def _(self, element: Line) -> list[str]:
        shape = element.outline
        left, bottom = element.corner
        x, y = self._points(np.array([(left, bottom + shape.descent * POINT)]))[0]
        scale = shape.size / EM
        names = [self._letters.get(glyph) or self._letter(glyph) for glyph in shape.glyphs]
        uses = [
            f'<use xlink:href="#{name}" x="{across:g}" y="{up:g}"/>'
            if up
            else f'<use xlink:href="#{name}" x="{across:g}"/>'
            for name, (across, up) in zip(names, _rounded(shape.places).tolist(), strict=True)
        ]
        at = f'transform="matrix({scale:g} 0 0 {-scale:g} {x:g} {y:g})"'
        return [f'<g fill="{element.colour}" {at}>', *uses, "</g>"] if uses else []

    def _points(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        return _rounded((places * (1, -1) + (0, self._size[1])) / POINT)

    def _letter(self, glyph: Glyph) -> str:
        name = self._letters[glyph] = self._named(_letter(glyph))
        return name

    def _named(self, commands: str) -> str:
        """The name of a shape, which is defined when it is first asked for."""
        if commands not in self._names:
            self._names[commands] = f"s{len(self._names)}"
            self.definitions.append(f'<path id="{self._names[commands]}" d="{commands}"/>')
        return self._names[commands]


def _rounded(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(points, 2)


@lru_cache(maxsize=2048)
def _letter(glyph: Glyph) -> str:
    return _commands(np.round(glyph.points, 1), glyph.codes)  # of an em, which is 100


def _commands(points: NDArray[np.float64], codes: ArrayLike | None) -> str:
    """A path's drawing commands, its numbers as short as they are."""
    pairs = points.tolist()
    kinds = [Path.MOVETO] + [Path.LINETO] * (len(pairs) - 1) if codes is None else np.asarray(codes).tolist()
    parts, at = [], 0
    while at < len(pairs):
        if kinds[at] == Path.CLOSEPOLY:
            parts.append("Z")
            at += 1
            continue
        command, takes = _LETTERS[kinds[at]]
        parts.append(command + " ".join(f"{x:g} {y:g}" for x, y in pairs[at : at + takes]))
        at += takes
    return "".join(parts)


def _inks(element: Shape | Dots) -> str:
    """Attributes of fill and edge; no fill is what all shapes have without one."""
    parts = [] if element.fill is None else [_ink("fill", element.fill)]
    if element.edge is not None:
        parts.append(f'{_ink("stroke", element.edge)} stroke-width="{element.width:g}"')
    return "".join(f" {part}" for part in parts)


def _ink(name: str, ink: Ink) -> str:
    opacity = "" if ink.alpha == 1 else f' {name}-opacity="{ink.alpha:.3g}"'
    return f'{name}="{ink.colour}"{opacity}'
