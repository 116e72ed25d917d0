"""What one evaluation is asked to do: plain values and bound callables, no configuration library.

settings.py builds a `Request` from the composed configuration; the pipeline reads nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.encoders import Encoder
from evalkit.types import Corpus, EncoderIdentity, Evaluation, Projection, Space

__all__ = ["EvaluatorChoice", "Prepared", "ProjectionChoice", "Request", "TrackerChoice"]


@dataclass(frozen=True, slots=True)
class EvaluatorChoice:
    """One evaluator with its parameters bound.

    Attributes
    ----------
    name
        The family's name, which its scores begin with.
    space
        ``embedding``: does not look at the map, so all projections share its result. ``map``: does.
    evaluate
        Called as ``evaluate(sample, rng)``.
    described
        Target and parameters as JSON values: what the result depends on besides the data.
    """

    name: str
    space: Space
    evaluate: Callable[..., Evaluation]
    described: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectionChoice:
    """A projection with its parameters bound; ``chosen`` is False for the default nobody asked for."""

    name: str
    project: Callable[..., Projection]
    described: Mapping[str, Any]
    chosen: bool


@dataclass(frozen=True, slots=True)
class TrackerChoice:
    """Where finished runs are logged: ``create`` makes the tracker (and imports its library)."""

    name: str
    create: Callable[..., Any]
    log_texts: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One evaluation.

    Attributes
    ----------
    load
        Reads and validates the corpus.
    encoder
        Makes vectors.
    model
        Short name of the model (``bge``), as runs and leaderboards call it.
    pooling
        As asked for (``native`` not yet resolved).
    described
        All settings as JSON values, secrets masked: the record's ``settings``.
    identifying
        Those of them that determine the result, as JSON values.
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


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A request whose every question is answered, short of the vectors."""

    request: Request
    corpus: Corpus
    encoder: EncoderIdentity
    projection: ProjectionChoice
    k: tuple[int, ...]
    identity: str
    warnings: tuple[str, ...]
