"""k-means clusters of all texts, fitted on all or on some."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.few_means import cluster_few
from evalkit.types import Vectors

__all__ = ["assign_clusters"]

MANY_VALUES = 1_000_000
FEW = 128  # up to so many texts scikit-learn checks its arguments for longer than it computes
THIN = 0.05


def assign_clusters(
    unit: Vectors, n_clusters: int, rng: np.random.Generator, *, starts: int = 10, rows: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """k-means clusters of all texts.

    Parameters
    ----------
    unit
        (N, d) vectors.
    n_clusters
        k.
    rng
        Seeds the starts.
    starts
        How many; the one of least inertia is kept.
    rows
        Texts to fit on; None fits on all.

    Returns
    -------
    tuple
        (N,) cluster codes, and sentences for the record.
    """
    seed = int(rng.integers(2**31))
    clusters = cluster_few(unit, n_clusters, starts, seed) if rows is None and len(unit) <= FEW else None
    if clusters is None:
        clusters = _cluster(unit, n_clusters, starts, seed, rows)
    found = np.unique(clusters).size
    if found < n_clusters:
        return clusters, (f"k-means found {found} groups for {n_clusters} labels: too few vectors differ.",)
    return clusters, ()


def _cluster(
    unit: Vectors, n_clusters: int, starts: int, seed: int, rows: NDArray[np.int64] | None
) -> NDArray[np.int32]:
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    fitted = _thin(unit if rows is None else unit[rows])
    large = fitted.shape[0] * fitted.shape[1] >= MANY_VALUES
    # On little data a second thread costs more than it helps.
    with warnings.catch_warnings(), threadpool_limits(limits=1 if fitted.size < 1e6 else None):
        # Fewer different vectors than labels: said below, in the record.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if large and isinstance(fitted, np.ndarray):
            return _fit_dense(fitted, n_clusters, starts, seed, None if rows is None else unit)
        model = (_fit_sparse if large else _fit)(fitted, n_clusters, starts, seed)
        return np.asarray(model.labels_ if rows is None else model.predict(unit), dtype=np.int32)


def _fit(vectors: Any, n_clusters: int, starts: int, seed: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(n_clusters=n_clusters, n_init=starts, random_state=seed).fit(vectors)


def _fit_sparse(vectors: Any, n_clusters: int, starts: int, seed: int) -> Any:
    """As `_fit`, the starts drawn in double precision.

    scikit-learn converts single precision anew for every centre that it draws, which costs more than all of the
    rounds that follow: 17 of 22 s for three times 100 clusters of 20,000 × 384.
    """
    from sklearn.cluster import KMeans, kmeans_plusplus

    exact = vectors.astype(np.float64)
    best = None
    for number in range(starts):
        centres, _ = kmeans_plusplus(exact, n_clusters, random_state=(seed + number) % 2**32)
        model = KMeans(n_clusters=n_clusters, init=centres.astype(vectors.dtype), n_init=1).fit(vectors)
        if best is None or model.inertia_ < best.inertia_:
            best = model
    return best


def _fit_dense(vectors: Vectors, n_clusters: int, starts: int, seed: int, every: Vectors | None) -> NDArray[np.int32]:
    """As `_fit_sparse`, all starts at once; clusters of `vectors`, or of `every` text where that is given."""
    from evalkit.metrics.lloyd import draw_starts, fit_starts, nearest_centres

    seeds = [(seed + number) % 2**32 for number in range(starts)]
    clusters, centres = fit_starts(vectors, draw_starts(vectors.astype(np.float64), n_clusters, seeds))
    return clusters if every is None else nearest_centres(every, centres)


def _thin(unit: Vectors) -> Any:
    """Word counts are nearly all zeros: as a sparse matrix they cost what is in them, and give the same clusters."""
    from scipy import sparse

    if unit.size < MANY_VALUES or np.count_nonzero(unit) > THIN * unit.size:
        return unit
    return sparse.csr_matrix(unit)
