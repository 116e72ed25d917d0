"""One evaluation as plain values and bound callables, without a configuration library.

config/build.py makes a `Request` of the composed configuration; `prepare` resolves it to a `Prepared`; the pipeline
reads nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.datasets.corpus import Corpus
from evalkit.encoders import Encoder
from evalkit.types import EncoderIdentity, Evaluation, Projection, Space

__all__ = ["EvaluatorChoice", "Keys", "Prepared", "ProjectionChoice", "Request", "TrackerChoice"]


@dataclass(frozen=True, slots=True)
class EvaluatorChoice:
    """One evaluator with its parameters bound.

    Attributes
    ----------
    name
        The family's name, which its scores begin with.
    space
        ``embedding``: independent of the map, so all projections share its result. ``map``: scores the map.
    evaluate
        Called as ``evaluate(sample, rng)``.
    described
        Target and parameters as JSON values: what the result depends on besides the data.
    """

    name: str
    space: Space
    evaluate: Callable[..., Evaluation]
    described: Mapping[str, Any]

    @property
    def takes_k(self) -> bool:
        """Whether the evaluator has a parameter `k` that follows the run's."""
        return "k" in self.described and self.described["k"] is None


@dataclass(frozen=True, slots=True)
class ProjectionChoice:
    """A projection with its parameters bound; ``chosen`` is False for the default."""

    name: str
    project: Callable[..., Projection]
    described: Mapping[str, Any]
    chosen: bool


@dataclass(frozen=True, slots=True)
class TrackerChoice:
    """Where finished runs are logged: ``create`` makes the tracker."""

    name: str
    create: Callable[..., Any]
    log_texts: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One evaluation as asked for.

    Attributes
    ----------
    load
        Reads and validates the corpus.
    model
        Short name of the model (``bge``) in runs and leaderboards.
    pooling
        As asked for (``native`` not yet resolved).
    described, identifying
        All settings as JSON values, secrets masked, and those of them that determine the result.
    warnings
        What the user should know of the settings.
    """

    load: Callable[[], Corpus]
    encoder: Encoder
    model: str
    pooling: str
    projection: ProjectionChoice
    evaluators: tuple[EvaluatorChoice, ...]
    tracker: TrackerChoice
    seed: int
    k: tuple[int, ...] | None
    rank_by: str
    store: str
    reuse: bool
    theme: Literal["light", "dark"]
    described: Mapping[str, Any]
    identifying: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of the store, all known before a vector is.

    Attributes
    ----------
    texts, queries
        Fingerprints of what is encoded; with an encoder's identity they give the key of its vectors
        (`evalkit.pipeline.identity.vectors_key`).
    embedding
        Vectors of the N scored texts.
    scoring_graph, projection_graph
        Their neighbours, as deep as the scores and as the projection need them.
    projection
        The map.
    evaluations
        Evaluator's name → its result.
    """

    texts: str
    queries: str
    embedding: str
    scoring_graph: str
    projection_graph: str
    projection: str
    evaluations: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A request with everything resolved that can be known without a weight in memory.

    Attributes
    ----------
    evaluators
        Those asked for, and the neighbourhood of the topics, which every run has.
    scoring_depth, projection_depth
        Neighbours of a text that the scores and the projection need.
    """

    request: Request
    corpus: Corpus
    encoder: EncoderIdentity
    projection: ProjectionChoice
    evaluators: tuple[EvaluatorChoice, ...]
    k: tuple[int, ...]
    scoring_depth: int
    projection_depth: int
    identity: str
    keys: Keys
    warnings: tuple[str, ...]
