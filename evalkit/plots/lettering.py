"""Writing on a map: topic names and words that do not cover one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.plots import label_placement as placement
from evalkit.plots.canvas import Canvas
from evalkit.plots.palette import Ground
from evalkit.plots.shapes import POINT, Ink, Line, Shape, polygon, rounded

__all__ = ["Lettering"]

_WORD_GAPS = (
    10,
    15,
    21,
    28,
    38,
    50,
    64,
    80,
    100,
    125,
    150,
    180,
    220,
    270,
)  # pixels between point and word, ring by ring
_LEADER = 21  # pixels: from this distance on a thin line leads from the word to its point


_PLATE = 0.72  # opacity of what a name stands on, so that it can be read upon points and hulls
_BEYOND = 0.12  # of a name's size, that its plate reaches beyond it


class Lettering:
    """Finds places on one map, and remembers what is taken; all places are in pixels.

    Parameters
    ----------
    box
        Left, bottom, right and top of the map.
    colours
        The ground it stands on.

    Attributes
    ----------
    topics, texts
        The topic names and the words that found a place.
    """

    def __init__(self, box: tuple[float, float, float, float], colours: Ground) -> None:
        self._colours = colours
        self._bounds = (box[0] + 4, box[1] + 4, box[2] - 4, box[3] - 4)
        self._taken: placement.Boxes = np.empty((0, 4))
        self._leaders: list[NDArray[np.float64]] = []
        self.topics: list[Line] = []
        self.texts: list[Line] = []

    def keep_clear(self, points: NDArray[np.float64], radius: float) -> None:
        """Let nothing be written over these (n, 2) points, drawn with the given radius."""
        self._taken = np.vstack([self._taken, np.hstack([points - radius, points + radius])])

    def names(
        self, texts: Sequence[str], anchors: NDArray[np.float64], inks: Sequence[str], *, size: float, room: float
    ) -> int:
        """Write topic names on or near their (n, 2) anchors, first come first served.

        With `room` 0, all are written, upon their anchors or where they cover least. Else each name stands beside its
        anchor and needs `room` free pixels between itself and the next; returns how many found them.
        """
        always = room == 0
        lines = [Line.at((0, 0), text, size, ink, bold=True) for text, ink in zip(texts, inks, strict=True)]
        places = placement.place(
            anchors,
            _extents(lines) + 5 + room,
            self._taken,
            self._bounds,
            distances=np.linspace(2, 190, 12).tolist() if always else (2 - room / 2, 8 - room / 2, 18),
            centred=always,
            always=always,
        )
        self.topics += self._settled(lines, places)
        return len(self.topics)

    def words(self, texts: Sequence[str], points: NDArray[np.float64], *, size: float) -> int:
        """Write each text beside its point, with a thin line to the point where the nearest free place is far.

        A text without any free place is left out; returns how many are written.
        """
        lines = [Line.at((0, 0), text, size, self._colours.text) for text in texts]
        # Crowded points choose first: they have the fewest free places.
        crowd = np.sum(np.linalg.norm(points[:, None] - points[None], axis=-1) < 90, axis=1)
        order = np.argsort(-crowd, kind="stable")
        places = placement.place(
            points[order], _extents(lines)[order] + 2, self._taken, self._bounds, distances=_WORD_GAPS, always=False
        )
        self.texts += self._settled([lines[row] for row in order], places)
        found = [row for row, where in enumerate(places) if where is not None]
        starts, boxes = points[order][found], np.array([places[row] for row in found]).reshape(-1, 4)
        ends = np.clip(starts, boxes[:, :2], boxes[:, 2:])
        far = np.linalg.norm(ends - starts, axis=1) > _LEADER
        self._leaders += list(np.stack([starts[far], ends[far]], axis=1))
        return len(self.texts)

    def draw_leaders(self, canvas: Canvas) -> None:
        """Put the thin lines on the canvas: they go under the points."""
        faint = Ink(self._colours.faint)
        canvas.add(*(Shape(polygon(ends, closed=False), edge=faint, width=0.6) for ends in self._leaders))

    def draw(self, canvas: Canvas) -> None:
        """Put the words on the canvas, and upon them the names on their plates."""
        canvas.add(*self.texts)
        # A plate under a name, not an outline round each letter: outlines make an SVG of 150 names ten times as large.
        paper = Ink(self._colours.paper, _PLATE)
        for name in self.topics:
            canvas.add(Shape(rounded(name.box, _BEYOND * name.outline.size * POINT), fill=paper), name)

    def _settled(self, lines: Sequence[Line], places: Sequence[NDArray[np.float64] | None]) -> list[Line]:
        """The lines that have a place, moved to it; remember what is taken."""
        settled, boxes = [], [self._taken]
        for line, where in zip(lines, places, strict=True):
            if where is None:
                continue
            middle = (where[:2] + where[2:]) / 2
            settled.append(replace(line, corner=(line.corner[0] + middle[0], line.corner[1] + middle[1])))
            boxes.append(where[None])
        self._taken = np.vstack(boxes)
        return settled


def _extents(lines: Sequence[Line]) -> NDArray[np.float64]:
    boxes = np.array([line.box for line in lines]).reshape(-1, 4)
    return np.asarray(boxes[:, 2:] - boxes[:, :2])
