"""Principal components: the linear map, the start of the other two, and the map of fewer than ten texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.types import NeighbourGraph, Points, Projection, Vectors

SMALL_CORPUS = 10  # below so many texts t-SNE and UMAP have no neighbourhoods, and PCA takes their place
DENSE_SIDE = 2_048  # up to here the exact eigenvectors of the smaller of the two Gram matrices are cheap
BLOCK_ROWS = 65_536
NEGLIGIBLE = 1e-12  # share of the mean squared length below which a variance is float32 rounding noise
JITTER = 0.01  # share of the start's spread that the seed draws; it separates equal texts


def needs(n: int) -> int:  # noqa: ARG001 (all projections share the signature)
    """Number of neighbours that `project` uses for `n` texts: none."""
    return 0


def project(unit: Vectors, graph: NeighbourGraph, *, seed: int) -> Projection:  # noqa: ARG001
    """The first two principal components of the unit vectors; the largest loading of each is positive.

    Parameters
    ----------
    unit, graph
        (N, d) float32 of length 1; the graph is unused.
    seed
        Seeds the randomised solver, which runs only where both N and d exceed 2,048. Elsewhere the map is the same
        for every seed, and ``parameters["solver"]`` is ``exact``.

    References
    ----------
    Jolliffe 2002, "Principal Component Analysis". Halko, Martinsson & Tropp 2011, "Finding structure with
    randomness", SIAM Review 53 (the randomised solver).
    """
    points, share = principal_plane(unit, seed=seed)
    solver = "exact" if min(unit.shape) <= DENSE_SIDE else "randomised"
    return Projection("pca", points, seed, {"explained_variance": share, "solver": solver})


def project_few(unit: Vectors, graph: NeighbourGraph, *, seed: int, requested: str) -> Projection:
    """PCA in place of the `requested` projection, which needs at least ten texts, with a warning."""
    warning = (
        f"{requested} was asked for, but {len(unit)} texts are fewer than the {SMALL_CORPUS} it needs: "
        "the map is a PCA."
    )
    return replace(project(unit, graph, seed=seed), warnings=(warning,))


def start(unit: Vectors, seed: int) -> Points:
    """Start of an iterative projection: the principal plane, its first axis of deviation 1, and a jitter of 1 %.

    A Gaussian where all texts are equal.
    """
    plane, _ = principal_plane(unit, seed=seed)
    noise = np.random.default_rng(seed).normal(size=plane.shape)
    spread = float(plane[:, 0].std())
    return noise if spread == 0.0 else plane / spread + JITTER * noise


def principal_plane(vectors: Vectors, *, seed: int) -> tuple[Points, float]:
    """(N, 2) scores of the first two principal components, and the share of the variance that they explain.

    A component without variance is 0 everywhere (all vectors equal, one dimension). Not scikit-learn's PCA: in float64
    it copies a million vectors, in float32 it loses digits, and either differs by enough for another t-SNE map.
    """
    n, d = vectors.shape
    blocks = [slice(first, first + BLOCK_ROWS) for first in range(0, n, BLOCK_ROWS)]
    mean = vectors.mean(axis=0, dtype=np.float64)
    middle = mean.astype(np.float32)
    floor = NEGLIGIBLE * sum(float(np.square(vectors[block]).sum(dtype=np.float64)) for block in blocks)
    if min(n, d) > DENSE_SIDE:
        from sklearn.utils.extmath import randomized_svd

        centred = vectors - middle
        left, singular, right = randomized_svd(centred, 2, n_iter=7, random_state=seed)
        scores, axes = left.astype(np.float64) * singular, right.T.astype(np.float64)
        total = float(np.square(centred).sum(dtype=np.float64))
    elif d <= n:
        scatter = np.zeros((d, d))
        for block in blocks:  # float32 products, summed in float64
            centred = vectors[block] - middle
            scatter += centred.T @ centred
        _, axes = _leading(scatter)
        scores = np.concatenate([(vectors[block] - mean) @ axes for block in blocks])
        total = float(np.trace(scatter))
    else:
        centred = vectors - middle
        gram = (centred @ centred.T).astype(np.float64)
        values, vectors_of_gram = _leading(gram)
        scores, axes = vectors_of_gram * np.sqrt(np.maximum(values, 0.0)), centred.T @ vectors_of_gram
        total = float(np.trace(gram))
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    signs = np.where(largest < 0, -1.0, 1.0)
    points = np.zeros((n, 2))
    points[:, : scores.shape[1]] = scores * np.where(np.square(scores).sum(axis=0) > floor, signs, 0.0)
    return points, float(min(1.0, np.square(points).sum() / total)) if total > floor else 0.0


def _leading(gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two largest eigenvalues of a symmetric matrix, largest first, and their vectors as columns."""
    from scipy.linalg import eigh

    side = len(gram)
    values, axes = eigh(gram, subset_by_index=[max(0, side - 2), side - 1])
    return values[::-1], axes[:, ::-1]
