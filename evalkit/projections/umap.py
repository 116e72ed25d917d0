"""UMAP on a given neighbour graph, by umap-learn."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.neighbours.exact import COSINE_TOLERANCE
from evalkit.projections.pca import SMALL_CORPUS, project_few, start
from evalkit.types import NeighbourGraph, Projection, Vectors

Metric = Literal["cosine", "euclidean"]
Initialisation = Literal["auto", "spectral", "pca"]

# The eigenvectors of a larger graph take longer than its layout, and √N Lanczos vectors of length N of memory.
SPECTRAL_TEXTS = 20_000


def needs(n: int, *, n_neighbors: int = 15) -> int:
    """Number of neighbours that `project` uses for `n` texts: `n_neighbors` counts the text itself."""
    return 0 if n < SMALL_CORPUS else min(n_neighbors, n - 1) - 1


def project(
    unit: Vectors,
    graph: NeighbourGraph,
    *,
    seed: int,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    spread: float = 1.0,
    metric: Metric = "cosine",
    initialisation: Initialisation = "auto",
    epochs: int | None = None,
    negative_samples: int = 5,
) -> Projection:
    """Uniform manifold approximation and projection, in the plane.

    Parameters
    ----------
    unit, graph
        (N, d) float32 of length 1, and the neighbours of every text, exact or approximate.
    seed
        Seeds the start and the sampled repulsion.
    n_neighbors
        Size of a text's neighbourhood, the text included; lowered to N − 1.
    min_dist, spread
        How close texts may lie on the map, and its scale.
    metric
        ``cosine`` is 1 − cosine, ``euclidean`` √(2 − 2·cosine): the same neighbours, other memberships.
    initialisation
        ``spectral``: the graph's leading eigenvectors. ``pca``: principal components. ``auto``: spectral up to
        20,000 texts, else pca.
    epochs
        None means 500 up to 10,000 texts, 200 above.
    negative_samples
        Number of repelling texts drawn for each attraction.

    Returns
    -------
    Projection
        ``pca`` below 10 texts.

    References
    ----------
    McInnes, Healy & Melville 2018, arXiv:1802.03426. Kobak & Linderman 2021, Nature Biotechnology 39 (principal
    components are as good a start).
    """
    _check(n_neighbors, min_dist, spread, epochs, negative_samples)
    if len(unit) < SMALL_CORPUS:
        return project_few(unit, graph, seed=seed, requested="UMAP")
    lowered: tuple[str, ...] = ()
    size, listed = min(n_neighbors, len(unit) - 1), graph.indices.shape[1]
    if listed < size - 1:
        lowered = (f"UMAP's n_neighbors was lowered from {size} to {listed + 1}: the graph lists no more.",)
        size = listed + 1
    if initialisation == "auto":
        initialisation = "spectral" if len(unit) <= SPECTRAL_TEXTS else "pca"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # TensorFlow is missing, which only parametric maps need
        # A graph comes without the index that placing new texts would need.
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]", category=UserWarning)
        from umap import UMAP

        model = UMAP(
            n_neighbors=size,
            min_dist=min_dist,
            spread=spread,
            metric=metric,
            init="spectral" if initialisation == "spectral" else start(unit, seed),
            n_epochs=epochs,
            negative_sample_rate=negative_samples,
            precomputed_knn=_neighbours(graph, size, metric),
            disconnection_distance=np.inf,
            random_state=seed % 2**32,
            n_jobs=1,
        )
        points = np.asarray(model.fit_transform(unit), dtype=np.float64)
    if not np.isfinite(points).all():
        raise EvaluationError("UMAP diverged, its points are not finite: choose another seed, n_neighbors or min_dist.")
    parameters = {
        "n_neighbors": size,
        "min_dist": min_dist,
        "spread": spread,
        "metric": metric,
        "initialisation": initialisation,
        "epochs": epochs if epochs is not None else (500 if len(unit) <= 10_000 else 200),
        "negative_samples": negative_samples,
        "exact_neighbours": graph.exact,
    }
    return Projection("umap", points, seed, parameters, lowered)


def _neighbours(graph: NeighbourGraph, size: int, metric: Metric) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(N, size) text numbers and distances, each text first in its own list."""
    distances = 1.0 - graph.similarities[:, : size - 1]
    distances[distances < COSINE_TOLERANCE] = 0.0  # of equal vectors, in float32
    if metric == "euclidean":
        distances = np.sqrt(2.0 * distances)
    own = np.arange(graph.size, dtype=np.int32)[:, None]
    return np.hstack([own, graph.indices[:, : size - 1]]), np.pad(distances, ((0, 0), (1, 0))).astype(np.float32)


def _check(n_neighbors: int, min_dist: float, spread: float, epochs: int | None, negative_samples: int) -> None:
    """Refuse parameters out of range."""
    if n_neighbors < 2 or spread <= 0 or not 0 <= min_dist <= spread or negative_samples < 1 or (epochs or 0) < 0:
        raise RequestError(
            "UMAP needs n_neighbors of 2 or more, 0 <= min_dist <= spread, 1 or more negative_samples and epochs of 0 "
            f"or more, found n_neighbors={n_neighbors}, min_dist={min_dist}, spread={spread}, "
            f"negative_samples={negative_samples}, epochs={epochs}: correct the projection's settings."
        )
