"""Agreement of two models on the arrangement of the same texts, compared with rows in random order.

Plain linear CKA of two independent 30 × 768 noise matrices is 0.965: only the debiased one is shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.neighbours.exact import nearest
from evalkit.stats.permutation import p_value
from evalkit.types import Floats, NeighbourGraph, Vectors

NULL_ROWS = 1024  # of which the order is permuted for CKA: its null takes a product of the embeddings a permutation
QUERY_ROWS = 5000
NEIGHBOURS = 10


def compare(first: Vectors, second: Vectors, rng: np.random.Generator, *, permutations: int = 99) -> dict[str, float]:
    """cka, cka_chance, cka_p, overlap, overlap_chance, overlap_p of (N, d1) and (N, d2) unit vectors of the same texts.

    CKA is debiased and linear, its chance and p of at most 1,024 texts under permuted rows; overlap is that of at most
    5,000 texts' 10 nearest among all.
    """
    value = debiased_cka(first, second)
    chance, p = _cka_null(first, second, rng, permutations)
    n = len(first)
    k = min(NEIGHBOURS, n - 2)
    rows = np.sort(rng.choice(n, QUERY_ROWS, replace=False)) if n > QUERY_ROWS else None
    graphs = nearest(first, k, queries=rows), nearest(second, k, queries=rows)
    overlap, null = _overlap_null(*graphs, rng, permutations)
    return {
        "cka": value,
        "cka_chance": chance,
        "cka_p": p,
        "overlap": overlap,
        "overlap_chance": k / (n - 1),
        "overlap_p": p_value(overlap, null, higher_is_better=True) or float("nan"),
    }


def debiased_cka(first: Vectors, second: Vectors) -> float:
    """Debiased linear CKA in O(N·d1·d2): at most 1, 0 expected for unrelated embeddings (Nguyen et al. 2021).

    NaN where one embedding does not vary.
    """
    if len(first) != len(second):
        raise RequestError(
            f"the two embeddings have {len(first)} and {len(second)} rows: compare models on the same texts."
        )
    if len(first) < 4:
        raise RequestError(f"debiased CKA needs four texts or more, and there are {len(first)}: give it more texts.")
    a, b = _centred(first), _centred(second)
    return _unbiased_hsic(a, b) / _norm(a, b)


def _centred(vectors: Vectors) -> Floats:
    """Vectors about their mean, in double precision."""
    return np.asarray(vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64))


def _norm(a: Floats, b: Floats) -> float:
    """√(HSIC(a, a) · HSIC(b, b)), the scale of CKA; NaN where one embedding does not vary."""
    own_a, own_b = _unbiased_hsic(a, a), _unbiased_hsic(b, b)
    if min(own_a, own_b) <= 1e-12 * max(own_a, own_b, np.finfo(float).tiny):
        return float("nan")
    return float(np.sqrt(own_a * own_b))


def _unbiased_hsic(a: Floats, b: Floats) -> float:
    """n(n − 3) times unbiased HSIC under linear kernels (Song et al. 2012, eq. 5).

    No matrix is larger than the smaller of N × N and d1 × d2.
    """
    n = len(a)
    squares_a, squares_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    sums_a, sums_b = a @ a.sum(axis=0) - squares_a, b @ b.sum(axis=0) - squares_b
    # ‖aᵀb‖², by the smaller of two products: of the columns, or of the texts.
    few = n < min(a.shape[1], b.shape[1])
    shared = float(np.vdot(a @ a.T, b @ b.T)) if few else float(np.vdot(cross := a.T @ b, cross))
    trace = shared - float(squares_a @ squares_b)
    totals = float(sums_a.sum() * sums_b.sum()) / ((n - 1) * (n - 2))
    return trace + totals - 2 * float(sums_a @ sums_b) / (n - 2)


def _cka_null(first: Vectors, second: Vectors, rng: np.random.Generator, count: int) -> tuple[float, float]:
    """Chance and p-value of CKA, from at most `NULL_ROWS` texts."""
    n = len(first)
    rows = np.sort(rng.choice(n, NULL_ROWS, replace=False)) if n > NULL_ROWS else np.arange(n)
    a, b = _centred(first[rows]), _centred(second[rows])
    scale = _norm(a, b)
    if np.isnan(scale):
        return float("nan"), float("nan")
    null = np.array([_unbiased_hsic(a, b[rng.permutation(rows.size)]) for _ in range(count)]) / scale
    p = p_value(_unbiased_hsic(a, b) / scale, null, higher_is_better=True)
    return float(null.mean()), float("nan") if p is None else p


def neighbour_overlap(first: NDArray[np.int32], second: NDArray[np.int32]) -> float:
    """Mean share of the first (Q, K) neighbours that are among the second's; K / (N − 1) if unrelated."""
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())


def _overlap_null(
    first: NeighbourGraph, second: NeighbourGraph, rng: np.random.Generator, count: int
) -> tuple[float, Floats]:
    """The overlap, and the (B,) overlaps with the second embedding's query rows in random order."""
    a, b = first.indices, second.indices
    rows = np.arange(len(a)) if first.queries is None else first.queries
    null = np.empty(count)
    renamed = np.arange(first.size, dtype=np.int32)
    for number in range(count):
        order = rng.permutation(rows.size)
        # Row i of the shuffled embedding is text order[i]: that text takes the number of row i.
        renamed[rows[order]] = rows
        null[number] = neighbour_overlap(a, renamed[b[order]])
    return neighbour_overlap(a, b), null
