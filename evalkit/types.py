"""Frozen values passed between packages: corpus → embedding → neighbour graph → projection → evaluation → record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(n, d) float32, one row per text."""

Codes = NDArray[np.int32]
"""(n,) int32 label codes, 0 … number of labels − 1."""

Points = NDArray[np.float64]
"""(n, 2) float64, one row per text."""

Floats = NDArray[np.float64]
"""float64 of any shape: scores, pseudo-values, distances."""

Space = Literal["embedding", "map", "ranking"]


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Everything that determines an encoder's vectors, known before weights are loaded."""

    kind: str  # transformer, random, tfidf, precomputed, …
    name: str  # hub id (BAAI/bge-base-en-v1.5), else the name of the folder or file
    revision: str  # full commit, or a digest of the content where there is no commit
    pooling: str = "none"  # resolved: `native` becomes `mean`, `cls`, …; `none` for encoders without tokens
    native_pooling: str = "none"  # the model's own
    normalised: bool = False  # whether the encoder itself returns unit vectors
    dtype: str = "float32"  # that the weights compute in: float32 or bfloat16
    dimension: int | None = None
    max_length: int | None = None  # longest input in tokens
    parameters: int | None = None  # number of weights
    prompt: str | None = None  # text put before every text
    query_side: Mapping[str, Any] = field(default_factory=dict)  # prompt and task of queries, where they are others
    details: Mapping[str, Any] = field(default_factory=dict)
    """Other determinants of the vectors as JSON values: seed of a random encoder, n-gram ranges, truncate_dim, …"""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Vectors of some texts as the encoder returns them, not normalised by evalkit."""

    vectors: Vectors
    truncated: int = 0  # number of texts cut at `max_length`
    seconds: float = 0.0  # of the forward pass and pooling without loading; texts per second are computed from it
    parameters: int | None = None  # number of weights, if it is known only after loading


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Vectors of a corpus."""

    raw: Vectors  # as the encoder returned them
    unit: Vectors  # of length 1, from which cosines are taken; a zero vector stays zero
    encoder: EncoderIdentity
    key: str  # of the vectors in the store; equal keys mean equal vectors


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """Unlisted texts that are exactly as near as the last listed neighbour.

    For query row ``rows[t]``, the texts ``members[starts[t]:starts[t + 1]]`` are either the unlisted
    texts tied with the last listed one (``complement[t]`` False) or, where that is the shorter list,
    the texts strictly farther than the tied (``complement[t]`` True).
    """

    rows: NDArray[np.int64]  # (T,) positions of the query rows with such ties, ascending
    starts: NDArray[np.int64]  # (T + 1,) offsets into `members`
    members: NDArray[np.int32]  # text numbers
    complement: NDArray[np.bool_]  # (T,)
    counts: NDArray[np.int64]  # (T,) number of unlisted texts tied with the last listed one


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourGraph:
    """The nearest other texts of each query row, nearest first."""

    indices: NDArray[np.int32]  # (Q, K) text numbers; a text is never its own neighbour
    similarities: NDArray[np.float32]  # (Q, K) descending: cosine, or on a map minus the Euclidean distance
    size: int  # N, the number of texts searched
    queries: NDArray[np.int64] | None  # (Q,) text numbers of the query rows, ascending; None: every text, in order
    ties: Ties  # across the last listed place
    exact: bool = True
    recall: float | None = None  # measured share of the true neighbours that an approximate graph holds


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A map: two-dimensional coordinates of every text."""

    name: str  # what ran: `pca` where the corpus was too small for the requested one
    points: Points
    seed: int
    parameters: Mapping[str, Any]  # effective ones, as JSON values
    warnings: tuple[str, ...] = ()  # sentences for the record


@dataclass(frozen=True, slots=True, eq=False)
class SplitVectors:
    """Raw vectors of the train and test rows, with label codes that both share."""

    train: Vectors
    test: Vectors
    train_labels: Codes
    test_labels: Codes
    # Of the model's own pooling, which MTEB's protocol uses; None where the run's pooling is the model's own.
    native_train: Vectors | None = None
    native_test: Vectors | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Input of an evaluator: arrays only, never a model, a file, a configuration or a logger."""

    unit: Vectors  # (N, d) of length 1
    raw: Vectors  # (N, d) as the encoder returned them
    labels: Codes  # (N,) 0 … n_labels − 1, every code in use
    n_labels: int
    graph: NeighbourGraph  # exact, in the embedding, of every text or of a stratified sample of query rows
    whole_graph: NeighbourGraph  # of every text: `graph` itself, or an approximate graph of a large corpus
    points: Points | None = None  # (N, 2) map; None in the embedding space
    plane: NeighbourGraph | None = None  # exact, on the map, of the query rows of `graph`
    split: SplitVectors | None = None  # train and test rows for the probe


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

    A score that is a mean over texts has a column of its own name in ``per_text``, and its jackknife pseudo-values,
    used by intervals and paired tests, one named ``<score name>.pseudo``.
    """

    scores: tuple[Score, ...]  # in display order
    per_text: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # (N,) floats, NaN where a text has no value
    per_label: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # (n_labels,) floats, or codes, −1 for none
    pairs: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # one entry per pair of label codes `a`, `b`
    warnings: tuple[str, ...] = ()  # sentences for the record


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
