"""One evaluation as plain values and bound callables, without a configuration library.

config/build.py makes a `Request`, `prepare` resolves it to a `Prepared`, and the pipeline reads nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.datasets.corpus import Corpus
from evalkit.encoders import Encoder
from evalkit.types import EncoderIdentity, Evaluation, Projection, Space


@dataclass(frozen=True, slots=True)
class EvaluatorChoice:
    """One evaluator with its parameters bound, called as ``evaluate(sample, rng)``."""

    name: str  # of the family, which its scores begin with
    space: Space  # embedding: independent of the map, so all projections share its result; map: scores the map
    evaluate: Callable[..., Evaluation]
    described: Mapping[str, Any]  # target and parameters: what the result depends on besides the data

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

    create: Callable[..., Any]
    log_texts: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One evaluation as asked for."""

    load: Callable[[], Corpus]  # reads and validates
    encoder: Encoder
    model: str  # short name (bge) in runs and leaderboards
    pooling: str  # native not yet resolved
    projection: ProjectionChoice
    evaluators: tuple[EvaluatorChoice, ...]
    tracker: TrackerChoice
    seed: int
    k: tuple[int, ...] | None
    rank_by: str
    store: str
    reuse: bool
    theme: Literal["light", "dark"]
    described: Mapping[str, Any]  # all settings as JSON values, secrets masked
    identifying: Mapping[str, Any]  # those of them that determine the result
    warnings: tuple[str, ...] = ()  # what the user should know of the settings


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of the store, all known before a vector is."""

    texts: str  # fingerprint of what is encoded: `identity.vectors_key` makes it the key of an encoder's vectors
    queries: str  # likewise
    embedding: str  # vectors of the N scored texts
    scoring_graph: str  # as deep as the scores need it
    projection_graph: str
    projection: str
    evaluations: Mapping[str, str]  # by the evaluator's name


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A request with everything resolved that can be known without a weight in memory."""

    request: Request
    corpus: Corpus
    encoder: EncoderIdentity
    projection: ProjectionChoice
    evaluators: tuple[EvaluatorChoice, ...]  # those asked for, and the neighbourhood of the topics, which every run has
    k: tuple[int, ...]
    scoring_depth: int  # neighbours of a text that the scores need
    projection_depth: int
    identity: str
    keys: Keys
    warnings: tuple[str, ...]
