"""UMAP's layout of a large corpus: as `layout.lay_out`, on two threads and in single precision.

The texts are split in two parts, and each thread moves those of its own. Within an epoch it sees its own part as it
moves and the other as it stood when the epoch began, and what an edge does to a text of the other part is added when
both are done. So the map depends on the seed and not on which thread was faster.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from evalkit.projections.layout import LARGEST_STEP, draw
from evalkit.runtime.compiled import compiled

__all__ = ["lay_out_parts"]

Singles = NDArray[np.float32]

PARTS = 2
"""Fixed: another number of parts would be another map."""


def lay_out_parts(
    points: Singles,
    heads: NDArray[np.int32],
    tails: NDArray[np.int32],
    periods: NDArray[np.float64],
    states: NDArray[np.int64],
    curve: tuple[float, float],
    epochs: int,
    negatives: int,
) -> None:
    """Move `points` in place: edges attract as often as their weight says, random texts repel.

    Parameters
    ----------
    points, tails, states, curve, epochs, negatives
        As in `layout.lay_out`.
    heads
        (E,) ascending.
    periods
        (E,) epochs between two samples of an edge, 1 for the strongest.

    References
    ----------
    As umap-learn's, with the updates between the parts collected as in uwot's batch mode (Melville 2021).
    """
    single = periods.astype(np.float32)
    due, spacing = single.copy(), single / np.float32(negatives)
    due_negative = spacing.copy()
    cuts = heads[np.linspace(0, heads.size - 1, PARTS + 1).astype(np.int64)].astype(np.int64)
    cuts[0], cuts[-1] = 0, len(points)
    edges = np.searchsorted(heads, cuts)
    a, b = np.float32(curve[0]), np.float32(curve[1])
    pushed = [np.zeros_like(points) for _ in range(PARTS)]
    with ThreadPoolExecutor(PARTS) as pool:
        for epoch in range(epochs):
            before = points.copy()
            step = np.float32(1.0 - max(epoch - 1, 0) / epochs)

            def move(part: int, before: Singles = before, step: np.float32 = step, epoch: int = epoch) -> None:
                pushed[part][:] = 0.0
                _move(
                    points, before, pushed[part], heads, tails, single, spacing, due, due_negative, states,
                    (a, b), step, np.float32(epoch), (cuts[part], cuts[part + 1]), (edges[part], edges[part + 1]),
                )  # fmt: skip

            list(pool.map(move, range(PARTS)))
            for moved in pushed:
                np.add(points, moved, out=points)


@compiled
def _clip(step: np.float32) -> np.float32:
    return min(max(step, np.float32(-LARGEST_STEP)), np.float32(LARGEST_STEP))


@compiled
def _move(
    points: Singles,
    before: Singles,
    pushed: Singles,
    heads: NDArray[np.int32],
    tails: NDArray[np.int32],
    periods: Singles,
    spacing: Singles,
    due: Singles,
    due_negative: Singles,
    states: NDArray[np.int64],
    curve: tuple[np.float32, np.float32],
    step: np.float32,
    epoch: np.float32,
    own: tuple[int, int],
    edges: tuple[int, int],
) -> None:
    """One epoch of the edges whose heads lie in `own`; what they do to others goes to `pushed`."""
    a, b = curve
    nothing, one, two, least = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(0.001)
    n = points.shape[0]
    first, past = own
    for edge in range(edges[0], edges[1]):
        if due[edge] > epoch:
            continue
        j, k = heads[edge], tails[edge]
        here = first <= k < past
        seen = points if here else before
        x, y = points[j, 0] - seen[k, 0], points[j, 1] - seen[k, 1]
        square = x * x + y * y
        if square > nothing:
            power = square**b
            pull = -two * a * b * power / (square * (a * power + one))
            move_x, move_y = step * _clip(pull * x), step * _clip(pull * y)
            points[j, 0] += move_x
            points[j, 1] += move_y
            moved = points if here else pushed
            moved[k, 0] -= move_x
            moved[k, 1] -= move_y
        due[edge] += periods[edge]
        drawn = int((epoch - due_negative[edge]) / spacing[edge])
        for _ in range(drawn):
            k = ((np.int64(draw(states[j])) & 0xFFFFFFFF) * n) >> 32
            seen = points if first <= k < past else before
            x, y = points[j, 0] - seen[k, 0], points[j, 1] - seen[k, 1]
            square = x * x + y * y
            if square > nothing:
                push = two * b / ((least + square) * (a * square**b + one))
                points[j, 0] += step * _clip(push * x)
                points[j, 1] += step * _clip(push * y)
        due_negative[edge] += np.float32(drawn) * spacing[edge]
