"""t-SNE on the given neighbour graph: all pairs in one compiled loop, or openTSNE with our gradient on a grid."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.projections.pca import SMALL_CORPUS, principal_plane, project_few
from evalkit.types import NeighbourGraph, Points, Projection, Vectors

__all__ = ["needs", "project"]

LARGEST_DEFAULT = 30.0
EXACT_TEXTS = 1_000
"""Up to so many texts the sum over all pairs is quicker than a quadtree or a grid (docs/projections.md)."""

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
    begin = start(unit, seed)
    descent: _Descent = (_Pairwise if len(unit) <= EXACT_TEXTS else _OnGrid)(indices, distances, chosen)
    while True:
        descent.begin(begin)
        descent.run(early_iterations, exaggeration, momentum=0.5)
        if exaggeration <= 1 or early_iterations == 0 or np.std(descent.points()) >= np.std(begin):
            break
        # Neighbourhoods so little distinct that the exaggerated attraction outweighs all repulsion: it pulls every
        # text into one point, from which nothing but rounding leads back.
        exaggeration = max(exaggeration / 2, 1.0)
    descent.run(iterations, 1.0, momentum=0.8)
    points = descent.points()
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
        "repulsion": descent.repulsion,
        "kl_divergence": round(descent.divergence(), 6),
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


class _Descent(Protocol):
    """Affinities and a map that is moved down their divergence, phase by phase."""

    repulsion: str

    def begin(self, points: Points) -> None:
        """Start from `points`, at rest."""

    def run(self, steps: int, exaggeration: float, *, momentum: float) -> None:
        """Make `steps` steps; the last one's momentum and gains are those that the first goes on with."""

    def points(self) -> Points:
        """(N, 2) the map as it stands."""

    def divergence(self) -> float:
        """Its Kullback-Leibler divergence."""


class _Pairwise:
    """All pairs, in one compiled loop."""

    repulsion = "exact"

    def __init__(self, indices: NDArray[np.int32], distances: NDArray[np.float64], perplexity: float) -> None:
        from evalkit.projections import exact

        self._loops = exact
        self._joint = exact.affinities(indices, distances, perplexity)

    def begin(self, points: Points) -> None:
        self._places = np.array(points.T, order="C")
        self._updates, self._gains = np.zeros_like(self._places), np.ones_like(self._places)

    def run(self, steps: int, exaggeration: float, *, momentum: float) -> None:
        moving = self._places, self._joint, self._updates, self._gains
        self._loops.descend(*moving, steps, float(exaggeration), momentum)

    def points(self) -> Points:
        return np.ascontiguousarray(self._places.T)

    def divergence(self) -> float:
        return float(self._loops.divergence(self._places, self._joint))


class _OnGrid:
    """openTSNE's affinities and optimiser, the gradient ours."""

    repulsion = "grid"

    def __init__(self, indices: NDArray[np.int32], distances: NDArray[np.float64], perplexity: float) -> None:
        import numba

        self._threads = numba.get_num_threads()  # the cores that this process may use, or NUMBA_NUM_THREADS
        self._neighbours, self._perplexity = (indices, distances), perplexity

    def begin(self, points: Points) -> None:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.nearest_neighbors import PrecomputedNeighbors

        from evalkit.projections.tsne_gradient import GridGradient

        known = PrecomputedNeighbors(*self._neighbours)
        affinities = PerplexityBasedNN(perplexity=self._perplexity, knn_index=known, n_jobs=self._threads)
        gradient: Any = GridGradient(self._threads)
        self._embedding = TSNEEmbedding(points, affinities, negative_gradient_method=gradient, n_jobs=self._threads)

    def run(self, steps: int, exaggeration: float, *, momentum: float) -> None:
        self._embedding.optimize(
            steps, exaggeration=exaggeration, momentum=momentum, learning_rate="auto", inplace=True
        )

    def points(self) -> Points:
        return np.array(self._embedding, dtype=np.float64)

    def divergence(self) -> float:
        return float(self._embedding.kl_divergence)
