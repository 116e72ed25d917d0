"""k-means by scikit-learn, whose result does not depend on the order of the texts."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evalkit.types import Vectors

__all__ = ["assign_clusters"]

SPARSE = 0.05
"""Vectors with fewer non-zero values than this share (word counts) are fitted as a sparse matrix."""


def assign_clusters(
    unit: Vectors, rows: NDArray[np.int64], n_clusters: int, seed: int, *, starts: int
) -> NDArray[np.int32]:
    """Clusters of all texts, fitted on some of them.

    Parameters
    ----------
    unit
        (N, d) float32 vectors.
    rows
        (F,) int64 texts to fit on, F of at least `n_clusters`; the starts are drawn in this order.
    n_clusters
        k.
    seed
        Seeds the k-means++ starts.
    starts
        Number of starts; the one of least inertia is kept.

    Returns
    -------
    ndarray
        (N,) int32 codes 0 … k − 1, of which some stay unused where fewer than k vectors differ.

    References
    ----------
    Arthur & Vassilvitskii 2007, "k-means++: The advantages of careful seeding", SODA.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    fitted = unit[rows]
    thin = np.count_nonzero(fitted) < SPARSE * fitted.size
    model = KMeans(n_clusters, n_init=starts, random_state=seed, copy_x=False)
    # One thread: two that wait for each other in a loop take ten times the processor time.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct vectors than clusters: the caller warns
        model.fit(sparse.csr_matrix(fitted) if thin else fitted)
        return np.asarray(model.predict(unit), dtype=np.int32)
