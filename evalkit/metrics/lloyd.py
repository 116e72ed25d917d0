"""k-means from many starts in one go: every round reads the vectors once for all starts that still move.

One after the other, each start reads all vectors for a handful of centres, and waits for memory. Drawn and moved
together, their centres make one matrix product.

References
----------
Lloyd 1982, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28. Arthur & Vassilvitskii 2007,
"k-means++: The advantages of careful seeding", SODA.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.compiled import compiled_exactly

__all__ = ["draw_starts", "fit_starts", "nearest_centres"]

Floats = NDArray[np.float64]

ROUNDS = 300
STILL = 1e-4
"""Centres that move by less, as a share of the vectors' variance, have arrived (scikit-learn's rule)."""

SAME = 1e-9
"""Inertias that differ by less, as a share, are of the same clusters."""

BLOCK_VALUES = 1 << 19
THREADS = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Clusters:
    """Where a start has come to."""

    inertia: float
    labels: NDArray[np.int32]
    centres: Floats


def draw_starts(vectors: Floats, n_clusters: int, seeds: list[int]) -> Floats:
    """Draw centres by greedy k-means++, for each seed those that scikit-learn draws.

    Parameters
    ----------
    vectors
        (N, d) float64.
    n_clusters
        k.
    seeds
        One a start.

    Returns
    -------
    ndarray
        (len(seeds), k, d).
    """
    n, starts = len(vectors), len(seeds)
    draws = [np.random.RandomState(seed) for seed in seeds]
    trials = 2 + int(np.log(n_clusters))
    squares = np.einsum("nd,nd->n", vectors, vectors)

    def distances(chosen: NDArray[np.int64]) -> Floats:
        """(chosen, N) squared distances."""
        found = vectors[chosen] @ vectors.T
        found *= -2.0
        found += squares[chosen][:, None]
        found += squares
        return np.maximum(found, 0.0, out=found)

    drawn = np.empty((starts, n_clusters), dtype=np.int64)
    drawn[:, 0] = [random.choice(n, p=np.full(n, 1 / n)) for random in draws]
    nearest = distances(drawn[:, 0])
    for number in range(1, n_clusters):
        tried = np.empty((starts, trials), dtype=np.int64)
        for start, random in enumerate(draws):
            wanted = random.uniform(size=trials) * nearest[start].sum()
            tried[start] = np.minimum(np.searchsorted(np.cumsum(nearest[start]), wanted), n - 1)
        joined = distances(tried.ravel()).reshape(starts, trials, n)
        np.minimum(joined, nearest[:, None], out=joined)
        best = joined.sum(axis=2).argmin(axis=1)
        drawn[:, number] = tried[np.arange(starts), best]
        nearest = joined[np.arange(starts), best]
    return vectors[drawn]


def fit_starts(vectors: NDArray[np.float32], starts: Floats) -> tuple[NDArray[np.int32], Floats]:
    """Move every start's centres until they stay, and keep the start of least inertia.

    Parameters
    ----------
    vectors
        (N, d) float32.
    starts
        (S, k, d) first centres of each start.

    Returns
    -------
    tuple
        (N,) clusters and (k, d) centres.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    middle = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = vectors - middle  # products of float32 are exact enough about the mean alone
    squares = float(np.einsum("nd,nd->n", centred, centred).sum(dtype=np.float64))
    # A thread for half of the starts: BLAS's own threads would wait for one another at each of many small products.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        parts = [part - middle for part in np.array_split(starts, THREADS) if len(part)]
        found = [start for part in pool.map(lambda part: _fit(centred, part, squares), parts) for start in part]
    best = found[0]
    for start in found[1:]:
        if start.inertia < best.inertia * (1 - SAME):
            best = start
    return best.labels, best.centres + middle


def _fit(centred: NDArray[np.float32], starts: Floats, squares: float) -> list[_Clusters]:
    """What each of some starts comes to; `squares` is the sum of the vectors' squared lengths."""
    n_starts, k, _ = starts.shape
    centres = starts.copy()
    labels = np.full((n_starts, len(centred)), -1, dtype=np.int32)
    sums, sizes = np.zeros(starts.shape), np.zeros((n_starts, k), dtype=np.int64)
    still = STILL * squares / centred.size
    active, unfinished, emptied = np.arange(n_starts), list[int](), np.zeros(n_starts, dtype=np.bool_)
    for _ in range(ROUNDS):
        moved = _assign(centred, centres, active, labels, sums, sizes)
        emptied[active] = (sizes[active] == 0).any(axis=1)
        active, moved = active[~emptied[active]], moved[~emptied[active]]
        means = sums[active] / sizes[active][:, :, None]
        arrived = np.square(means - centres[active]).sum(axis=(1, 2)) <= still
        centres[active] = means
        unfinished += active[arrived & (moved > 0)].tolist()
        active = active[~arrived & (moved > 0)]
        if active.size == 0:
            break
    last = np.array([*unfinished, *active], dtype=np.int64)
    if last.size:  # the clusters of the centres where they have come to
        _assign(centred, centres, last, labels, sums, sizes)
    inner, lengths = np.einsum("skd,skd->s", sums, centres), np.square(centres).sum(axis=2)
    inertias = squares - 2 * inner + (sizes * lengths).sum(axis=1)
    return [
        _with_scikit_learn(centred, starts[start])
        if emptied[start]
        else _Clusters(float(inertias[start]), labels[start], centres[start])
        for start in range(n_starts)
    ]


def nearest_centres(vectors: NDArray[np.float32], centres: Floats) -> NDArray[np.int32]:
    """Each vector's nearest centre.

    Parameters
    ----------
    vectors
        (N, d) float32.
    centres
        (k, d).
    """
    middle = centres.mean(axis=0)
    directions, halves = _directions((centres - middle)[None])
    labels = np.empty((1, len(vectors)), dtype=np.int32)
    step = max(1, BLOCK_VALUES // max(centres.shape))
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step] - middle.astype(np.float32)
        labels[0, start : start + step] = (halves - block @ directions.T).argmin(axis=1)
    return np.asarray(labels[0])


def _directions(centres: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(S·k, d) centres and half their squared lengths, in single precision."""
    flat = centres.reshape(-1, centres.shape[-1]).astype(np.float32)
    return flat, (0.5 * np.einsum("kd,kd->k", flat, flat, dtype=np.float64)).astype(np.float32)


def _assign(
    centred: NDArray[np.float32],
    centres: Floats,
    active: NDArray[np.int64],
    labels: NDArray[np.int32],
    sums: Floats,
    sizes: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Give each vector its nearest centre in the active starts; returns how many vectors changed in each."""
    directions, halves = _directions(centres[active])
    moved = np.zeros(active.size, dtype=np.int64)
    step = max(1, BLOCK_VALUES // max(len(directions), centred.shape[1]))
    for first in range(0, len(centred), step):
        block = centred[first : first + step]
        _move(block, block @ directions.T, halves, active, first, labels, sums, sizes, moved)
    return moved


@compiled_exactly
def _move(block, products, halves, active, first, labels, sums, sizes, moved):  # type: ignore[no-untyped-def]
    """Nearest centres of a block of vectors; the sums follow those alone that change their cluster."""
    k, d = sums.shape[1], sums.shape[2]
    for i in range(block.shape[0]):
        for a in range(active.size):
            nearest, least = 0, halves[a * k] - products[i, a * k]
            for c in range(1, k):
                distance = halves[a * k + c] - products[i, a * k + c]
                if distance < least:
                    nearest, least = c, distance
            start = active[a]
            before = labels[start, first + i]
            if before == nearest:
                continue
            labels[start, first + i] = nearest
            moved[a] += 1
            sizes[start, nearest] += 1
            for j in range(d):
                sums[start, nearest, j] += block[i, j]
            if before >= 0:
                sizes[start, before] -= 1
                for j in range(d):
                    sums[start, before, j] -= block[i, j]


def _with_scikit_learn(centred: NDArray[np.float32], start: Floats) -> _Clusters:
    """What a start that loses a cluster comes to: scikit-learn gives it the farthest vectors."""
    from sklearn.cluster import KMeans

    model: Any = KMeans(n_clusters=len(start), init=start.astype(np.float32), n_init=1).fit(centred)
    centres = model.cluster_centers_.astype(np.float64)
    return _Clusters(float(model.inertia_), model.labels_.astype(np.int32), centres)
