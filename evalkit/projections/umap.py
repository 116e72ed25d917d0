"""UMAP on the given neighbour graph: the fuzzy graph, its start, its layout."""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.projections.pca import SMALL_CORPUS, principal_plane, project_few
from evalkit.types import NeighbourGraph, Points, Projection, Vectors

__all__ = ["needs", "project"]

Metric = Literal["cosine", "euclidean"]
Initialisation = Literal["auto", "spectral", "pca"]

SPECTRAL_TEXTS = 20_000  # the eigenvectors of a larger graph take longer than its layout
MANY_TEXTS = 10_000  # umap-learn's: 500 epochs up to here, 200 above
ONE_THREAD_TEXTS = 50_000  # above, the layout is that of two threads
DENSE_TEXTS = 200  # the eigenvectors of so small a graph are found directly
EQUAL = 5e-7  # cosines closer to 1 than this are those of equal vectors, in float32
EXTENT = 10.0
NOISE = 1e-4


def needs(n: int, *, n_neighbors: int = 15) -> int:
    """Neighbours wanted for `n` texts: one less than `n_neighbors`, in which UMAP counts the text itself.

    Parameters
    ----------
    n
        Number of texts.
    n_neighbors
        As in `project`.
    """
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
    unit
        (N, d) float32 of length 1.
    graph
        Neighbours of every text, exact or approximate.
    seed
        Of the noise on the start and of the sampled repulsion.
    n_neighbors
        Size of a text's neighbourhood, itself included; more than N − 1 is lowered to that.
    min_dist, spread
        How close texts may lie on the map, and its scale.
    metric
        ``cosine`` is 1 − cosine, ``euclidean`` √(2 − 2·cosine): the same neighbours, other memberships.
    initialisation
        ``auto``: the graph's leading eigenvectors, or principal components where the graph has more than
        20,000 texts or falls into parts.
    epochs
        None means 500 up to 10,000 texts, 200 above.
    negative_samples
        Repelling texts drawn for each attraction.

    Returns
    -------
    Projection
        ``pca`` below 10 texts.

    Raises
    ------
    RequestError
        Parameters out of range.
    EvaluationError
        The layout diverged.

    References
    ----------
    McInnes, Healy & Melville 2018, arXiv:1802.03426; umap-learn, whose layout this is, compiled once a machine.
    Kobak & Linderman 2021, Nature Biotechnology 39 (principal components are as good a start).
    """
    _check(n_neighbors, min_dist, spread, epochs, negative_samples)
    if len(unit) < SMALL_CORPUS:
        return project_few(unit, graph, seed=seed, asked="UMAP")

    warnings: tuple[str, ...] = ()
    size, listed = min(n_neighbors, len(unit) - 1), graph.indices.shape[1]
    if listed < size - 1:
        warnings = (f"UMAP's n_neighbors was lowered from {size} to {listed + 1}: the graph lists no more.",)
        size = listed + 1
    weights = fuzzy_graph(graph, size, metric)
    rounds = epochs if epochs is not None else (500 if len(unit) <= MANY_TEXTS else 200)
    edges = weights.tocoo()
    strong = edges.data >= edges.data.max() / max(rounds, 1)
    heads, tails, data = edges.row[strong], edges.col[strong], edges.data[strong].astype(np.float64)
    random = np.random.RandomState(seed % 2**32)
    points, used = start(unit, weights, initialisation, random)
    draws = random.randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3).astype(np.int64)
    states = draws + points[:, :1].astype(np.float64).view(np.int64)
    a, b = similarity_curve(min_dist, spread)
    if len(unit) <= ONE_THREAD_TEXTS:
        from evalkit.projections.layout import lay_out
    else:
        from evalkit.projections.parallel_layout import lay_out_parts as lay_out
    lay_out(points, heads, tails, data.max() / data, states, (a, b), rounds, negative_samples)
    if not np.isfinite(points).all():
        raise EvaluationError("UMAP diverged, its points are not finite: choose another seed, n_neighbors or min_dist.")
    parameters: dict[str, Any] = {
        "n_neighbors": size,
        "min_dist": min_dist,
        "spread": spread,
        "metric": metric,
        "initialisation": used,
        "epochs": rounds,
        "negative_samples": negative_samples,
        "exact_neighbours": graph.exact,
    }
    return Projection("umap", points.astype(np.float64), seed, parameters, warnings)


def fuzzy_graph(graph: NeighbourGraph, size: int, metric: Metric) -> Any:
    """Symmetric fuzzy neighbourhood graph, (N, N) sparse float32 in rows, weights in (0, 1].

    Parameters
    ----------
    graph
        At least `size` − 1 neighbours of every text.
    size
        Size of a neighbourhood, the text included.
    """
    from scipy import sparse

    from evalkit.projections.layout import memberships

    if graph.queries is not None:
        raise ValueError("a projection needs the neighbours of every text, and this graph lists those of a sample")
    n = graph.size
    indices = graph.indices[:, : size - 1]
    distances = 1.0 - graph.similarities[:, : size - 1]
    distances = np.where(distances < EQUAL, np.float32(0.0), distances)
    if metric == "euclidean":
        distances = np.sqrt(2.0 * distances)
    strengths = memberships(np.ascontiguousarray(distances, dtype=np.float32))
    starts = np.arange(0, indices.size + 1, size - 1)
    one_way = sparse.csr_matrix((strengths.ravel(), indices.ravel(), starts), shape=(n, n))
    one_way.eliminate_zeros()
    other_way = one_way.T.tocsr()
    return (one_way + other_way - one_way.multiply(other_way)).tocsr()


def start(
    unit: Vectors, weights: Any, initialisation: Initialisation, random: np.random.RandomState
) -> tuple[NDArray[np.float32], str]:
    """(N, 2) start within [0, 10]², with a little noise, and how it was found: ``spectral`` or ``pca``."""
    plane = None
    if initialisation == "spectral" or (initialisation == "auto" and len(unit) <= SPECTRAL_TEXTS):
        plane = _eigenvectors(weights)
    used = "pca" if plane is None else "spectral"
    if plane is None:
        plane, _ = principal_plane(unit, seed=0)
    largest = float(np.abs(plane).max())
    if largest > 0.0:
        plane = plane * (EXTENT / largest)
    plane = plane + random.normal(scale=NOISE, size=plane.shape)
    low, high = plane.min(axis=0), plane.max(axis=0)
    return np.ascontiguousarray(EXTENT * (plane - low) / (high - low), dtype=np.float32), used


@functools.lru_cache(maxsize=64)
def similarity_curve(min_dist: float, spread: float) -> tuple[float, float]:
    """The a and b for which 1/(1 + a·r^2b) is nearest to 1 up to `min_dist` and exp(−(r − min_dist)/spread) beyond."""
    from scipy.optimize import curve_fit

    radii = np.linspace(0, spread * 3, 300)
    wanted = np.where(radii < min_dist, 1.0, np.exp(-(radii - min_dist) / spread))
    (a, b), _ = curve_fit(lambda r, a, b: 1.0 / (1.0 + a * r ** (2 * b)), radii, wanted)
    return float(a), float(b)


def _eigenvectors(weights: Any) -> Points | None:
    """Second and third eigenvectors of the normalised graph; None where it falls into parts or they do not converge."""
    from scipy import sparse
    from scipy.linalg import eigh
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n = weights.shape[0]
    if connected_components(weights, directed=False, return_labels=False) > 1:
        return None
    roots = sparse.diags(1.0 / np.sqrt(np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()))
    normalised = roots @ weights.astype(np.float64) @ roots
    if n <= DENSE_TEXTS:
        _, vectors = eigh(normalised.toarray(), subset_by_index=[n - 3, n - 1])
    else:
        try:
            # Its hundred small products are over before BLAS's other threads have woken: with them it takes up to
            # fifteen times as long.
            with threadpool_limits(1, user_api="blas"):
                _, vectors = eigsh(normalised, 3, which="LA", ncv=max(20, int(np.sqrt(n))), tol=1e-4, v0=np.ones(n))
        except ArpackNoConvergence:
            return None
    plane: Points = vectors[:, [1, 0]]
    return plane * np.where(plane[np.abs(plane).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)


def _check(n_neighbors: int, min_dist: float, spread: float, epochs: int | None, negative_samples: int) -> None:
    if n_neighbors < 2 or spread <= 0 or not 0 <= min_dist <= spread or negative_samples < 1 or (epochs or 0) < 0:
        raise RequestError(
            "UMAP wants n_neighbors of 2 or more, 0 <= min_dist <= spread, 1 or more negative_samples and no negative "
            f"epochs, found n_neighbors={n_neighbors}, min_dist={min_dist}, spread={spread}, "
            f"negative_samples={negative_samples}, epochs={epochs}: correct the projection's settings."
        )
