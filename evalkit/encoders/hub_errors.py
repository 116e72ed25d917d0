"""What a hub's refusal or silence means to the user: one sentence, with the cures."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence

from evalkit.errors import EvalkitError, EvaluationError, HubUnreachableError

__all__ = ["SilentHubError", "cures", "shown", "translate"]

CONNECTION_LIBRARIES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SilentHubError(HubUnreachableError):
    """The hub gave no answer at all, so that asking it for another model would be waiting again."""

    def __init__(self, name: str, endpoint: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{name} is not in the cache and the hub {shown(endpoint)} cannot be reached ({reason}): {cures(name)}."
        )


def cures(name: str) -> str:
    """What to do where the hub is out of reach."""
    return (
        f"fill the cache where there is a network (hf download {name}), name a folder that holds the model "
        "(model=hf model.name=/path), or take the offline model (model=minilm)"
    )


def shown(endpoint: str) -> str:
    """The endpoint without a user and password that may stand in it."""
    return re.sub(r"//[^/@]*@", "//", endpoint)


def translate(error: Exception, name: str, revision: str | None, endpoint: str, cache: str) -> EvalkitError | None:
    """A failure of huggingface_hub as one of ours, None where it is none of the known ones.

    Parameters
    ----------
    name, revision
        What was asked for.
    endpoint, cache
        Of whom, and where to.
    """
    from huggingface_hub import errors

    chain = list(_causes(error))
    where = shown(endpoint)
    status = next((e.response.status_code for e in chain if isinstance(e, errors.HfHubHTTPError)), None)
    if isinstance(error, errors.GatedRepoError):
        return EvaluationError(
            f"{name} is gated and the hub {where} does not give it to you: accept its terms on its page there, "
            "then log in (hf auth login) or set HF_TOKEN."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return EvaluationError(f"{name} has no revision {revision!r} on the hub {where}: correct model.revision.")
    if isinstance(error, errors.RepositoryNotFoundError) or status in {401, 403}:
        return EvaluationError(
            f"{name} does not exist on the hub {where}, or is private: correct model.name, or log in "
            "(hf auth login) if you may read it."
        )
    if isinstance(error, errors.RemoteEntryNotFoundError) or status in {404, 416}:
        return EvaluationError(
            f"a file of {name} is listed by the hub {where}, but is not there: choose another revision."
        )
    if status is not None:
        return HubUnreachableError(f"the hub {where} answers with status {status} for {name}: {cures(name)}.")
    return _translate_system(chain, name, endpoint, cache)


def _translate_system(chain: Sequence[BaseException], name: str, endpoint: str, cache: str) -> EvalkitError | None:
    """Failures of the disk and of the connection."""
    for error in chain:
        if isinstance(error, OSError) and error.errno in FULL:
            return EvaluationError(f"there is no space for {name} in {cache}: free some, or move the cache (HF_HOME).")
        if isinstance(error, PermissionError):
            return EvaluationError(
                f"{name} cannot be written to {cache} (permission denied): move the cache (HF_HOME)."
            )
        if isinstance(error, OSError) and "onsistency check" in str(error):
            return EvaluationError(f"a file of {name} arrives damaged from {shown(endpoint)}: try again later.")
        if type(error).__module__.split(".")[0] in CONNECTION_LIBRARIES:
            return SilentHubError(name, endpoint, type(error).__name__)
    if isinstance(chain[0], OSError | ValueError):
        said = str(chain[0]).splitlines()
        return SilentHubError(name, endpoint, f"{type(chain[0]).__name__}: {said[0] if said else 'without a word'}")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
