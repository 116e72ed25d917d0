"""Frozen values passed between packages: corpus → embedding → neighbour graph → projection → evaluation → record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Codes", "Embedding", "EncoderIdentity", "Encoding", "Evaluation", "NeighbourGraph", "Points",
    "Projection", "Record", "Sample", "Score", "Space", "SplitVectors", "Ties", "Vectors",
]  # fmt: skip

Vectors = NDArray[np.float32]
"""(n, d) float32, one row per text."""

Codes = NDArray[np.int32]
"""(n,) int32 label codes, 0 … number of labels − 1."""

Points = NDArray[np.float64]
"""(n, 2) float64, one row per text."""

Space = Literal["embedding", "map", "ranking"]


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Everything that determines an encoder's vectors, known before weights are loaded.

    Attributes
    ----------
    kind
        ``transformer``, ``random``, ``tfidf`` or ``precomputed``.
    name
        Hub id (``BAAI/bge-base-en-v1.5``), else the name of the folder or file.
    revision
        Full commit, or a digest of the content where there is no commit.
    pooling, native_pooling
        Resolved pooling (``native`` becomes ``mean``, ``cls``, …) and the model's own; ``none`` for encoders without
        tokens.
    normalised
        Whether the encoder itself returns unit vectors.
    dtype
        Type that the weights compute in: ``float32`` or ``bfloat16``.
    dimension, max_length, parameters
        Vector length, longest input in tokens, number of weights; None where unknown or meaningless.
    prompt
        Text put before every text, or None.
    details
        Other determinants of the vectors as JSON values: seed of a random encoder, n-gram ranges, truncate_dim, …
    """

    kind: str
    name: str
    revision: str
    pooling: str
    native_pooling: str
    normalised: bool
    dtype: str = "float32"
    dimension: int | None = None
    max_length: int | None = None
    parameters: int | None = None
    prompt: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Vectors of some texts as the encoder returns them, not normalised by evalkit.

    Attributes
    ----------
    vectors
        (n, d) float32.
    truncated
        Number of texts cut at ``max_length``.
    seconds
        Time of the forward pass and pooling without loading; texts per second are computed from it.
    parameters
        Number of weights, if it is known only after loading.
    """

    vectors: Vectors
    truncated: int = 0
    seconds: float = 0.0
    parameters: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Vectors of a corpus.

    Attributes
    ----------
    raw
        (N, d) float32 vectors as the encoder returned them.
    unit
        (N, d) float32 vectors of length 1, from which cosines are taken; a zero vector stays zero.
    encoder
        Identity of the encoder.
    key
        Key of the vectors in the store; equal keys mean equal vectors.
    """

    raw: Vectors
    unit: Vectors
    encoder: EncoderIdentity
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """Unlisted texts that are exactly as near as the last listed neighbour.

    For query row ``rows[t]``, the texts ``members[starts[t]:starts[t + 1]]`` are either the unlisted
    texts tied with the last listed one (``complement[t]`` False) or, where that is the shorter list,
    the texts strictly farther than the tied (``complement[t]`` True).

    Attributes
    ----------
    rows
        (T,) positions of the query rows with such ties, ascending.
    starts, members
        (T + 1,) offsets into ``members``, and text numbers.
    complement
        (T,) whether a row's members are the farther texts instead of the tied ones.
    counts
        (T,) number of unlisted texts tied with the last listed one.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    members: NDArray[np.int32]
    complement: NDArray[np.bool_]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourGraph:
    """The nearest other texts of each query row, nearest first.

    Attributes
    ----------
    indices
        (Q, K) int32 text numbers; a text is never its own neighbour.
    similarities
        (Q, K) float32, descending: cosine in an embedding, minus the Euclidean distance on a map.
    size
        N, the number of texts searched.
    queries
        (Q,) text numbers of the query rows, ascending; None means every text, in order.
    ties
        Ties across the last listed place.
    exact
        False for an approximate graph.
    recall
        Measured share of the true neighbours that an approximate graph holds, else None.
    """

    indices: NDArray[np.int32]
    similarities: NDArray[np.float32]
    size: int
    queries: NDArray[np.int64] | None
    ties: Ties
    exact: bool = True
    recall: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A map: two-dimensional coordinates of every text.

    Attributes
    ----------
    name
        Projection that ran; ``pca`` where the corpus was too small for the requested one.
    points
        (N, 2) float64.
    seed
        Seed of the projection.
    parameters
        Effective parameters as JSON values.
    warnings
        Sentences for the record.
    """

    name: str
    points: Points
    seed: int
    parameters: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SplitVectors:
    """Raw vectors of the train and test rows, with label codes that both share.

    ``native_train`` and ``native_test`` hold the vectors of the model's own pooling, which MTEB's protocol uses; None
    where the run's pooling is the model's own.
    """

    train: Vectors
    test: Vectors
    train_labels: Codes
    test_labels: Codes
    native_train: Vectors | None = None
    native_test: Vectors | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Input of an evaluator: arrays only, never a model, a file, a configuration or a logger.

    Attributes
    ----------
    unit, raw
        (N, d) float32 vectors: of length 1, and as the encoder returned them.
    labels, n_labels
        (N,) label codes 0 … n_labels − 1, every code in use.
    graph
        Exact neighbours in the embedding, of every text or of a stratified sample of query rows.
    whole_graph
        Neighbours of every text: ``graph`` itself, or an approximate graph of a large corpus.
    points, plane
        (N, 2) map and the exact neighbours on it (query rows of ``graph``); None in the embedding space.
    split
        Vectors of train and test rows for the probe, or None.
    """

    unit: Vectors
    raw: Vectors
    labels: Codes
    n_labels: int
    graph: NeighbourGraph
    whole_graph: NeighbourGraph
    points: Points | None = None
    plane: NeighbourGraph | None = None
    split: SplitVectors | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its chance level, p-value and interval; docs/metrics.md defines the fields.

    Fields are None where they have no meaning; ``value`` is None only where the score is undefined on these data,
    such as the overlap of hulls of area 0.
    """

    name: str
    space: Space
    value: float | None
    best: float | None = None
    chance: float | None = None
    adjusted: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    higher_is_better: bool = True
    ranks_models: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Result of an evaluator.

    Attributes
    ----------
    scores
        In display order.
    per_text
        Column name → (N,) float array, NaN where a text has no value. A score that is a mean over texts has a column
        of its own name, and its jackknife pseudo-values, used by intervals and paired tests, one named
        ``<score name>.pseudo``.
    per_label
        Column name → (n_labels,) array of floats, or of label codes with −1 for none.
    pairs
        Column name → array with one entry per pair of labels (hulls only); ``a`` and ``b`` are label codes.
    warnings
        Sentences for the record.
    """

    scores: tuple[Score, ...]
    per_text: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    per_label: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    pairs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A finished evaluation: the content of record.json, which trackers and reports read."""

    identity: str
    evalkit_version: str
    settings: Mapping[str, Any]
    corpus: Mapping[str, Any]
    encoder: Mapping[str, Any]
    projection: Mapping[str, Any]
    scores: tuple[Score, ...]
    queries: tuple[Mapping[str, Any], ...]
    timings: Mapping[str, float]
    environment: Mapping[str, Any]
    warnings: tuple[str, ...]
    topics: tuple[Mapping[str, Any], ...] = ()
