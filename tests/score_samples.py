"""Labelled vectors and maps of known structure, as the pipeline hands them to an evaluator."""

from __future__ import annotations

import numpy as np

from evalkit.neighbours.exact import nearest, plane
from evalkit.types import Evaluation, Sample, Score


def unit(vectors) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def codes(*sizes: int) -> np.ndarray:
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)


def noise(n: int, d: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, d)))


def draw(n: int, d: int, k: int = 1, separation: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors about k Gaussian centres, and their labels 0 … k − 1 in turn."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % k).astype(np.int32)
    return unit(separation * rng.normal(size=(k, d))[labels] + rng.normal(size=(n, d))), labels


def clouds(n: int, k: int, apart: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Map points about k Gaussian centres, and their labels 0 … k − 1 in turn."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % k).astype(np.int32)
    return apart * rng.normal(size=(k, 2))[labels] + rng.normal(size=(n, 2)), labels


def sample_of(vectors, labels, points=None, *, depth: int = 0, queries=None, split=None) -> Sample:
    """A sample whose graphs list `depth` neighbours, at most N − 1; without graphs where that is 0."""
    labels = np.asarray(labels, dtype=np.int32)
    points = None if points is None else np.asarray(points, dtype=np.float64)
    depth = min(depth, labels.size - 1)
    graph = nearest(vectors, depth, queries=queries) if depth else None
    whole = nearest(vectors, depth) if depth and queries is not None else graph
    near = plane(points, depth, queries=queries) if depth and points is not None else None
    return Sample(vectors, vectors, labels, int(labels.max()) + 1, graph, whole, points, near, split)


def by_name(evaluation: Evaluation) -> dict[str, Score]:
    """Scores by their names without the family."""
    return {score.name.partition("/")[2]: score for score in evaluation.scores}
