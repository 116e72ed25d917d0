"""The map of one evaluation: topics coloured, convex hulls shaded, names on the picture, scores in the caption.

Up to `WORDS` texts, each is written beside its point; above, only topics are named. Above `DENSE` texts the points
become a density picture, so that a map of 100,000 texts is as small a file, and as legible, as one of 1,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.plots import caption, density, palette, style
from evalkit.plots import label_placement as placement
from evalkit.types import Codes, Points, Record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WORDS = 60  # up to this many texts, each is written beside its point
DENSE = 10_000  # above this many texts the points are drawn as a density picture
RASTER = 2_000  # above this many points, those of the SVG are one image
LONGEST_WORD = 30
LONGEST_NAME = 34
ALL_NAMED = 12  # up to this many topics, all are named
MANY_TOPICS = 40
WORD_GAPS = (10, 15, 21, 28, 38, 50, 64, 80, 100, 125, 150, 180, 220, 270)  # pixels from point to word, ring by ring
LEADER = 21  # pixels: from this distance on, a thin line leads from the word to its point


def draw(record: Record, texts: pd.DataFrame, path: Path, theme: palette.Theme = "light") -> None:
    """Draw the map of a finished evaluation (`figure`) into `path`.png and .svg; equal input gives equal bytes."""
    with style.applied(theme):
        style.save(_figure(record, texts, theme), path)


def figure(record: Record, texts: pd.DataFrame, *, theme: palette.Theme = "light") -> Figure:
    """Return the map of a finished evaluation as a matplotlib figure with one axes, x and y to one scale.

    Parameters
    ----------
    record
        The evaluation; its scores, encoder and projection make the caption and the stamp (`caption.stamp`).
    texts
        One row a text with columns ``text``, ``label``, ``x`` and ``y``. A label's colour is that of its place
        in the sorted label names, so all maps of one corpus agree.
    """
    with style.applied(theme):
        return _figure(record, texts, theme)


def _figure(record: Record, texts: pd.DataFrame, theme: palette.Theme) -> Figure:
    """The map, drawn in the style that is applied."""
    unique, codes = np.unique(texts["label"].astype(str).to_numpy(dtype=object), return_inverse=True)
    names, labels = unique.tolist(), codes.astype(np.int32)
    points = _scaled(np.column_stack([texts["x"], texts["y"]]).astype(np.float64))
    words = list(texts["text"].astype(str)) if len(texts) <= WORDS else []
    warning = caption.stamp(record)
    width, height = (11.0, 9.6) if len(names) > MANY_TOPICS else (8.0, 7.0)
    drawn = style.figure(width, height, theme)
    axes = _axes(drawn, points, warning)
    _draw_hulls(axes, points, labels, theme)
    _draw_points(axes, points, labels, theme)
    remark = _write_labels(axes, points, labels, names, words, theme)
    _write_caption(drawn, record, remark)
    if warning is not None:
        _write_stamp(drawn, warning, theme)
    return drawn


def _scaled(points: Points) -> Points:
    """Bring a map to a span of about 1 by a power of two, which rounds nothing: points on one line stay on it."""
    span = float(np.ptp(points, axis=0).max())
    return points if span == 0 else np.ldexp(points, -int(np.frexp(span)[1]))


def _axes(drawn: Figure, points: Points, warning: str | None) -> Axes:
    """Axes without ticks between caption and stamp, both to one scale, with some margin around the points."""
    wide, high = drawn.get_size_inches()
    above = 0.16 + (0.0 if warning is None else 0.16 + 0.17 * (1 + warning.count("\n")))
    under, beside = 0.78, 0.12
    room = np.array([wide - 2 * beside, high - under - above])
    axes = drawn.add_axes((beside / wide, under / high, room[0] / wide, room[1] / high))
    least, most = points.min(axis=0), points.max(axis=0)
    share = float(np.max((most - least) / room)) or 1.0
    middle, reach = (least + most) / 2, 1.09 * share * room / 2
    (left, bottom), (right, top) = middle - reach, middle + reach
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    return axes


def _draw_hulls(axes: Axes, points: Points, labels: Codes, theme: palette.Theme) -> None:
    """Shade each label's convex hull; collinear points make a line, a lone point has only its dot."""
    import shapely
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import to_rgba

    order = np.argsort(labels, kind="stable")
    hulls = np.asarray(shapely.convex_hull(shapely.multipoints(points[order], indices=labels[order])))
    # Where hulls lie over one another, each must be faint for all to be seen through.
    whole = float(shapely.area(shapely.convex_hull(shapely.multipoints(points))))
    depth = max(1.0, float(shapely.area(hulls).sum()) / whole) if whole > 0 else 1.0
    strength, edge = 0.15 / depth**0.6, 0.7 / depth**0.35
    if len(hulls) > ALL_NAMED:
        edge *= 0.4 if len(hulls) <= MANY_TOPICS else 0.25
    drawn = [
        (shapely.get_coordinates(hull), colour, hull.geom_type == "Polygon")
        for hull, colour in zip(hulls, palette.colours(len(hulls), theme), strict=True)
        if hull.geom_type != "Point"
    ]
    fills = [to_rgba(colour, strength) for _, colour, area in drawn if area]
    edges = [to_rgba(colour, edge) for _, colour, _ in drawn]
    widths = [0.9 if area else 2.4 for *_, area in drawn]
    faces = [corners for corners, _, area in drawn if area]
    axes.add_collection(PolyCollection(faces, facecolors=fills, linewidths=0, zorder=1), autolim=False)
    rims = [corners for corners, *_ in drawn]
    axes.add_collection(LineCollection(rims, colors=edges, linewidths=widths, zorder=1.1), autolim=False)


def _draw_points(axes: Axes, points: Points, labels: Codes, theme: palette.Theme) -> None:
    """Draw a marker a text, or above `DENSE` texts their density."""
    n, count = len(points), int(labels.max()) + 1
    colours = palette.colours(count, theme)
    if n > DENSE:
        from matplotlib.colors import to_rgb

        extent = (*axes.get_xlim(), *axes.get_ylim())
        width, height = (round(side) for side in axes.bbox.size)
        picture = density.render(points, labels, np.array([to_rgb(c) for c in colours]), extent, (height, width))
        axes.imshow(picture, extent=extent, aspect="auto", interpolation="nearest", zorder=2)
        return
    few = n <= 500
    edge: dict[str, Any] = {"edgecolors": palette.GROUNDS[theme].paper, "linewidths": 0.5} if few else {"linewidths": 0}
    order = np.argsort(labels, kind="stable")
    shapes, inks = np.array(palette.markers(count))[labels[order]], np.array(colours)[labels[order]]
    for marker in dict.fromkeys(shapes):
        rows = shapes == marker
        x, y = points[order][rows].T
        axes.scatter(
            x, y, c=inks[rows], marker=marker, s=float(np.clip(5200 / n, 7.0, 46.0)),
            alpha=0.95 if few else 0.75, zorder=2, rasterized=n > RASTER, **edge,
        )  # fmt: skip


def _write_labels(
    axes: Axes, points: Points, labels: Codes, names: Sequence[str], words: Sequence[str], theme: palette.Theme
) -> str:
    """Write topic names (the largest first) and, on a small map, the words; return a remark on what found no room."""
    places = axes.transData.transform(points)
    taken = np.hstack([places - 8, places + 8]) if words else np.empty((0, 4))
    order = np.argsort(-np.bincount(labels), kind="stable")
    anchors = placement.anchors(places, labels, few=bool(words))[order]
    inks = palette.inks(len(names), theme)
    taken = _write_names(axes, {names[code]: inks[code] for code in order}, anchors, taken, theme)
    named = len(axes.texts)
    if words:
        written = _write_words(axes, words, places, taken, theme)
        if written < len(words):
            return f"{len(words) - written} of {len(words)} words found no room"
    return "" if named == len(names) else f"Named: {named} of {len(names)} topics"


def _write_names(
    axes: Axes, inks: Mapping[str, str], anchors: NDArray[np.float64], taken: placement.Boxes, theme: palette.Theme
) -> placement.Boxes:
    """Write names in their inks near their anchors, all up to `ALL_NAMED`; return the boxes that are now taken."""
    always = len(inks) <= ALL_NAMED
    size, room = (10.5, 0) if always else (9.0, 4) if len(inks) <= MANY_TOPICS else (7.5, 12)
    # A plate under a name, not an outline round each letter: outlines make an SVG of 150 names ten times as large.
    plate = {"boxstyle": "round,pad=0.12", "facecolor": palette.GROUNDS[theme].paper, "alpha": 0.72, "linewidth": 0}
    look: dict[str, Any] = {"fontsize": size, "weight": "bold", "bbox": plate, "zorder": 4}
    lines = [axes.text(0, 0, style.clean(name, LONGEST_NAME), color=ink, **look) for name, ink in inks.items()]
    distances = np.linspace(2, 190, 12).tolist() if always else (2 - room / 2, 8 - room / 2, 18)
    boxes = _place(axes, lines, anchors, taken, margin=5 + room, centred=always, always=always, distances=distances)
    return np.vstack([taken, *(box for box in boxes if box is not None)])


def _write_words(
    axes: Axes, words: Sequence[str], points: NDArray[np.float64], taken: placement.Boxes, theme: palette.Theme
) -> int:
    """Write each word beside its point (pixels), with a thin line to it where far; return how many found room."""
    from matplotlib.collections import LineCollection

    longest, size = (LONGEST_WORD, 8.5) if len(words) <= 36 else (LONGEST_WORD * 2 // 3, 7.5)
    # Crowded points choose first: they have the fewest free places.
    crowd = np.sum(np.linalg.norm(points[:, None] - points[None], axis=-1) < 90, axis=1)
    order = np.argsort(-crowd, kind="stable")
    lines = [axes.text(0, 0, style.clean(words[row], longest), fontsize=size, zorder=3) for row in order]
    placed = _place(axes, lines, points[order], taken, margin=2, always=False, distances=WORD_GAPS)
    back, leaders = axes.transData.inverted(), []
    for point, box in zip(points[order], placed, strict=True):
        end = point if box is None else np.clip(point, box[:2], box[2:])
        if np.linalg.norm(end - point) > LEADER:
            leaders.append(back.transform([point, end]))
    faint = palette.GROUNDS[theme].faint
    axes.add_collection(LineCollection(leaders, colors=faint, linewidths=0.6, zorder=1.5), autolim=False)
    return sum(box is not None for box in placed)


def _place(
    axes: Axes,
    lines: Sequence[Text],
    anchors: NDArray[np.float64],
    taken: placement.Boxes,
    *,
    margin: float,
    **options: Any,
) -> list[NDArray[np.float64] | None]:
    """Move lines of text to free places near their anchors (pixels) and remove those without one; return the boxes."""
    for line in lines:
        line.set(ha="center", va="center")
    sizes = np.array([line.get_window_extent().size for line in lines]) + margin
    left, bottom, right, top = axes.bbox.extents
    boxes = placement.place(anchors, sizes, taken, (left + 4, bottom + 4, right - 4, top - 4), **options)
    back = axes.transData.inverted()
    for line, box in zip(lines, boxes, strict=True):
        if box is None:
            line.remove()
        else:
            x, y = back.transform((box[:2] + box[2:]) / 2)
            line.set(x=x, y=y)
    return boxes


def _write_caption(drawn: Figure, record: Record, remark: str) -> None:
    """Write the caption under the map, the remark on names or words without room at its end."""
    wide, high = drawn.get_size_inches()
    subject, vectors, plane = caption.lines(record)
    plane = ". ".join(part for part in (plane, remark) if part)
    for up, text, weight in ((0.58, subject, "bold"), (0.37, vectors, "normal"), (0.16, plane, "normal")):
        line = drawn.text(0.14 / wide, up / high, style.clean(text, 400), fontsize=9.0, weight=weight, va="center")
        style.shorten(line, (wide - 0.28) * style.DPI)


def _write_stamp(drawn: Figure, warning: str, theme: palette.Theme) -> None:
    """Put the warning above the map, where it covers nothing."""
    ground = palette.GROUNDS[theme]
    plate = {"boxstyle": "round,pad=0.35", "facecolor": ground.warning_paper, "edgecolor": ground.warning}
    drawn.text(
        0.5, 1 - 0.11 / drawn.get_figheight(), warning, fontsize=9.0, weight="bold", color=ground.warning,
        ha="center", va="top", linespacing=1.25, bbox={**plate, "linewidth": 0.8},
    )  # fmt: skip
