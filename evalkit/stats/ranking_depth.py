"""Number of neighbours of each text that the neighbour scores read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes

__all__ = ["graph_depth", "r_places"]

LONGEST_R, CAPPED_R = 2048, 1000


def r_places(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """R of every label: its size less one, or at most 1,000 for all where a label has more than 2,049 texts.

    Parameters
    ----------
    sizes
        (n_labels,) texts of each label.

    Returns
    -------
    tuple
        (n_labels,) int64 places (0 for a label of one text), and whether the cap was applied.
    """
    places = np.maximum(np.asarray(sizes, dtype=np.int64) - 1, 0)
    capped = bool(places.size and places.max() > LONGEST_R)
    return (np.minimum(places, CAPPED_R) if capped else places), capped


def graph_depth(labels: Codes, ks: Sequence[int]) -> int:
    """Neighbours a text that the scores and, with one more, their jackknife need; at most N − 1.

    Parameters
    ----------
    labels
        (N,) label codes.
    ks
        The K of precision at K; hubness and faithfulness need 10 neighbours in any case.
    """
    places, _ = r_places(np.bincount(labels))
    deepest = max([10, int(places.max()), *ks])
    return int(min(deepest + 1, labels.size - 1))
