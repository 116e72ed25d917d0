"""Hubness: whether a few texts are the nearest neighbours of very many (Radovanović, Nanopoulos & Ivanović 2010)."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.neighbours.exact import nearest
from evalkit.stats.permutation import build_score
from evalkit.types import Floats, NeighbourGraph, Sample, Score, Vectors

OCCURRENCES = 10  # K of the occurrence counts
GAUSSIAN_SAMPLE = 10_000  # largest Gaussian draw: an exact graph of more texts costs minutes
GAUSSIAN_TEXTS = 2_000  # texts in all Gaussian draws together, where one draw has fewer


def hubness_score(sample: Sample, rng: np.random.Generator) -> Score:
    """Hubness as a diagnostic, with that of Gaussian vectors of the same number and dimension as its chance level."""
    graph = sample.whole_graph
    n, d = sample.unit.shape
    k = min(OCCURRENCES, n - 1)
    drawn = min(n, GAUSSIAN_SAMPLE)
    repeats = max(1, min(20, GAUSSIAN_TEXTS // drawn))
    gaussian = [hubness(nearest(_gaussian(drawn, d, rng), min(k, drawn - 1)), k) for _ in range(repeats)]
    parameters: dict[str, Any] = {"K": k, "gaussian_draws": repeats, "gaussian_texts": drawn, "exact": graph.exact}
    if graph.recall is not None:
        parameters["recall"] = graph.recall
    return build_score(
        "neighbours/hubness", "embedding", hubness(graph, k), best=None,
        chance=float(np.mean([each or 0.0 for each in gaussian])), higher_is_better=False, ranks_models=False,
        parameters=parameters,
    )  # fmt: skip


def hubness(graph: NeighbourGraph, k: int = OCCURRENCES) -> float | None:
    """Skewness of the number of texts that each text is among the K nearest of, None where all numbers are equal.

    0 is symmetric; above 1 a few hubs are near to very many texts.
    """
    counts = _occurrences(graph, min(k, graph.indices.shape[1]))
    spread = counts.std()
    return None if spread < 1e-9 else float((((counts - counts.mean()) / spread) ** 3).mean())


def _occurrences(graph: NeighbourGraph, k: int) -> Floats:
    """(N,) expected number of texts that each text is among the K nearest of, over the order of the tied."""
    indices, similarities, ties = np.asarray(graph.indices), np.asarray(graph.similarities), graph.ties
    last = similarities[:, k - 1 : k]
    nearer, tied = similarities > last, similarities == last
    reaches_end = tied[:, -1]
    unlisted = np.zeros(len(indices), dtype=np.int64)
    unlisted[ties.rows] = np.where(reaches_end[ties.rows], ties.counts, 0)
    share = (k - nearer.sum(axis=1)) / (tied.sum(axis=1) + unlisted)
    counts = np.bincount(indices[nearer], minlength=graph.size).astype(np.float64)
    rows, columns = np.nonzero(tied)
    counts += np.bincount(indices[rows, columns], weights=share[rows], minlength=graph.size)
    for row, start, end, complement in zip(ties.rows, ties.starts[:-1], ties.starts[1:], ties.complement, strict=True):
        if not reaches_end[row]:
            continue
        members = ties.members[start:end]
        if complement:  # the unlisted tied texts are all but these, the listed ones and the text itself
            counts += share[row]
            counts[np.concatenate([members, indices[row], [row]])] -= share[row]
        else:
            counts[members] += share[row]
    return counts


def _gaussian(n: int, dimension: int, rng: np.random.Generator) -> Vectors:
    vectors = rng.standard_normal((n, dimension)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
