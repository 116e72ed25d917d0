"""Places for words and names on a map, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]  # (n, 4): left, bottom, right, top in pixels
CELLS = 40  # a side of the grid on which a topic's densest place is looked for

DIRECTIONS = np.array(
    # Right of the point reads best; then left, above, below, and the slants.
    [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1),
     (1, 0.5), (1, -0.5), (-1, 0.5), (-1, -0.5), (0.5, 1), (-0.5, 1), (0.5, -1), (-0.5, -1)]
)  # fmt: skip


def overlaps(box: NDArray[np.float64], others: Boxes) -> NDArray[np.float64]:
    """Return the (n,) areas that `box` (4,), or (c, 4) boxes as (c, n), share with each of `others` (n, 4)."""
    box = box[..., None, :]
    wide = np.minimum(box[..., 2], others[:, 2]) - np.maximum(box[..., 0], others[:, 0])
    high = np.minimum(box[..., 3], others[:, 3]) - np.maximum(box[..., 1], others[:, 1])
    return np.asarray(np.maximum(wide, 0) * np.maximum(high, 0))


def place(
    anchors: NDArray[np.float64],
    sizes: NDArray[np.float64],
    obstacles: Boxes,
    bounds: tuple[float, float, float, float],
    *,
    distances: Sequence[float],
    centred: bool = False,
    always: bool = True,
) -> list[NDArray[np.float64] | None]:
    """Place a box of each of the (n, 2) sizes near its anchor, all in pixels; the first have the first choice.

    Each takes the first free place round its anchor, ring by ring at the given `distances`, or with `centred` upon it:
    free of obstacles, of the boxes placed before, and inside the bounds (left, bottom, right, top). Where no place is
    free it takes `always` the one that covers least, else none.
    """
    count = len(obstacles)
    taken = np.vstack([obstacles, np.empty((len(anchors), 4))])
    placed: list[NDArray[np.float64] | None] = []
    for tried in _candidates(anchors, sizes, distances, centred):
        outside = np.maximum(bounds[:2] - tried[:, :2], 0) + np.maximum(tried[:, 2:] - bounds[2:], 0)
        cost = overlaps(tried, taken[:count]).sum(axis=1) + 1e3 * outside.sum(axis=1)
        best = int(np.argmin(cost))  # the first of equals: the order of the candidates is the preference
        if cost[best] > 0 and not always:
            placed.append(None)
            continue
        taken[count] = tried[best]
        count += 1
        placed.append(tried[best])
    return placed


def anchors(points: NDArray[np.float64], labels: NDArray[np.integer[Any]], *, few: bool) -> NDArray[np.float64]:
    """Return the (k, 2) places that the names of labels 0 … k − 1 belong to.

    With `few` texts that is the mean of a label's points. Else it is where they are densest: a topic that is scattered
    over several islands has its mean and median between them.
    """
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    return np.array([points[rows].mean(axis=0) if few else _densest(points[rows], points) for rows in members])


def _densest(members: NDArray[np.float64], everything: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middle of the place where a topic's (m, 2) texts are densest, on a grid over all (N, 2) texts."""
    from scipy.ndimage import gaussian_filter

    low = everything.min(axis=0)
    reach = np.maximum(everything.max(axis=0) - low, 1e-12)
    cells = np.minimum((members - low) / reach * CELLS, CELLS - 1).astype(np.int64)
    crowd = np.zeros((CELLS, CELLS))
    np.add.at(crowd, (cells[:, 0], cells[:, 1]), 1.0)
    peak = int(np.argmax(gaussian_filter(crowd, 1.2)[cells[:, 0], cells[:, 1]]))
    near = np.abs(cells - cells[peak]).max(axis=1) <= 1
    return np.asarray(members[near].mean(axis=0))


def _candidates(
    anchors: NDArray[np.float64], sizes: NDArray[np.float64], distances: Sequence[float], centred: bool
) -> NDArray[np.float64]:
    """Boxes to try, (n, c, 4), those of each anchor in the order of preference."""
    half = sizes[:, None, :] / 2
    reaches = half[:, :, None, :] + np.asarray(distances)[:, None, None]
    centres = anchors[:, None, :] + (DIRECTIONS * reaches).reshape(len(anchors), -1, 2)
    if centred:
        centres = np.concatenate([anchors[:, None, :], centres], axis=1)
    return np.concatenate([centres - half, centres + half], axis=2)
