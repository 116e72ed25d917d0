"""Confusion of labels: the labels of each label's nearest texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes, NeighbourGraph

__all__ = ["neighbour_confusion"]


def neighbour_confusion(graph: NeighbourGraph, labels: Codes, n_labels: int, *, k: int = 10) -> NDArray[np.float64]:
    """Share of the K nearest texts of label a's texts that bear label b.

    Parameters
    ----------
    graph
        Neighbours in the embedding; of every text, or of sampled query rows.
    labels
        (N,) label codes.
    n_labels
        Number of labels k.
    k
        K; clipped to the graph's depth.

    Returns
    -------
    ndarray
        (n_labels, n_labels) float64; row a sums to 1 (0 where no query row bears a). The diagonal is the label's
        precision at K, but for ties, which the score averages over and this table takes in the graph's order.
    """
    k = min(k, graph.indices.shape[1])
    own = labels if graph.queries is None else labels[graph.queries]
    near = labels[np.asarray(graph.indices[:, :k])]
    flat = own[:, None].astype(np.int64) * n_labels + near
    counts = np.bincount(flat.ravel(), minlength=n_labels * n_labels).reshape(n_labels, n_labels)
    totals = counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    return shares
