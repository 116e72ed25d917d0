"""Made vectors: unit length, float32, in clusters of unequal sizes that overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["clusters"]

BLOCK = 100_000


def clusters(n: int, d: int, k: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """(n, d) unit vectors and their labels; a label of its own for the first k texts, so that every label is used."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, 3.0))).astype(np.int32)
    labels[: 2 * k] = np.arange(2 * k) % k
    centres = rng.standard_normal((k, d), dtype=np.float32)
    vectors = np.empty((n, d), dtype=np.float32)
    for start in range(0, n, BLOCK):
        part = labels[start : start + BLOCK]
        noise = rng.standard_normal((part.size, d), dtype=np.float32)
        noise *= rng.gamma(4, 0.7, size=(part.size, 1)).astype(np.float32)
        noise += centres[part]
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        vectors[start : start + BLOCK] = noise
    return vectors, labels
