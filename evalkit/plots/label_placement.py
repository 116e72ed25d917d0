"""Places for words and names on a map, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Boxes", "anchors", "overlaps", "place"]

Boxes = NDArray[np.float64]
"""(n, 4) float64: left, bottom, right, top in pixels."""

_CELLS = 40  # a side of the grid on which a topic's densest place is looked for

_DIRECTIONS = np.array(
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
    """Place one box an anchor, in the order given (the first have the first choice).

    Each takes the first free place among those round its anchor, nearest ring first: free of obstacles, of the boxes
    placed before, and inside the bounds.

    Parameters
    ----------
    anchors, sizes
        (n, 2) pixels: the point that each box belongs to, and the box's width and height.
    obstacles
        (m, 4) boxes to keep clear of.
    bounds
        Left, bottom, right, top of the room.
    distances
        Gaps in pixels between anchor and box, ring by ring.
    centred
        Try first to put the box upon its anchor.
    always
        Where no place is free, take the one that covers least; else leave the box out (None).
    """
    count = len(obstacles)
    taken = np.vstack([np.reshape(obstacles, (-1, 4)), np.empty((len(anchors), 4))])
    wanted = _candidates(anchors, sizes, distances, centred)
    placed: list[NDArray[np.float64] | None] = []
    for tried, beyond in zip(wanted, _outside(wanted, bounds), strict=True):
        cost = overlaps(tried, taken[:count]).sum(axis=1) + 1e3 * beyond
        best = int(np.argmin(cost))  # the first of equals: the order of the candidates is the preference
        if cost[best] > 0 and not always:
            placed.append(None)
            continue
        taken[count] = tried[best]
        count += 1
        placed.append(tried[best])
    return placed


def anchors(points: NDArray[np.float64], labels: NDArray[np.integer[Any]], *, few: bool) -> NDArray[np.float64]:
    """Return the (k, 2) places that the label names belong to.

    With `few` texts that is the mean of a label's points. Else it is where they are densest: a topic that is scattered
    over several islands has its mean and median between them.

    Parameters
    ----------
    points
        (N, 2).
    labels
        (N,) codes 0 … k − 1, each at least once.
    """
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    return np.array([points[rows].mean(axis=0) if few else _densest(points[rows], points) for rows in members])


def _densest(members: NDArray[np.float64], everything: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middle of the place where a topic's (m, 2) texts are densest, on a grid over all (N, 2) texts."""
    from scipy.ndimage import gaussian_filter

    low = everything.min(axis=0)
    reach = np.maximum(everything.max(axis=0) - low, 1e-12)
    cells = np.minimum((members - low) / reach * _CELLS, _CELLS - 1).astype(np.int64)
    crowd = np.zeros((_CELLS, _CELLS))
    np.add.at(crowd, (cells[:, 0], cells[:, 1]), 1.0)
    smooth = gaussian_filter(crowd, 1.2)
    peak = int(np.argmax(smooth[cells[:, 0], cells[:, 1]]))
    near = np.abs(cells - cells[peak]).max(axis=1) <= 1
    return np.asarray(members[near].mean(axis=0))


def _outside(boxes: NDArray[np.float64], bounds: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Pixels by which each of (n, c, 4) boxes reaches out of bounds: (n, c)."""
    below = np.maximum(bounds[:2] - boxes[..., :2], 0).sum(axis=-1)
    return np.asarray(below + np.maximum(boxes[..., 2:] - bounds[2:], 0).sum(axis=-1))


def _candidates(
    anchors: NDArray[np.float64], sizes: NDArray[np.float64], distances: Sequence[float], centred: bool
) -> NDArray[np.float64]:
    """Boxes to try, (n, c, 4), those of each anchor in the order of preference."""
    half = sizes[:, None, :] / 2
    reaches = half[:, :, None, :] + np.asarray(distances)[:, None, None]
    centres = anchors[:, None, :] + (_DIRECTIONS * reaches).reshape(len(anchors), -1, 2)
    if centred:
        centres = np.concatenate([anchors[:, None, :], centres], axis=1)
    return np.concatenate([centres - half, centres + half], axis=2)
