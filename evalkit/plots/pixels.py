"""A canvas' shapes as pixels: drawn by matplotlib's Agg itself, without a figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray

from evalkit.plots import style
from evalkit.plots.shapes import POINT, Dots, Element, Ink, Line, Pictured, Raster, Shape, Washes
from evalkit.plots.washes import washed

__all__ = ["drawn"]

_IDENTITY = IdentityTransform()


def drawn(elements: Sequence[Element], size: tuple[int, int], paper: str | None) -> NDArray[np.uint8]:
    """Draw elements.

    Parameters
    ----------
    elements
        The lowest first.
    size
        Width and height.
    paper
        Hex colour of the ground, or None for a transparent one.

    Returns
    -------
    numpy.ndarray
        (height, width, 4) uint8 RGBA, first row at the top.
    """
    renderer: Any = RendererAgg(*size, style.DPI)  # type: ignore[no-untyped-call]
    canvas: NDArray[np.uint8] = np.asarray(renderer.buffer_rgba())
    if paper is not None:
        canvas.view(np.uint32)[:] = np.array([*bytes.fromhex(paper[1:]), 255], dtype=np.uint8).view(np.uint32)
    for element in elements:
        _draw(element, renderer)
    return canvas


# `renderer` is a RendererAgg; matplotlib's annotations of it lack what its Agg is given here.
@singledispatch
def _draw(element: Element, renderer: Any) -> None:
    raise NotImplementedError(type(element))


@_draw.register
def _(element: Shape, renderer: Any) -> None:
    fill = None if element.fill is None else _rgba(element.fill)
    renderer.draw_path(_context(element.edge, element.width), element.path, _IDENTITY, fill)


@_draw.register
def _(element: Washes, renderer: Any) -> None:
    if not element.areas:
        return
    canvas = np.asarray(renderer.buffer_rgba())
    height, width, _ = canvas.shape
    inks = np.array([_rgba(ink) for ink in element.fills])
    paper = 255 * np.array(_rgba(Ink(element.paper))[:3])
    canvas[:] = washed(element.areas, 255 * inks[:, :3], inks[:, 3], paper, (width, height))


@_draw.register
def _(element: Dots, renderer: Any) -> None:
    if not len(element.places):  # Agg would draw one at the origin
        return
    context, fill = _context(element.edge, element.width), _rgba(element.fill)
    if element.edge is not None:  # moved to whole pixels, so that the edges of all look alike
        renderer.draw_markers(context, element.shape, _IDENTITY, Path(element.places), _IDENTITY, fill)
        return
    renderer.draw_path_collection(
        context, _IDENTITY, [element.shape], np.empty((0, 3, 3)), element.places, _IDENTITY, np.array([fill]),
        np.empty((0, 4)), [0.0], [(0, None)], [True], [None], "screen",
    )  # fmt: skip


@_draw.register
def _(element: Pictured, renderer: Any) -> None:
    for dots in element.dots:
        _draw(dots, renderer)


@_draw.register
def _(element: Raster, renderer: Any) -> None:
    # Agg's first row is the lowest.
    renderer.draw_image(_context(), element.left, element.bottom, np.ascontiguousarray(element.pixels[::-1]))


@_draw.register
def _(element: Line, renderer: Any) -> None:
    shape = element.outline.path(POINT, element.corner)
    renderer.draw_path(_context(), shape, _IDENTITY, _rgba(Ink(element.colour)))


def _context(edge: Ink | None = None, width: float = 0.0) -> GraphicsContextBase:
    """How edges are drawn; without one, none."""
    context = GraphicsContextBase()
    context.set_linewidth(0.0 if edge is None else width)
    if edge is not None:
        context.set_foreground(_rgba(edge), isRGBA=True)
    return context


def _rgba(ink: Ink) -> tuple[float, float, float, float]:
    red, green, blue = bytes.fromhex(ink.colour[1:])
    return red / 255, green / 255, blue / 255, ink.alpha
