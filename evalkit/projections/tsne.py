"""t-SNE on a given neighbour graph: openTSNE's affinities and optimiser, with the gradient of `tsne_gradient`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError, RequestError
from evalkit.projections.pca import SMALL_CORPUS, project_few, start
from evalkit.types import NeighbourGraph, Projection, Vectors

LARGEST_DEFAULT = 30.0
START_SPREAD = 1e-4  # standard deviation of the start's first axis, as in openTSNE and scikit-learn


def needs(n: int, *, perplexity: float | None = None) -> int:
    """Number of neighbours that `project` uses for `n` texts: three times the perplexity."""
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
    first two principal components (deterministic, signs fixed) and a jitter of 1 % drawn from the seed, so maps of
    different seeds differ only as far as the optimum is not sharp.

    Parameters
    ----------
    unit, graph
        (N, d) float32 of length 1 (a zero vector is √2 away from every text), and the neighbours of every text, of
        which the nearest 3 · perplexity are used.
    seed
        Seeds the jitter.
    perplexity
        Effective number of neighbours; None means min(30, (N − 1)/3). A larger value than (N − 1)/3 is lowered to it.
    exaggeration
        Factor on the attraction in the first `early_iterations`; halved while it only contracts the map.
    early_iterations, iterations
        Steps with and without exaggeration.

    Returns
    -------
    Projection
        ``pca`` below 10 texts. ``parameters`` hold the perplexity and exaggeration that were used and the
        Kullback-Leibler divergence reached.

    References
    ----------
    van der Maaten & Hinton 2008, JMLR 9. Linderman et al. 2019, Nature Methods 16 (grid). Belkina et al. 2019,
    Nature Communications 10 (learning rate N / exaggeration). Kobak & Berens 2019, Nature Communications 10 (start
    from PCA). Poličar, Stražar & Zupan 2024, JSS 109 (openTSNE).
    """
    if early_iterations < 0 or iterations < 0 or exaggeration <= 0:
        raise RequestError(
            "t-SNE needs a positive exaggeration and iterations of 0 or more, found "
            f"exaggeration={exaggeration}, early_iterations={early_iterations}, iterations={iterations}: "
            "correct the projection's settings."
        )
    chosen, warnings = _perplexity(len(unit), perplexity)
    if len(unit) < SMALL_CORPUS:
        return project_few(unit, graph, seed=seed, requested="t-SNE")
    listed = slice(0, int(3 * chosen + 1e-9))
    indices, similarities = np.ascontiguousarray(graph.indices[:, listed]), graph.similarities[:, listed]
    distances = np.sqrt(np.maximum(2.0 - 2.0 * similarities.astype(np.float64), 0.0))
    if 3 * chosen > indices.shape[1] + 1:
        chosen = indices.shape[1] / 3
        warnings += (
            f"t-SNE's perplexity was lowered to {chosen:.3g}: the neighbour graph lists {indices.shape[1]} "
            "neighbours per text, and three times the perplexity are needed.",
        )
    begin = START_SPREAD * start(unit, seed)
    while True:
        embedding = _embedding(begin, indices, distances, chosen)
        embedding.optimize(early_iterations, exaggeration=exaggeration, momentum=0.5, inplace=True)
        if exaggeration <= 1 or early_iterations == 0 or np.std(embedding) >= np.std(begin):
            break
        # The neighbourhoods are so little distinct that the exaggerated attraction outweighs all repulsion. It pulls
        # every text into one point, from which only rounding leads back.
        exaggeration = max(exaggeration / 2, 1.0)
    embedding.optimize(iterations, exaggeration=1.0, momentum=0.8, inplace=True)
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
        "repulsion": "grid",
        "kl_divergence": round(float(embedding.kl_divergence), 6),
    }
    return Projection("tsne", points, seed, parameters, warnings)


def _perplexity(n: int, requested: float | None) -> tuple[float, tuple[str, ...]]:
    """The perplexity that `n` texts allow, and a warning where that is less than the requested one."""
    most = (n - 1) / 3
    if requested is None:
        return min(LARGEST_DEFAULT, most), ()
    if not requested > 1:
        raise RequestError(f"t-SNE's perplexity must be above 1, found {requested}: leave it null or give 5 to 50.")
    if requested <= most:
        return float(requested), ()
    return most, (f"t-SNE's perplexity of {requested:g} was lowered to {most:.3g}, a third of {n - 1} neighbours.",)


def _embedding(begin: Any, indices: NDArray[np.int32], distances: NDArray[np.float64], perplexity: float) -> Any:
    """An embedding of openTSNE at `begin`, at rest; optimising multiplies its affinities in place."""
    import numba
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    from evalkit.projections.tsne_gradient import GridGradient

    threads = numba.get_num_threads()  # the cores that this process may use, or NUMBA_NUM_THREADS
    known = PrecomputedNeighbors(indices, distances)
    affinities = PerplexityBasedNN(perplexity=perplexity, knn_index=known, n_jobs=threads)
    gradient: Any = GridGradient(threads)
    return TSNEEmbedding(begin, affinities, negative_gradient_method=gradient, n_jobs=threads, learning_rate="auto")
