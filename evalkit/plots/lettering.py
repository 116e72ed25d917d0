"""Writing on a map: topic names and words that do not cover one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.plots import placement
from evalkit.plots.palette import Ground

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg

    from evalkit.plots.outlines import OutlinedText

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


class Lettering:
    """Writes on one map, and remembers what is taken.

    Parameters
    ----------
    axes
        The map, its limits set for good.
    renderer
        Measures texts.
    colours
        The ground it stands on.
    """

    def __init__(self, axes: Axes, renderer: RendererAgg, colours: Ground) -> None:
        self._axes = axes
        self._renderer = renderer
        self._colours = colours
        box = axes.get_window_extent()
        self._bounds = (box.x0 + 4, box.y0 + 4, box.x1 - 4, box.y1 - 4)
        self._taken: placement.Boxes = np.empty((0, 4))

    def keep_clear(self, points: NDArray[np.float64], radius: float) -> None:
        """Let nothing be written over these (n, 2) points, drawn with the given radius in pixels."""
        pixels = self._axes.transData.transform(points)
        self._taken = np.vstack([self._taken, np.hstack([pixels - radius, pixels + radius])])

    def names(
        self, texts: Sequence[str], anchors: NDArray[np.float64], inks: Sequence[str], *, size: float, room: float
    ) -> int:
        """Write topic names on or near their (n, 2) anchors, first come first served.

        With `room` 0, all are written, upon their anchors or where they cover least. Else each name stands beside its
        anchor and needs `room` free pixels between itself and the next; returns how many found them.
        """
        always = room == 0
        written = [self._write(text, size, ink, bold=True) for text, ink in zip(texts, inks, strict=True)]
        places = placement.place(
            self._axes.transData.transform(anchors),
            self._extents(written) + 5 + room,
            self._taken,
            self._bounds,
            distances=np.linspace(2, 190, 12).tolist() if always else (2 - room / 2, 8 - room / 2, 18),
            centred=always,
            always=always,
        )
        self._settle(written, places)
        return sum(where is not None for where in places)

    def words(self, texts: Sequence[str], points: NDArray[np.float64], *, size: float) -> int:
        """Write each text beside its point, with a thin line to the point where the nearest free place is far.

        A text without any free place is left out; returns how many are written.
        """
        from matplotlib.collections import LineCollection

        written = [self._write(text, size, self._colours.text, bold=False) for text in texts]
        pixels = self._axes.transData.transform(points)
        # Crowded points choose first: they have the fewest free places.
        crowd = np.sum(np.linalg.norm(pixels[:, None] - pixels[None], axis=-1) < 90, axis=1)
        order = np.argsort(-crowd, kind="stable")
        places = placement.place(
            pixels[order],
            self._extents(written)[order] + 2,
            self._taken,
            self._bounds,
            distances=_WORD_GAPS,
            always=False,
        )
        self._settle([written[row] for row in order], places)
        leaders = []
        for point, where in zip(pixels[order], places, strict=True):
            if where is not None and np.linalg.norm(near := np.clip(point, where[:2], where[2:]) - point) > _LEADER:
                leaders.append(self._axes.transData.inverted().transform(np.array([point, point + near])))
        lines = LineCollection(leaders, colors=self._colours.faint, linewidths=0.6, zorder=1.8)
        self._axes.add_collection(lines, autolim=False)
        return sum(where is not None for where in places)

    def _write(self, text: str, size: float, colour: str, *, bold: bool) -> OutlinedText:
        from evalkit.plots.outlines import OutlinedText, Plate

        # A plate under a name, not an outline round each letter: outlines make an SVG of 150 names ten times as large.
        plate = Plate(self._colours.paper, 0.72, 0.12) if bold else None
        written = OutlinedText((0, 0), text, size, colour, bold=bold, plate=plate, zorder=4 if bold else 3)
        self._axes.add_artist(written)
        return written

    def _extents(self, written: Sequence[OutlinedText]) -> NDArray[np.float64]:
        boxes = [text.get_window_extent(self._renderer) for text in written]
        return np.array([(box.width, box.height) for box in boxes]).reshape(-1, 2)

    def _settle(self, written: Sequence[OutlinedText], places: Sequence[NDArray[np.float64] | None]) -> None:
        """Move texts to their places, remove those without one, and remember what is taken."""
        back = self._axes.transData.inverted()
        for text, where in zip(written, places, strict=True):
            if where is None:
                text.remove()
                continue
            text.set_position(tuple(back.transform((where[:2] + where[2:]) / 2)))
            self._taken = np.vstack([self._taken, where])
