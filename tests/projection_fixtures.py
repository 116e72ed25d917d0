"""Vectors in clusters, their maps, and how well a map keeps the clusters."""

import numpy as np

from evalkit.neighbours.exact import nearest
from evalkit.pipeline.embed import unit_rows


def clusters(n, k=5, d=16, spread=0.15, seed=0):
    """(n, d) unit vectors about k centres, and the number of each one's centre."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    vectors = rng.normal(size=(k, d))[labels] + spread * rng.normal(size=(n, d)) * np.sqrt(d) / 2
    return unit_rows(vectors), labels


def draw(projection, vectors, seed=0, **parameters):
    """The map by a projection's module, on the exact graph as deep as it needs."""
    perplexity = {name: value for name, value in parameters.items() if name == "perplexity"}
    graph = nearest(vectors, max(1, projection.needs(len(vectors), **perplexity)))
    return projection.project(vectors, graph, seed=seed, **parameters)


def one_neighbour_accuracy(points, labels):
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.mean(labels[distances.argmin(axis=1)] == labels)
