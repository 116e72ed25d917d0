"""The map of one evaluation: topics coloured, convex hulls shaded, names on the picture, scores in the caption.

Small maps write every text beside its point; from 61 texts on only topics are named; above `DENSE` texts the
points become a density picture, so that a file of 100,000 texts is as small and as legible as one of 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evalkit.plots import caption, density, palette, placement, style
from evalkit.plots.lettering import Lettering
from evalkit.values import Codes, Points, Record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.figure import Figure

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


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is drawn: points, label codes, label names, and the look."""

    points: Points
    labels: Codes
    names: tuple[str, ...]
    texts: tuple[str, ...]
    theme: palette.Theme

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
    names, codes = np.unique(texts["label"].astype(str).to_numpy(dtype=object), return_inverse=True)
    scene = _Scene(
        points=_scaled(texts[["x", "y"]].to_numpy(dtype=np.float64)),
        labels=codes.astype(np.int32),
        names=tuple(str(name) for name in names),
        texts=tuple(texts["text"].astype(str)) if len(texts) <= WORDS else (),
        theme=theme,
    )
    with style.applied(theme):
        drawn = _drawn(record, scene)
        style.save(drawn, out_png, out_svg)


def _drawn(record: Record, scene: _Scene) -> Figure:
    wide, high = (11.0, 9.6) if scene.count > _MANY_TOPICS else (8.0, 7.0)
    drawn = style.figure(wide, high, scene.theme)
    warning = caption.stamp(record)
    top = 0.16 + (0.0 if warning is None else 0.16 + 0.17 * (1 + warning.count("\n")))
    bottom, side = 0.78, 0.12  # inches
    axes = drawn.add_axes((side / wide, bottom / high, 1 - 2 * side / wide, 1 - (top + bottom) / high))
    _frame(axes, scene.points, (wide - 2 * side) / (high - top - bottom))
    _hulls(axes, scene)
    _texts(axes, scene)
    renderer = drawn.canvas.get_renderer()  # type: ignore[attr-defined]  # the Agg canvas has one
    remark = _lettered(axes, scene, renderer)
    _captioned(drawn, record, scene, remark, high)
    if warning is not None:
        _stamped(drawn, warning, scene.theme, high)
    return drawn


def _scaled(points: Points) -> Points:
    """Bring a map to a span of about 1: its units mean nothing, and matplotlib takes very small spans for none.

    By a power of two, which rounds nothing: points on one line stay on it.
    """
    span = float(np.ptp(points, axis=0).max())
    return points if span == 0 else np.ldexp(points, -int(np.frexp(span)[1]))


def _frame(axes: Axes, points: Points, ratio: float) -> None:
    """Show all points in a box of the given width / height, both axes to one scale, without ticks."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre, reach = (low + high) / 2, (high - low) / 2
    half = 1.09 * max(reach[0] / ratio, reach[1])
    if half == 0:
        half = 1.0
    axes.set_xlim(centre[0] - half * ratio, centre[0] + half * ratio)
    axes.set_ylim(centre[1] - half, centre[1] + half)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def _hulls(axes: Axes, scene: _Scene) -> None:
    """Shade each label's convex hull; collinear points make a line, a lone point has only its dot."""
    import shapely
    from matplotlib.collections import LineCollection, PolyCollection

    order = np.argsort(scene.labels, kind="stable")
    hulls = np.asarray(shapely.convex_hull(shapely.multipoints(scene.points[order], indices=scene.labels[order])))
    colours = palette.colours(scene.count, scene.theme)
    faces, face_colours, lines, line_colours = [], [], [], []
    for hull, colour in zip(hulls, colours, strict=True):
        if hull.geom_type == "Polygon":
            faces.append(shapely.get_coordinates(hull))
            face_colours.append(colour)
        elif hull.geom_type == "LineString":
            lines.append(shapely.get_coordinates(hull))
            line_colours.append(colour)
    # Where hulls lie over one another, each must be faint for all to be seen through.
    whole = shapely.area(shapely.convex_hull(shapely.multipoints(scene.points)))
    depth = max(1.0, float(shapely.area(hulls).sum()) / whole) if whole > 0 else 1.0
    strength, edge = 0.15 / depth**0.6, 0.7 / depth**0.35
    if scene.count > _ALL_NAMED:
        edge *= 0.4 if scene.count <= _MANY_TOPICS else 0.25
    for shade in (
        PolyCollection(faces, facecolors=face_colours, alpha=strength, linewidths=0, zorder=1),
        PolyCollection(faces, facecolors="none", edgecolors=face_colours, alpha=edge, linewidths=0.9, zorder=1.5),
        LineCollection(lines, colors=line_colours, alpha=edge, linewidths=2.4, zorder=1.5),
    ):
        axes.add_collection(shade, autolim=False)


def _texts(axes: Axes, scene: _Scene) -> None:
    """Draw the texts: a marker each, or above `DENSE` of them their density."""
    from matplotlib.collections import PathCollection
    from matplotlib.markers import MarkerStyle
    from matplotlib.transforms import IdentityTransform

    n = len(scene.points)
    colours = palette.colours(scene.count, scene.theme)
    if n > DENSE:
        box = axes.get_window_extent()
        left, right = axes.get_xlim()
        bottom, top = axes.get_ylim()
        picture = density.render(
            scene.points,
            scene.labels,
            np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours]),
            (left, right, bottom, top),
            (int(box.height), int(box.width)),
        )
        axes.imshow(picture, extent=(left, right, bottom, top), interpolation="nearest", aspect="auto", zorder=2)
        axes.set_aspect("equal")
        return
    area = float(np.clip(5200 / n, 7.0, 46.0))
    shapes = palette.markers(scene.count)
    order = np.argsort(scene.labels, kind="stable")
    starts = np.searchsorted(scene.labels[order], np.arange(scene.count + 1))
    for code in range(scene.count):
        rows = order[starts[code] : starts[code + 1]]
        marker = MarkerStyle(shapes[code])
        dots = PathCollection(
            (marker.get_path().transformed(marker.get_transform()),), (area,), offsets=scene.points[rows],
            offset_transform=axes.transData, facecolors=colours[code],
            alpha=0.95 if n <= 500 else 0.75, linewidths=0.5 if n <= 500 else 0,
            edgecolors=palette.ground(scene.theme).paper if n <= 500 else "none",
            zorder=2, rasterized=n > _RASTER,
        )  # fmt: skip
        dots.set_transform(IdentityTransform())
        axes.add_collection(dots, autolim=False)  # the limits are set: `scatter` would look for them anew


def _lettered(axes: Axes, scene: _Scene, renderer: RendererAgg) -> str:
    """Write topic names (the largest first) and, on a small map, the words; return a remark on what found no room."""
    lettering = Lettering(axes, renderer, palette.ground(scene.theme))
    sizes = np.bincount(scene.labels, minlength=scene.count)
    order = np.argsort(-sizes, kind="stable")
    few = bool(scene.texts)
    members = np.split(np.argsort(scene.labels, kind="stable"), np.cumsum(sizes)[:-1])
    everywhere = scene.points
    anchors = np.array(
        [
            everywhere[members[code]].mean(axis=0) if few else placement.densest(everywhere[members[code]], everywhere)
            for code in order
        ]
    )
    inks = palette.inks(scene.count, scene.theme)
    if few:
        lettering.keep_clear(scene.points, 8)
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
        written = lettering.words(words, scene.points, size=8.5 if roomy else 7.5)
        if written < len(words):
            return f"{len(words) - written} of {len(words)} texts found no room for their words"
    return "" if named == scene.count else f"Named: {named} of {scene.count} topics, the largest first"


def _captioned(drawn: Figure, record: Record, scene: _Scene, remark: str, high: float) -> None:
    """Write the caption under the map, and after it the remark, if any."""
    from evalkit.plots.outlines import OutlinedText

    subject, vectors, plane = caption.lines(record)
    plane = ". ".join(part for part in (plane, remark) if part)
    colours = palette.ground(scene.theme)
    width = int(drawn.get_figwidth() * 15.5)
    for row, text in enumerate((subject, vectors, plane)):
        place = (0.14 / drawn.get_figwidth(), (0.58 - 0.21 * row) / high)
        line = OutlinedText(
            place,
            style.clean(text, width),
            9.0,
            colours.text,
            bold=row == 0,
            align=0.0,
            transform=drawn.transFigure,
        )
        drawn.add_artist(line)


def _stamped(drawn: Figure, warning: str, theme: palette.Theme, high: float) -> None:
    """Put the warning above the map, where it covers nothing."""
    colours = palette.ground(theme)
    drawn.text(
        0.5, 1 - 0.11 / high, warning, fontsize=9, weight="bold", color=colours.warning, ha="center", va="top",
        linespacing=1.25,
        bbox={"boxstyle": "round,pad=0.35", "fc": colours.warning_paper, "ec": colours.warning, "lw": 0.8},
    )  # fmt: skip
