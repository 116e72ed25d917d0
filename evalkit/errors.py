"""Failures that a user can act on.

Each message is one sentence: what is wrong, what was found, what to do. The entry modules print it
without a traceback and turn the class into an exit status.
"""

from __future__ import annotations

__all__ = ["EvalkitError", "EvaluationError", "HubUnreachableError", "RequestError"]


class EvalkitError(Exception):
    """An expected failure; its text is written for the user."""

    exit_status = 1


class RequestError(EvalkitError):
    """The request itself is wrong (exit status 2): an option, the data, or their combination."""

    exit_status = 2


class EvaluationError(EvalkitError):
    """The request is right, but the evaluation could not be finished (exit status 1)."""

    exit_status = 1


class HubUnreachableError(EvaluationError):
    """The model hub did not answer, or refused; the other models of a sweep can go on."""
