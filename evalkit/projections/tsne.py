"""t-SNE on the given neighbour graph: openTSNE's affinities and optimiser, repulsion by whichever way is quicker."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.projections.pca import SMALL_CORPUS, principal_plane, project_few
from evalkit.values import NeighbourGraph, Points, Projection, Vectors

__all__ = ["needs", "project"]

LARGEST_DEFAULT = 30.0
TREE_TEXTS = 500
"""Up to so many texts the quadtree on one thread is quicker than a grid, and needs no compiled kernel."""

START_SPREAD = 1e-4  # standard deviation of the start's first axis, as in openTSNE and scikit-learn
JITTER = 0.01  # of that: what the seed draws, and what separates equal texts


def needs(n: int, *, perplexity: float | None = None) -> int:
    """Neighbours wanted for `n` texts: three times the perplexity.

    Parameters
    ----------
    n
        Number of texts.
    perplexity
        As in `project`.
    """
    if n < SMALL_CORPUS:
        return 0
    return min(n - 1, int(3 * _perplexity(n, perplexity)[0] + 1e-9))


def project(
    unit: Vectors,
    graph: NeighbourGraph,
    *,
    seed: int,
    perplexity: float | None = None,
    exaggeration: float = 12.0,
    early_iterations: int = 250,
    iterations: int = 500,
) -> Projection:
    """t-distributed stochastic neighbour embedding in the plane.

    Distances are Euclidean between unit vectors, √(2 − 2·cosine), which order as cosine does. The start is the
    first two principal components (deterministic, signs fixed) and a jitter of 1 % that the seed draws: maps of
    different seeds differ as far as the optimum is not sharp.

    Parameters
    ----------
    unit
        (N, d) float32 of length 1; a zero vector is √2 away from every text.
    graph
        Neighbours of every text; the nearest 3 · perplexity are used.
    seed
        Of the jitter.
    perplexity
        Effective number of neighbours; None means min(30, (N − 1)/3), and more than that third is lowered to it.
    exaggeration
        Factor on the attraction in the first `early_iterations`; halved while it would only contract the map.
    early_iterations, iterations
        Steps with and without exaggeration.

    Returns
    -------
    Projection
        ``pca`` below 10 texts. ``parameters`` say the perplexity that was used, the way the repulsion was
        computed and the Kullback-Leibler divergence reached.

    Raises
    ------
    RequestError
        A perplexity of 1 or less, or an impossible number of steps.
    EvaluationError
        The optimisation diverged.

    References
    ----------
    van der Maaten & Hinton 2008, JMLR 9. van der Maaten 2014, JMLR 15 (quadtree). Linderman et al. 2019, Nature
    Methods 16 (grid). Belkina et al. 2019, Nature Communications 10 (learning rate N / exaggeration). Kobak &
    Berens 2019, Nature Communications 10 (start from PCA). Poličar, Stražar & Zupan 2024, JSS 109 (openTSNE).
    """
    if early_iterations < 0 or iterations < 0 or exaggeration <= 0:
        raise RequestError(
            f"t-SNE wants a positive exaggeration and no negative number of steps, found {exaggeration}, "
            f"{early_iterations} and {iterations}: correct the projection's settings."
        )
    chosen, warnings = _perplexity(len(unit), perplexity)
    if len(unit) < SMALL_CORPUS:
        return project_few(unit, graph, seed=seed, asked="t-SNE")
    indices, distances = _neighbours(graph, int(3 * chosen + 1e-9))
    if 3 * chosen > indices.shape[1] + 1:
        chosen = indices.shape[1] / 3
        warnings += (
            f"t-SNE's perplexity was lowered to {chosen:.3g}: the neighbour graph lists {indices.shape[1]} "
            "neighbours of a text, and three times the perplexity are needed.",
        )
    small = len(unit) <= TREE_TEXTS
    begin = start(unit, seed)
    shared: dict[str, Any] = {"learning_rate": "auto", "inplace": True}
    while True:
        embedding = _prepare(indices, distances, chosen, begin, small)
        embedding.optimize(early_iterations, exaggeration=exaggeration, momentum=0.5, **shared)
        if exaggeration <= 1 or early_iterations == 0 or np.std(embedding) >= np.std(begin):
            break
        # Neighbourhoods so little distinct that the exaggerated attraction outweighs all repulsion: it pulls every
        # text into one point, from which nothing but rounding leads back.
        exaggeration = max(exaggeration / 2, 1.0)
    embedding.optimize(iterations, exaggeration=1, momentum=0.8, **shared)
    points = np.array(embedding, dtype=np.float64)
    if not np.isfinite(points).all():
        raise EvaluationError(
            f"t-SNE diverged at perplexity {chosen:.3g}: its points are not finite; choose another perplexity or seed."
        )
    parameters = {
        "perplexity": chosen,
        "exaggeration": exaggeration,
        "early_iterations": early_iterations,
        "iterations": iterations,
        "initialisation": "pca",
        "repulsion": "quadtree" if small else "grid",
        "kl_divergence": round(float(embedding.kl_divergence), 6),
    }
    return Projection("tsne", points, seed, parameters, warnings)


def start(unit: Vectors, seed: int) -> Points:
    """Principal components scaled to a standard deviation of 1e-4, with jitter; a Gaussian where all texts are equal.

    Returns
    -------
    Points
        (N, 2) float64.
    """
    plane, _ = principal_plane(unit, seed=seed)
    noise = np.random.default_rng(seed).normal(size=plane.shape)
    spread = float(plane[:, 0].std())
    if spread == 0.0:
        return START_SPREAD * noise
    return START_SPREAD * (plane / spread + JITTER * noise)


def _perplexity(n: int, asked: float | None) -> tuple[float, tuple[str, ...]]:
    most = (n - 1) / 3
    if asked is None:
        return min(LARGEST_DEFAULT, most), ()
    if not asked > 1:
        raise RequestError(f"t-SNE's perplexity must be above 1, found {asked}: leave it null or give 5 to 50.")
    if asked <= most:
        return float(asked), ()
    return most, (f"t-SNE's perplexity of {asked:g} was lowered to {most:.3g}, a third of the {n - 1} neighbours.",)


def _neighbours(graph: NeighbourGraph, most: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    if graph.queries is not None:
        raise ValueError("a projection needs the neighbours of every text, and this graph lists those of a sample")
    indices = np.ascontiguousarray(graph.indices[:, :most])
    similarities = graph.similarities[:, :most].astype(np.float64)
    return indices, np.sqrt(np.maximum(2.0 - 2.0 * similarities, 0.0))


def _prepare(
    indices: NDArray[np.int32], distances: NDArray[np.float64], perplexity: float, begin: Points, small: bool
) -> Any:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    repulsion: Any = "bh"
    threads = 1
    if not small:
        import numba

        from evalkit.projections.gradient import GridGradient

        threads = numba.get_num_threads()  # the cores that this process may use, or NUMBA_NUM_THREADS
        repulsion = GridGradient(threads)
    affinities = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(indices, distances), n_jobs=threads
    )
    return TSNEEmbedding(begin, affinities, negative_gradient_method=repulsion, n_jobs=threads)
