"""The values that travel through the house: frozen, plain, and free of behaviour.

Data flows one way: corpus → embedding → neighbour graph → projection → evaluations → record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Codes",
    "Corpus",
    "Embedding",
    "EncoderIdentity",
    "Encoding",
    "Evaluation",
    "NeighbourGraph",
    "Points",
    "Projection",
    "Record",
    "Sample",
    "Score",
    "Space",
    "Split",
    "SplitVectors",
    "Ties",
    "Vectors",
]

Vectors = NDArray[np.float32]
"""(n, d) float32, one row a text."""

Codes = NDArray[np.int32]
"""(n,) int32 label codes, 0 … number of labels − 1."""

Points = NDArray[np.float64]
"""(n, 2) float64, one row a text."""

Space = Literal["embedding", "map"]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Train and test rows exactly as they stand in the data (nothing dropped), for the probe.

    Attributes
    ----------
    train_texts, test_texts
        The texts, in file order.
    train_labels, test_labels
        Their label names, in the same order.
    train_rows, test_rows
        Their row numbers in the data (first row is 0), which precomputed vectors are read by.
    """

    train_texts: tuple[str, ...]
    test_texts: tuple[str, ...]
    train_labels: tuple[str, ...]
    test_labels: tuple[str, ...]
    train_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Validated, de-duplicated labelled texts.

    Attributes
    ----------
    name
        What the corpus is called in records and pictures (``topics``, the file's stem, …).
    texts
        The N texts that are scored; with a split, those of the test rows.
    labels
        (N,) label code of each text.
    label_names
        Name of each code, in sorted order.
    rows
        (N,) row of each text in the data, counted from 0 before anything was dropped.
    source_rows
        How many rows the data has.
    queries
        Texts whose nearest neighbours are listed.
    split
        Train and test rows as they stand, or None without a split column.
    fingerprint
        Hex SHA-256 over texts, labels and split: equal exactly when the evaluation's data are equal.
    dropped
        Rows left out, by reason: ``duplicates``, ``conflicts``, ``blank``.
    warnings
        Sentences for the record and the terminal.
    """

    name: str
    texts: tuple[str, ...]
    labels: Codes
    label_names: tuple[str, ...]
    rows: NDArray[np.int64]
    source_rows: int
    queries: tuple[str, ...]
    split: Split | None
    fingerprint: str
    dropped: Mapping[str, int]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """All that is known of an encoder before a weight is loaded; what changes a vector is here.

    Attributes
    ----------
    kind
        ``transformer``, ``random``, ``tfidf`` or ``precomputed``.
    name
        The hub id where there is one (``BAAI/bge-base-en-v1.5``), else the folder's or file's name.
    revision
        Full commit, or a digest of the content for what has no commit.
    pooling
        The resolved pooling (``native`` becomes the model's own: ``mean``, ``cls``, …; ``none`` for
        encoders that have no tokens).
    native_pooling
        The model's own pooling; ``none`` where there is none.
    normalised
        Whether the encoder itself returns unit vectors.
    dtype
        ``float32`` or ``bfloat16``: what the weights computed in.
    dimension, max_length, parameters
        Vector length, longest input in tokens, number of weights; None where unknown or without meaning.
    prompt
        Text put before every text; None without one.
    details
        Whatever else changes a vector (seed of a random encoder, n-gram ranges, truncate_dim,
        a checkpoint's digest), as JSON values.
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
    """One encoder's vectors of some texts, as the encoder returns them (not normalised by us).

    Attributes
    ----------
    vectors
        (n, d) float32.
    truncated
        How many texts were cut at ``max_length``.
    seconds
        Time of the forward pass and pooling, without loading; what texts per second is counted from.
    parameters
        Number of weights, where only loading tells.
    """

    vectors: Vectors
    truncated: int = 0
    seconds: float = 0.0
    parameters: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A corpus in an encoder's space.

    Attributes
    ----------
    raw
        (N, d) float32 vectors as the encoder returned them.
    unit
        (N, d) float32 of length 1 (a zero vector stays zero): what every cosine is taken of.
    encoder
        Who made them.
    key
        The store's key of the vectors; equal keys mean equal vectors.
    """

    raw: Vectors
    unit: Vectors
    encoder: EncoderIdentity
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """Texts equally near as the last listed neighbour, but beyond the list.

    For query row ``rows[t]``, the texts ``members[starts[t]:starts[t + 1]]`` are either the unlisted
    texts tied with the last listed one (``complement[t]`` False) or, where that is the shorter list,
    the texts strictly farther than the tied (``complement[t]`` True).

    Attributes
    ----------
    rows
        (T,) positions of the query rows that have such ties, ascending.
    starts
        (T + 1,) offsets into ``members``.
    members
        Text numbers.
    complement
        (T,) how ``members`` is to be read.
    counts
        (T,) how many unlisted texts are tied with the last listed one.
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
        Measured share of the true neighbours found (approximate graphs), else None.
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
    """A map: the embedding in the plane.

    Attributes
    ----------
    name
        What ran (``pca`` where the corpus was too small for the one asked for).
    points
        (N, 2) float64.
    seed
        The seed it was drawn with.
    parameters
        Effective parameters, as JSON values.
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
    """Raw vectors of the train and test rows as they stand, with label names' codes (shared coding).

    ``native_train`` and ``native_test`` are those of the model's own pooling, which MTEB's protocol is
    about, where the run's pooling is another; None where it is not.
    """

    train: Vectors
    test: Vectors
    train_labels: Codes
    test_labels: Codes
    native_train: Vectors | None = None
    native_test: Vectors | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """All that an evaluator may look at: arrays, never a model, a file, a config or a logger.

    Attributes
    ----------
    unit, raw
        (N, d) float32 vectors: of length 1, and as the encoder returned them.
    labels
        (N,) label codes 0 … n_labels − 1, every code in use.
    n_labels
        Number of labels.
    graph
        Exact neighbours in the embedding: of every text, or of a stratified sample of query rows.
    whole_graph
        Neighbours of every text (the same object as ``graph`` where that is whole; approximate in a
        large corpus).
    points
        (N, 2) the map, or None in the embedding space.
    plane
        Exact neighbours on the map (same query rows as ``graph``), or None.
    split
        Raw vectors of train and test rows for the probe, or None.
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
    """One score with everything one needs to read it (field by field as in docs/metrics.md).

    ``best``, ``chance``, ``adjusted``, ``p_value``, ``ci_low``, ``ci_high`` are None where they have
    no meaning; ``value`` is None only where the score is undefined on these data (say, hulls of area 0).
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
    """What an evaluator returns.

    Attributes
    ----------
    scores
        In the order to show them.
    per_text
        Column name → (N,) float array (NaN where a text has no value). A score that is a mean over
        texts has its column under its own name; the jackknife pseudo-values that intervals and paired
        comparisons rest on stand under ``<score name>.pseudo``.
    per_label
        Column name → array of length n_labels (floats, or integer label codes with −1 for none).
    pairs
        Column name → array, one entry a pair of labels (hulls only): ``a`` and ``b`` are label codes.
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
    """One finished evaluation: what record.json holds, and all that trackers and reports read."""

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
