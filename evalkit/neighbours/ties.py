"""Groups of equally near texts: one shared similarity, one order, and the ties across the last listed place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Ties


def share_ties(found: NDArray[Any], values: NDArray[Any], tolerance: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give every group of tied texts the similarity of its first one, and sort the group by text number.

    A group holds the descending similarities `values` (B, K) within `tolerance` of its first. Numbers become int64.
    """
    columns = np.ascontiguousarray(values.T)
    anchor = columns[0].copy()
    groups = np.zeros(columns.shape, dtype=np.int64)
    for place in range(1, columns.shape[0]):
        fresh = columns[place] < anchor - tolerance
        np.copyto(anchor, columns[place], where=fresh)
        columns[place] = anchor
        groups[place] = groups[place - 1] + fresh
    keys = np.ascontiguousarray(((groups << 32) | found.T.astype(np.int64)).T)
    keys.sort(axis=1)
    return keys & 0xFFFFFFFF, np.ascontiguousarray(columns.T)


class TieLists:
    """Ranks complete rows of similarities, and collects the ties across the last listed place."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, NDArray[np.int32], bool, int]] = []

    def rank(
        self, complete: NDArray[Any], texts: NDArray[np.int64], k: int, tolerance: float, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """(B, k) nearest texts and shared similarities of complete (B, N) rows, which are modified.

        `texts` are those of the rows, no neighbours of their own; `positions` the rows' places in the graph.
        """
        complete[np.arange(texts.size), texts] = -np.inf
        n = complete.shape[1]
        found = np.argpartition(complete, n - k, axis=1)[:, n - k :]
        values = np.take_along_axis(complete, found, axis=1)
        order = np.argsort(-values, axis=1)
        found, values = np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)
        found, shared = share_ties(found, values, tolerance)
        near = np.count_nonzero(complete >= shared[:, -1:] - tolerance, axis=1)
        for row in np.flatnonzero(near > k):
            self.record(complete[row], int(positions[row]), found[row], shared[row], tolerance)
        return found.astype(np.int32), shared.astype(np.float32)

    def record(
        self, similarities: NDArray[Any], position: int, listed: NDArray[Any], shared: NDArray[Any], tolerance: float
    ) -> None:
        """Keep the ties across the last place of the row at `position`, of complete `similarities`.

        Of the tied, those with the lowest numbers are put into the (K,) `listed`; `shared` are its similarities.
        """
        anchor = shared[-1]
        first = int(np.searchsorted(-shared, -anchor))
        near = similarities >= anchor - tolerance
        near[listed[:first]] = False
        tied = np.flatnonzero(near)
        room = listed.size - first
        if tied.size <= room:
            return
        listed[first:] = tied[:room]
        farther = np.flatnonzero((similarities < anchor - tolerance) & np.isfinite(similarities))
        complement = farther.size < tied.size - room
        members = (farther if complement else tied[room:]).astype(np.int32)
        self._kept.append((position, members, complement, tied.size - room))

    def freeze(self) -> Ties:
        """The collected ties as arrays."""
        return Ties(
            rows=np.array([position for position, *_ in self._kept], dtype=np.int64),
            starts=np.cumsum([0, *(members.size for _, members, *_ in self._kept)], dtype=np.int64),
            members=np.concatenate([np.zeros(0, dtype=np.int32), *(members for _, members, *_ in self._kept)]),
            complement=np.array([complement for *_, complement, _ in self._kept], dtype=np.bool_),
            counts=np.array([count for *_, count in self._kept], dtype=np.int64),
        )
