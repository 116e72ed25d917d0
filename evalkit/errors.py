"""Failures that a user can act on.

Each message is one sentence: what is wrong, what was found, what to do. The commands print it without a traceback and
exit with the class's status.
"""


class EvalkitError(Exception):
    """An expected failure; its text is written for the user."""

    exit_status = 1


class RequestError(EvalkitError):
    """The request itself is wrong (exit status 2): an option, the data, or their combination."""

    exit_status = 2


class EvaluationError(EvalkitError):
    """The evaluation failed although the request is right (exit status 1)."""


class HubUnreachableError(EvaluationError):
    """The model hub is out of reach or refuses; the other models of a sweep go on."""
