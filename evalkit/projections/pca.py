"""Principal components: the linear map, the start of the other two, and what runs on fewer than ten texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import NeighbourGraph, Points, Projection, Vectors

__all__ = ["SMALL_CORPUS", "needs", "principal_plane", "project", "project_few"]

SMALL_CORPUS = 10
"""Below so many texts, neighbour-based projections have nothing to work with: PCA runs instead."""

DENSE_SIDE = 2_048  # up to here the exact eigenvectors of the smaller of the two Gram matrices are cheap
BLOCK_ROWS = 65_536
NEGLIGIBLE = 1e-12  # share of the mean squared length below which a variance is float32 rounding noise


def needs(n: int) -> int:  # noqa: ARG001 (every projection is asked in the same way)
    """Neighbours wanted for `n` texts: none."""
    return 0


def project(unit: Vectors, graph: NeighbourGraph, *, seed: int) -> Projection:  # noqa: ARG001
    """The first two principal components of the unit vectors.

    Parameters
    ----------
    unit
        (N, d) float32 of length 1.
    graph
        Not looked at.
    seed
        Seeds the randomised solver, which runs only where both N and d exceed 2,048; else the map is the same
        for every seed, and ``parameters["solver"]`` says ``exact``.

    Returns
    -------
    Projection
        Each component's sign is fixed by its largest loading, which is positive.

    References
    ----------
    Jolliffe 2002, "Principal Component Analysis". Halko, Martinsson & Tropp 2011, "Finding structure with
    randomness", SIAM Review 53 (the randomised solver).
    """
    points, share = principal_plane(unit, seed=seed)
    solver = "exact" if min(unit.shape) <= DENSE_SIDE else "randomised"
    return Projection("pca", points, seed, {"explained_variance": share, "solver": solver})


def project_few(unit: Vectors, graph: NeighbourGraph, *, seed: int, asked: str) -> Projection:
    """PCA in place of a projection that needs at least ten texts, with a sentence that says so."""
    drawn = project(unit, graph, seed=seed)
    warning = (
        f"{asked} was asked for, but {len(unit)} texts are fewer than the {SMALL_CORPUS} it needs: the map is a PCA."
    )
    return Projection(drawn.name, drawn.points, seed, drawn.parameters, (warning,))


def principal_plane(vectors: Vectors, *, seed: int) -> tuple[Points, float]:
    """First two principal components' scores, and the share of the variance that they explain.

    Parameters
    ----------
    vectors
        (N, d) float32, not centred.
    seed
        Of the randomised solver, where that is needed.

    Returns
    -------
    tuple
        (N, 2) float64 with mean 0; a component without variance is 0 everywhere (all vectors equal, one
        dimension). The share is 0 where there is no variance at all.
    """
    n, d = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    floor = NEGLIGIBLE * _squared_lengths(vectors)
    if min(n, d) > DENSE_SIDE:
        scores, axes, total = _randomised(vectors, mean, seed)
    elif d <= n:
        scores, axes, total = _by_covariance(vectors, mean)
    else:
        scores, axes, total = _by_gram(vectors, mean)
    scores = scores * np.where(np.square(scores).sum(axis=0) > floor, _signs(axes), 0.0)
    points = np.zeros((n, 2))
    points[:, : scores.shape[1]] = scores
    return points, float(min(1.0, np.square(points).sum() / total)) if total > floor else 0.0


def _squared_lengths(vectors: Vectors) -> float:
    return sum(
        float(np.square(vectors[start : start + BLOCK_ROWS]).sum(dtype=np.float64))
        for start in range(0, len(vectors), BLOCK_ROWS)
    )


def _by_covariance(vectors: Vectors, mean: NDArray[np.float64]) -> tuple[Points, NDArray[np.float64], float]:
    middle = mean.astype(np.float32)
    scatter = np.zeros((mean.size, mean.size))
    for start in range(0, len(vectors), BLOCK_ROWS):  # float32 products, summed in float64
        centred = vectors[start : start + BLOCK_ROWS] - middle
        scatter += centred.T @ centred
    _, axes = _leading(scatter)
    blocks = range(0, len(vectors), BLOCK_ROWS)
    scores = np.concatenate([(vectors[start : start + BLOCK_ROWS] - mean) @ axes for start in blocks])
    return scores, axes, float(np.trace(scatter))


def _by_gram(vectors: Vectors, mean: NDArray[np.float64]) -> tuple[Points, NDArray[np.float64], float]:
    centred = vectors - mean.astype(np.float32)
    gram = (centred @ centred.T).astype(np.float64)
    values, left = _leading(gram)
    return left * np.sqrt(np.maximum(values, 0.0)), centred.T @ left, float(np.trace(gram))


def _randomised(vectors: Vectors, mean: NDArray[np.float64], seed: int) -> tuple[Points, NDArray[np.float64], float]:
    from sklearn.utils.extmath import randomized_svd

    centred = vectors - mean.astype(np.float32)
    left, singular, right = randomized_svd(centred, 2, n_iter=7, random_state=seed)
    total = float(np.square(centred).sum(dtype=np.float64))
    return left.astype(np.float64) * singular, right.T.astype(np.float64), total


def _leading(gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two largest eigenvalues of a symmetric matrix, largest first, and their vectors as columns."""
    from scipy.linalg import eigh

    side = len(gram)
    values, axes = eigh(gram, subset_by_index=[max(0, side - 2), side - 1])
    return values[::-1], axes[:, ::-1]


def _signs(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return np.where(largest < 0, -1.0, 1.0)
