"""Which topics lie next to each other: by centroid, against labels that mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.label_means import BLOCK_VALUES, centre, label_means
from evalkit.stats.permutation import permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE, stratified_rows
from evalkit.types import Codes, Evaluation, Sample, Vectors

__all__ = ["TopicNeighbour", "evaluate", "mutual_over_embeddings", "nearest_centroids", "nearest_topics"]


@dataclass(frozen=True, slots=True)
class TopicNeighbour:
    """A label's nearest other label.

    Attributes
    ----------
    label, nearest
        Label codes.
    similarity
        Cosine of the two centroids.
    mutual
        Whether each is the other's nearest.
    chance, p_value
        How often these two are mutually nearest when labels are permuted, and (1 + that often) / (1 + B);
        None where they are not mutual.
    """

    label: int
    nearest: int
    similarity: float
    mutual: bool
    chance: float | None
    p_value: float | None

    def described(self) -> dict[str, Any]:
        """All but the codes, as JSON values."""
        return {
            "similarity": self.similarity,
            "mutual": self.mutual,
            "chance": self.chance,
            "p_value": self.p_value,
        }


def nearest_centroids(unit: Vectors, labels: Codes, n_labels: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Each label's nearest other label by cosine of the label sums.

    Parameters
    ----------
    unit
        (N, d) vectors of length 1.
    labels
        (N,) codes 0 … n_labels − 1, every one in use.

    Returns
    -------
    tuple
        (n_labels,) int32 codes, −1 where the label's own or every other sum is zero, and (n_labels,) cosines.
    """
    nearest, cosines = _nearest(_centroid_cosines(unit, labels, n_labels)(labels[None, :]))
    return nearest[0], cosines[0]


def _centroid_cosines(unit: Vectors, labels: Codes, n_labels: int) -> Any:
    vectors = centre(unit, n_labels)
    sizes = np.bincount(labels, minlength=n_labels)

    def cosines(labellings: NDArray[np.int32]) -> NDArray[np.float64]:
        """(P, k, k) cosines of centroids; −inf on the diagonal and where a sum is zero."""
        means = label_means(vectors, labellings, sizes)
        inner = vectors.mean_square + means.lift[:, :, None] + means.lift[:, None, :]
        inner += means.centred @ means.centred.transpose(0, 2, 1)
        lengths = np.sqrt(means.mean_squares(vectors.mean_square))
        none = lengths <= 1e-7
        lengths[none] = 1.0
        inner /= lengths[:, :, None] * lengths[:, None, :]
        inner[none[:, :, None] | none[:, None, :] | np.eye(n_labels, dtype=bool)] = -np.inf
        return np.asarray(inner)

    return cosines


def _nearest(cosines: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    best = cosines.max(axis=2)
    return np.where(np.isfinite(best), cosines.argmax(axis=2), -1).astype(np.int32), best


def _mutual(nearest: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(P, k): whether a label is the nearest of its own nearest."""
    back = np.take_along_axis(nearest, np.maximum(nearest, 0), axis=1)
    return np.asarray((nearest >= 0) & (back == np.arange(nearest.shape[1])))


def nearest_topics(
    unit: Vectors, labels: Codes, n_labels: int, rng: np.random.Generator, *, null_sample: int = 20_000
) -> list[TopicNeighbour]:
    """Each label's nearest other label, and whether mutual nearness is more than coincidence.

    Parameters
    ----------
    unit
        (N, d) vectors of length 1.
    labels
        (N,) codes 0 … n_labels − 1, every one in use.
    rng
        Permutes the labels.
    null_sample
        Above 50,000 texts the permutations are of a stratified sample of so many.

    Returns
    -------
    list
        In the order of the codes; a label whose vectors sum to zero has no nearest and is left out.
    """
    nearest, cosines = nearest_centroids(unit, labels, n_labels)
    mutual = _mutual(nearest[None, :])[0]
    hits, count = _permuted_hits([unit], labels, n_labels, nearest, rng, null_sample)
    often = hits[0].sum(axis=0)
    return [
        TopicNeighbour(
            label=label,
            nearest=int(nearest[label]),
            similarity=float(cosines[label]),
            mutual=bool(mutual[label]),
            chance=float(often[label] / count) if mutual[label] else None,
            p_value=float((1 + often[label]) / (1 + count)) if mutual[label] else None,
        )
        for label in range(n_labels)
        if nearest[label] >= 0
    ]


def mutual_over_embeddings(
    embeddings: Sequence[Vectors], labels: Codes, n_labels: int, a: int, b: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """In how many embeddings two labels are mutually nearest, against the same permuted labels in all of them.

    Embeddings of the same texts are no independent witnesses, so every permutation is scored in all at once.

    Parameters
    ----------
    embeddings
        Unit vectors of the same N texts.
    a, b
        The two label codes.

    Returns
    -------
    tuple
        Share of the embeddings, its expectation under permuted labels, and the p-value.
    """
    target = np.full(n_labels, -1, dtype=np.int32)
    target[a] = b
    found = [nearest_centroids(unit, labels, n_labels)[0] for unit in embeddings]
    share = float(np.mean([nearest[a] == b and nearest[b] == a for nearest in found]))
    hits, count = _permuted_hits(embeddings, labels, n_labels, target, rng, 20_000)
    shares = hits[:, :, a].mean(axis=0)
    as_often = int((shares >= share - 1e-12).sum())
    return share, float(shares.mean()), (1 + as_often) / (1 + count)


def _permuted_hits(
    embeddings: Sequence[Vectors],
    labels: Codes,
    n_labels: int,
    nearest: NDArray[np.int32],
    rng: np.random.Generator,
    null_sample: int,
) -> tuple[NDArray[np.bool_], int]:
    """(embeddings, B, k): whether label c and nearest[c] are mutually nearest under permuted labels; and B."""
    rows = stratified_rows(labels, null_sample, rng) if labels.size > LARGE else np.arange(labels.size)
    labels = labels[rows]
    cosines = [_centroid_cosines(unit[rows], labels, n_labels) for unit in embeddings]

    def statistic(labellings: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        hits = {}
        for number, measure in enumerate(cosines):
            drawn, _ = _nearest(measure(labellings))
            hits[str(number)] = (drawn == nearest) & _mutual(drawn)
        return hits

    cost = float(labels.size * embeddings[0].shape[1] + n_labels**2 * embeddings[0].shape[1]) * len(embeddings)
    count = permutation_count(cost)
    block = int(np.clip(BLOCK_VALUES // (labels.size * n_labels), 16, count))
    drawn = permute_scores(statistic, labels, count=count, rng=rng, block=block)
    return np.stack([drawn[str(number)] > 0 for number in range(len(embeddings))]), count


def evaluate(sample: Sample, rng: np.random.Generator) -> Evaluation:
    """`nearest_topics` as columns a label: no score, and the same for every map of the embedding.

    Returns
    -------
    Evaluation
        per_label ``nearest_topic`` (codes, −1 for none), ``nearest_topic.similarity``, ``.mutual`` (0 or 1),
        ``.chance`` and ``.p_value`` (NaN where the two are not mutually nearest).
    """
    nearest = np.full(sample.n_labels, -1, dtype=np.int64)
    columns = {name: np.full(sample.n_labels, np.nan) for name in ("similarity", "mutual", "chance", "p_value")}
    for row in nearest_topics(sample.unit, sample.labels, sample.n_labels, rng):
        nearest[row.label] = row.nearest
        for name, column in columns.items():
            value = getattr(row, name)
            column[row.label] = np.nan if value is None else float(value)
    return Evaluation(
        scores=(), per_label={"nearest_topic": nearest, **{f"nearest_topic.{n}": c for n, c in columns.items()}}
    )
