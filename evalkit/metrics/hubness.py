"""How far a few texts are everybody's nearest neighbours.

References
----------
Radovanović, Nanopoulos & Ivanović 2010, "Hubs in space", JMLR 11.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.neighbours.exact import nearest
from evalkit.stats.permutation import build_score, draw_once
from evalkit.types import NeighbourGraph, Sample, Score, Vectors

__all__ = ["hubness", "hubness_score"]

OCCURRENCES = 10  # of the 10-occurrence counts that hubness is the skewness of
GAUSSIAN_SAMPLE = 10_000  # texts at most in a Gaussian draw: an exact graph of more would cost minutes
GAUSSIAN_TEXTS = 2_000  # in all draws together, or one draw


def hubness(graph: NeighbourGraph, k: int = OCCURRENCES) -> float | None:
    """Skewness of how often each text is among the K nearest of others; a tied place is shared.

    Parameters
    ----------
    graph
        Neighbours of every text.
    k
        Clipped to the graph's depth.

    Returns
    -------
    float or None
        0 is symmetric; above 1 a few hubs are everybody's neighbours. None where all counts are equal.
    """
    n = graph.size
    k = min(k, graph.indices.shape[1])
    indices = np.asarray(graph.indices)
    last = np.asarray(graph.similarities[:, k - 1])[:, None]
    sure = np.asarray(graph.similarities) > last
    tied = np.asarray(graph.similarities) == last
    unlisted = np.zeros(len(indices), dtype=np.int64)
    reaches_end = tied[:, -1]
    ties = graph.ties
    unlisted[ties.rows] = np.where(reaches_end[ties.rows], ties.counts, 0)
    share = (k - sure.sum(axis=1)) / (tied.sum(axis=1) + unlisted)
    counts = np.bincount(indices[sure], minlength=n).astype(np.float64)
    rows, columns = np.nonzero(tied)
    counts += np.bincount(indices[rows, columns], weights=share[rows], minlength=n)
    for row, start, end, complement in zip(ties.rows, ties.starts[:-1], ties.starts[1:], ties.complement, strict=True):
        if not reaches_end[row]:
            continue
        members = ties.members[start:end]
        if complement:
            counts += share[row]
            counts[members] -= share[row]
            counts[indices[row]] -= share[row]
            counts[row] -= share[row]
        else:
            counts[members] += share[row]
    spread = counts.std()
    if spread < 1e-9:
        return None
    return float((((counts - counts.mean()) / spread) ** 3).mean())


def hubness_score(sample: Sample, rng: np.random.Generator) -> Score:
    """Hubness beside that of Gaussian vectors of the same number and dimension; a diagnostic, lower is calmer."""
    graph = sample.whole_graph
    n, d = sample.unit.shape
    k = min(OCCURRENCES, n - 1)
    drawn = min(n, GAUSSIAN_SAMPLE)
    repeats = max(1, min(20, GAUSSIAN_TEXTS // drawn))

    def chance() -> float:
        found = (hubness(nearest(_gaussian(drawn, d, rng), min(k, drawn - 1)), k) for _ in range(repeats))
        return float(np.mean([0.0 if each is None else each for each in found]))

    parameters: dict[str, Any] = {"K": k, "gaussian_draws": repeats, "gaussian_texts": drawn, "exact": graph.exact}
    if graph.recall is not None:
        parameters["recall"] = graph.recall
    return build_score(
        "neighbours/hubness",
        "embedding",
        hubness(graph, k),
        best=None,
        chance=draw_once(rng, ("hubness", drawn, d, k, repeats), chance),
        higher_is_better=False,
        ranks_models=False,
        parameters=parameters,
    )


def _gaussian(n: int, dimension: int, rng: np.random.Generator) -> Vectors:
    vectors = rng.standard_normal((n, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
