"""Position of the vectors on the sphere: diagnostics, which describe an embedding and never rank models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.special import hyp0f1

from evalkit.metrics.intrinsic_dimension import gaussian_intrinsic_dimension, intrinsic_dimension, neighbour_distances
from evalkit.metrics.label_means import BLOCK_VALUES, centre, label_means
from evalkit.stats.permutation import Statistic, build_score, permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Floats, Sample, Score, Vectors

EXACT_TEXTS = 1024  # up to this number of texts uniformity takes all pairs
BLOCK_PAIRS = 1 << 10


def evaluate(
    sample: Sample, rng: np.random.Generator, *, pairs: int = 1_000_000, null_sample: int = 20_000
) -> Evaluation:
    """Anisotropy, alignment, uniformity and intrinsic dimension of an embedding.

    Parameters
    ----------
    sample
        Reads unit vectors, labels and the whole neighbour graph.
    rng
        Draws pairs, permutations and the Gaussian vectors that intrinsic dimension is compared with.
    pairs
        Pairs that uniformity is estimated from above 1,024 texts.
    null_sample
        Above 50,000 texts alignment is permuted on a stratified sample of this size.
    """
    unit, graph = sample.unit, sample.whole_graph
    n, dimension = unit.shape
    distances = neighbour_distances(unit, graph) if graph.indices.shape[1] > 1 else np.zeros((0, 2))
    gaussian, queries = gaussian_intrinsic_dimension(n, dimension, rng) if n > 2 else (float("nan"), 0)
    texts = int((distances[:, 0] > 1e-6).sum())
    searched = {
        "exact_graph": graph.exact, "graph_recall": graph.recall, "chance_queries": queries, "texts": texts,
    }  # fmt: skip
    spread = {"pairs": n * (n - 1) // 2 if n <= EXACT_TEXTS else pairs}
    return Evaluation(
        scores=(
            _diagnostic("anisotropy", anisotropy(unit), 0.0, {}),
            _alignment(unit, sample.labels, rng, null_sample),
            _diagnostic("uniformity", uniformity(unit, rng, pairs=pairs), uniform_uniformity(dimension), spread),
            _diagnostic("intrinsic_dimension", intrinsic_dimension(distances), gaussian, searched),
        )
    )


def anisotropy(unit: Vectors) -> float:
    """Mean cosine of two different texts: −1/(N − 1) to 1, 0 for evenly spread directions (Ethayarajh 2019)."""
    n = len(unit)
    total = unit.sum(axis=0, dtype=np.float64)
    squares = float(np.einsum("ij,ij->", unit, unit, dtype=np.float64))
    return (float(total @ total) - squares) / (n * (n - 1))


def uniformity(unit: Vectors, rng: np.random.Generator, *, pairs: int = 1_000_000) -> float:
    """Log of the mean of exp(−2‖x − y‖²) over two different texts: from −8 to 0, lower is more evenly spread.

    Of all pairs up to 1,024 texts, else of `pairs` drawn with replacement (Wang & Isola 2020, eq. 3, t = 2).
    """
    n = len(unit)
    if n <= EXACT_TEXTS:
        return float(np.log(np.exp(-2 * pdist(unit.astype(np.float64), "sqeuclidean")).mean()))
    drawn = rng.integers(n, size=pairs)
    others = (drawn + rng.integers(1, n, size=pairs)) % n
    squares = np.einsum("ij,ij->i", unit, unit)
    total = 0.0
    for start in range(0, pairs, BLOCK_PAIRS):
        first, second = drawn[start : start + BLOCK_PAIRS], others[start : start + BLOCK_PAIRS]
        cosines = np.einsum("ij,ij->i", unit[first], unit[second])
        squared = np.maximum(squares[first] + squares[second] - 2 * cosines, 0.0)
        total += float(np.exp(-2 * squared.astype(np.float64)).sum())
    return float(np.log(total / pairs))


def uniform_uniformity(dimension: int) -> float:
    """Uniformity of the uniform distribution on the sphere in d dimensions: E exp(4c) = ₀F₁(d/2; 4), c the cosine."""
    return float(-4 + np.log(hyp0f1(dimension / 2, 4.0)))


def alignments(unit: Vectors, codes: Codes) -> Statistic:
    """Mean squared distance of two texts of one label, under (P, N) labellings: 0 to 4, lower is tighter.

    About 2 for evenly spread vectors; NaN where no label has two texts (Wang & Isola 2020, eq. 2, α = 2). Within a
    label, Σ‖x − y‖² over ordered pairs is 2n·Σ‖x − μ‖².
    """
    sizes = np.bincount(codes)
    vectors = centre(unit, sizes.size)
    pairs = float((sizes * (sizes - 1)).sum())

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        spread = np.stack([np.bincount(row, vectors.spread, sizes.size) for row in labellings])
        within = np.maximum(spread - sizes * label_means(vectors, labellings, sizes).spread, 0.0)
        return {"alignment": 2 * (within @ sizes) / pairs if pairs else np.full(len(labellings), np.nan)}

    return statistic


def _alignment(unit: Vectors, labels: Codes, rng: np.random.Generator, null_sample: int) -> Score:
    statistic, parameters = alignments(unit, labels), {}
    value = float(statistic(labels[None])["alignment"][0])
    count = permutation_count(float(unit.size))
    if len(unit) > LARGE:
        rows = stratified_rows(labels, null_sample, rng)
        labels, count = labels[rows], 99
        statistic, parameters = alignments(unit[rows], labels), {"null_texts": rows.size}
    block = int(np.clip(BLOCK_VALUES // (labels.size * np.unique(labels).size), 64, count))
    null = permute_scores(statistic, labels, count=count, rng=rng, block=block)["alignment"]
    return _diagnostic("alignment", value, 2.0, parameters, null)


def _diagnostic(
    name: str, value: float, chance: float, parameters: Mapping[str, Any], null: Floats | None = None
) -> Score:
    return build_score(
        f"geometry/{name}", "embedding", value, best=None, chance=chance if np.isfinite(chance) else None, null=null,
        higher_is_better=name == "intrinsic_dimension", ranks_models=False, parameters=parameters,
    )  # fmt: skip
