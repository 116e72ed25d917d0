"""The map of one evaluation: topics coloured, convex hulls shaded, names on the picture, scores in the caption.

Small maps write every text beside its point; from 61 texts on only topics are named; above `DENSE` texts the
points become a density picture, so that a file of 100,000 texts is as small and as legible as one of 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evalkit.plots import caption, density, palette, style
from evalkit.plots import label_placement as placement
from evalkit.types import Codes, Points, Record

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.plots.canvas import Canvas
    from evalkit.plots.lettering import Lettering

__all__ = ["DENSE", "WORDS", "draw"]

WORDS = 60
"""Up to this many texts, each is written beside its point."""

DENSE = 10_000
"""Above this many texts the points are drawn as a density picture."""

_RASTER = 2_000  # above this many points, those of the SVG are a picture in it
_LONGEST_WORD = 30
_LONGEST_NAME = 34
_ALL_NAMED = 12  # up to this many topics, all are named
_MANY_TOPICS = 40
_INCH = style.DPI  # pixels


@dataclass(frozen=True, slots=True)
class _View:
    """Where in a box (left, bottom, right, top in pixels) a map's points stand."""

    box: tuple[float, float, float, float]
    scale: float
    centre: Points

    @classmethod
    def of(cls, points: Points, box: tuple[float, float, float, float]) -> _View:
        """Show all points with some margin, both axes to one scale."""
        low, high = points.min(axis=0), points.max(axis=0)
        room = np.array([box[2] - box[0], box[3] - box[1]])
        share = float(np.max((high - low) / room))
        return cls(box, 1 / (1.09 * share) if share > 0 else 1.0, (low + high) / 2)

    def pixels(self, points: Points) -> Points:
        left, bottom, right, top = self.box
        return np.asarray((points - self.centre) * self.scale + ((left + right) / 2, (bottom + top) / 2))


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is drawn: points, also in pixels, label codes, label names, and the look."""

    points: Points
    labels: Codes
    names: tuple[str, ...]
    texts: tuple[str, ...]
    theme: palette.Theme
    view: _View
    places: Points

    @property
    def count(self) -> int:
        return len(self.names)


def draw(record: Record, texts: pd.DataFrame, *, theme: palette.Theme = "light", out_png: Path, out_svg: Path) -> None:
    """Draw the map of a finished evaluation.

    Parameters
    ----------
    record
        The evaluation; its scores, encoder and projection make the caption and the stamp (`caption.stamp`).
    texts
        One row a text with columns ``text``, ``label``, ``x`` and ``y``. A label's colour is that of its place
        in the sorted label names, so all maps of one corpus agree.
    theme
        ``light`` or ``dark``.
    out_png, out_svg
        Where the two files are written; equal input gives equal bytes.
    """
    from evalkit.plots.canvas import Canvas
    from evalkit.plots.shapes import Ink, Shape, frame

    names, codes = np.unique(texts["label"].astype(str).to_numpy(dtype=object), return_inverse=True)
    wide, high = (11.0, 9.6) if len(names) > _MANY_TOPICS else (8.0, 7.0)
    warning, ground = caption.stamp(record), palette.ground(theme)
    points = _scaled(np.column_stack([texts["x"], texts["y"]]).astype(np.float64))
    view = _View.of(points, _box(wide, high, warning))
    scene = _Scene(
        points=points,
        labels=codes.astype(np.int32),
        names=tuple(str(name) for name in names),
        texts=tuple(texts["text"].astype(str)) if len(texts) <= WORDS else (),
        theme=theme,
        view=view,
        places=view.pixels(points),
    )
    canvas = Canvas(wide, high, ground.paper)
    lettering, remark = _lettered(scene)
    _hulls(canvas, scene)
    lettering.draw_leaders(canvas)
    _texts(canvas, scene)
    canvas.add(Shape(frame(view.box), edge=Ink(ground.line), width=0.8))
    lettering.draw(canvas)
    _captioned(canvas, record, ground, remark)
    if warning is not None:
        _stamped(canvas, warning, ground)
    canvas.save(out_png, out_svg)


def _box(wide: float, high: float, warning: str | None) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of the map on a sheet of so many inches, in pixels."""
    top = 0.16 + (0.0 if warning is None else 0.16 + 0.17 * (1 + warning.count("\n")))
    bottom, side = 0.78, 0.12
    return side * _INCH, bottom * _INCH, (wide - side) * _INCH, (high - top) * _INCH


def _scaled(points: Points) -> Points:
    """Bring a map to a span of about 1: its units mean nothing, and a very small span cannot be divided by.

    By a power of two, which rounds nothing: points on one line stay on it.
    """
    span = float(np.ptp(points, axis=0).max())
    return points if span == 0 else np.ldexp(points, -int(np.frexp(span)[1]))


def _hulls(canvas: Canvas, scene: _Scene) -> None:
    """Shade each label's convex hull; collinear points make a line, a lone point has only its dot."""
    import shapely

    from evalkit.plots.shapes import Ink, Shape, Washes, polygon

    order = np.argsort(scene.labels, kind="stable")
    hulls = np.asarray(shapely.convex_hull(shapely.multipoints(scene.points[order], indices=scene.labels[order])))
    # Where hulls lie over one another, each must be faint for all to be seen through.
    whole = float(shapely.area(shapely.convex_hull(shapely.multipoints(scene.points))))
    depth = max(1.0, float(shapely.area(hulls).sum()) / whole) if whole > 0 else 1.0
    strength, edge = 0.15 / depth**0.6, 0.7 / depth**0.35
    if scene.count > _ALL_NAMED:
        edge *= 0.4 if scene.count <= _MANY_TOPICS else 0.25
    areas, fills, edges = [], [], []
    for hull, colour in zip(hulls, palette.colours(scene.count, scene.theme), strict=True):
        if hull.geom_type == "Polygon":
            areas.append(scene.view.pixels(shapely.get_coordinates(hull)[:-1]))  # the first corner is there twice
            fills.append(Ink(colour, strength))
            edges.append(Shape(polygon(areas[-1]), edge=Ink(colour, edge), width=0.9))
        elif hull.geom_type == "LineString":
            line = polygon(scene.view.pixels(shapely.get_coordinates(hull)), closed=False)
            edges.append(Shape(line, edge=Ink(colour, edge), width=2.4))
    if scene.count <= _ALL_NAMED:
        canvas.add(Washes(tuple(areas), tuple(fills), canvas.paper))
    else:  # small ones, with rims that their faint edges would not hide
        canvas.add(*(Shape(polygon(area), fill) for area, fill in zip(areas, fills, strict=True)))
    canvas.add(*edges)  # upon all faces


def _texts(canvas: Canvas, scene: _Scene) -> None:
    """Draw the texts: a marker each, or above `DENSE` of them their density."""
    from evalkit.plots.shapes import Dots, Ink, Pictured, Raster, marker

    n = len(scene.points)
    colours = palette.colours(scene.count, scene.theme)
    if n > DENSE:
        left, bottom, right, top = (round(side) for side in scene.view.box)
        tints = np.array([[part / 255 for part in bytes.fromhex(colour[1:])] for colour in colours])
        picture = density.render(
            scene.places, scene.labels, tints, (left, right, bottom, top), (top - bottom, right - left)
        )
        canvas.add(Raster(picture, left, bottom))
        return
    size = float(np.clip(5200 / n, 7.0, 46.0))
    edge = Ink(palette.ground(scene.theme).paper, 0.95) if n <= 500 else None
    order = np.argsort(scene.labels, kind="stable")
    members = np.split(scene.places[order], np.cumsum(np.bincount(scene.labels, minlength=scene.count))[:-1])
    dots = tuple(
        Dots(marker(name, size), places, Ink(colour, 0.95 if n <= 500 else 0.75), edge, 0.5)
        for name, places, colour in zip(palette.markers(scene.count), members, colours, strict=True)
    )
    canvas.add(*((Pictured(dots),) if n > _RASTER else dots))


def _lettered(scene: _Scene) -> tuple[Lettering, str]:
    """Write topic names (the largest first) and, on a small map, the words; and a remark on what found no room."""
    from evalkit.plots.lettering import Lettering

    lettering = Lettering(scene.view.box, palette.ground(scene.theme))
    sizes = np.bincount(scene.labels, minlength=scene.count)
    order = np.argsort(-sizes, kind="stable")
    few = bool(scene.texts)
    members = np.split(np.argsort(scene.labels, kind="stable"), np.cumsum(sizes)[:-1])
    everywhere = scene.places
    anchors = np.array(
        [
            everywhere[members[code]].mean(axis=0) if few else placement.densest(everywhere[members[code]], everywhere)
            for code in order
        ]
    )
    inks = palette.inks(scene.count, scene.theme)
    if few:
        lettering.keep_clear(scene.places, 8)
    named = lettering.names(
        [style.clean(scene.names[code], _LONGEST_NAME) for code in order],
        anchors,
        [inks[code] for code in order],
        size=10.5 if scene.count <= _ALL_NAMED else 9.0 if scene.count <= _MANY_TOPICS else 7.5,
        room=0 if scene.count <= _ALL_NAMED else 4 if scene.count <= _MANY_TOPICS else 12,
    )
    if few:
        roomy = len(scene.texts) <= 36
        words = [style.clean(text, _LONGEST_WORD if roomy else _LONGEST_WORD * 2 // 3) for text in scene.texts]
        written = lettering.words(words, scene.places, size=8.5 if roomy else 7.5)
        if written < len(words):
            return lettering, f"{len(words) - written} of {len(words)} texts found no room for their words"
    return lettering, "" if named == scene.count else f"Named: {named} of {scene.count} topics, the largest first"


def _captioned(canvas: Canvas, record: Record, ground: palette.Ground, remark: str) -> None:
    """Write the caption under the map, and after it the remark, if any."""
    from evalkit.plots.shapes import Line

    subject, vectors, plane = caption.lines(record)
    plane = ". ".join(part for part in (plane, remark) if part)
    width = int(canvas.size[0] / _INCH * 15.5)
    for row, text in enumerate((subject, vectors, plane)):
        place = (0.14 * _INCH, (0.58 - 0.21 * row) * _INCH)
        canvas.add(Line.at(place, style.clean(text, width), 9.0, ground.text, bold=row == 0, align=0.0))


def _stamped(canvas: Canvas, warning: str, ground: palette.Ground) -> None:
    """Put the warning above the map, where it covers nothing."""
    from evalkit.plots.shapes import POINT, Ink, Line, Shape, rounded

    size, wide, high = 9.0, *canvas.size
    step = 1.25 * size * POINT
    top = high - 0.11 * _INCH
    said = warning.split("\n")
    lines = [
        Line.at((wide / 2, top - (row + 0.5) * step), text, size, ground.warning, bold=True)
        for row, text in enumerate(said)
    ]
    half = max(line.outline.width for line in lines) * POINT / 2
    box = (wide / 2 - half, top - len(said) * step, wide / 2 + half, top)
    plate = rounded(box, 0.35 * size * POINT)
    canvas.add(Shape(plate, Ink(ground.warning_paper), Ink(ground.warning), 0.8), *lines)
