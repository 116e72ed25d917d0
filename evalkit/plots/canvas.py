"""A picture as a list of shapes, written twice: as pixels by matplotlib's Agg, and as SVG.

matplotlib's figures, axes and artists are made for any picture; a map of thirty words took 100 ms in them, most of it
not for drawing. The shapes of a map are few in kind, so they go to Agg directly and to the SVG by hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.plots import pixels, png, style, svg
from evalkit.plots.shapes import Element

__all__ = ["Canvas"]


class Canvas:
    """A sheet of paper; what is added later lies upon what was added before.

    Parameters
    ----------
    width, height
        Inches.
    paper
        Hex colour.

    Attributes
    ----------
    size
        Width and height in pixels.
    elements
        What stands on it, the lowest first.
    """

    def __init__(self, width: float, height: float, paper: str) -> None:
        self.size = (round(width * style.DPI), round(height * style.DPI))
        self.paper = paper
        self.elements: list[Element] = []

    def add(self, *elements: Element) -> None:
        """Put elements upon all others."""
        self.elements.extend(elements)

    def pixels(self) -> NDArray[np.uint8]:
        """The picture, (height, width, 4), first row at the top; opaque everywhere."""
        return pixels.drawn(self.elements, self.size, self.paper)

    def svg(self) -> str:
        """The picture as SVG."""
        return svg.document(self.elements, self.size, self.paper)

    def save(self, out_png: Path, out_svg: Path) -> None:
        """Write both files; equal canvases give equal bytes (no version, no date, no random ids)."""
        png.write(self.pixels()[..., :3], out_png, style.DPI)
        out_svg.write_text(self.svg(), encoding="utf-8", newline="\n")
