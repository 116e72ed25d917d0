"""The model hub by huggingface_hub: commit and files of a model, the cache, downloads, and one sentence a failure."""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit.encoders.silence import quiet
from evalkit.errors import EvalkitError, EvaluationError, HubUnreachableError, RequestError
from evalkit.runtime.deadline import call_within

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # huggingface_hub reads it when it is imported

ANSWER_SECONDS = 5.0
"""Longest silence of the hub on one request."""
DEADLINE_SECONDS = 9.0
"""Longest wait for the hub's first answer, the resolution of its name included."""
SMALL_FILES_SECONDS = 60.0
"""Longest wait for a model's configuration files: some of huggingface_hub's requests have no timeout."""
NETWORK_LIBRARIES = ("httpx", "httpcore", "requests", "urllib3")
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_name(name: str) -> None:
    """Refuse a name that cannot be a hub id."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, but not in its __all__

    try:
        validate_repo_id(name)
    except HFValidationError:
        raise RequestError(
            f"model.name={name!r} is neither a folder here nor a hub id: write owner/model as the hub shows it."
        ) from None


def cached_folder(name: str, revision: str | None) -> Path | None:
    """The folder of `revision` in the cache, called by its commit; it may lack files. None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    paths = (try_to_load_from_cache(name, file, revision=revision) for file in ("modules.json", "config.json"))
    return next((Path(path).parent for path in paths if isinstance(path, str)), None)


def cached_files(name: str, commit: str) -> frozenset[str] | None:
    """Names of all files of a commit, where the cache holds the hub's listing; else None."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return frozenset(entry.path for entry in get_cached_repo_tree(name, revision=commit))
    except CachedRepoTreeNotFoundError:
        return None


def describe(name: str, revision: str | None) -> tuple[str, frozenset[str]]:
    """Ask the hub for a model's full id and its file names."""
    from huggingface_hub import HfApi

    ask = functools.partial(HfApi().model_info, name, revision=revision, timeout=ANSWER_SECONDS)
    with _one_sentence(name, revision), quiet():
        info = call_within(DEADLINE_SECONDS, ask)
    return info.id, frozenset(file.rfilename for file in info.siblings or ())


def download(name: str, revision: str | None, files: Sequence[str], *, seconds: float | None = None) -> Path:
    """Download files of a revision into the cache, weights with a progress bar; the folder is called by the commit.

    `seconds` limits the time for small files. None is huggingface_hub's own patience (HF_HUB_DOWNLOAD_TIMEOUT seconds
    of silence, five retries without progress).
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    weights = [file for file in files if file.endswith(".safetensors")]
    others = [file for file in files if file not in weights]
    snapshot = functools.partial(
        snapshot_download, name, revision=revision, allow_patterns=others, etag_timeout=ANSWER_SECONDS
    )
    with _one_sentence(name, revision):
        with quiet():
            folder = Path(snapshot() if seconds is None else call_within(seconds, snapshot))
        with quiet(bars=True):
            for file in weights:  # in this thread, so that a signal ends it; those of a pool finish their file first
                hf_hub_download(name, file, revision=folder.name, etag_timeout=ANSWER_SECONDS)
    return folder


@contextmanager
def _one_sentence(name: str, revision: str | None) -> Iterator[None]:
    """Turn huggingface_hub's failures into ours; an unknown one passes."""
    try:
        yield
    except Exception as error:
        causes: list[BaseException] = [error]
        while cause := causes[-1].__cause__ or causes[-1].__context__:
            causes.append(cause)
        translated = _translated(causes, name, revision)
        if translated is None:
            raise
        raise translated from None


def _translated(causes: Sequence[BaseException], name: str, revision: str | None) -> EvalkitError | None:
    """The hub's answer, a full disk, a damaged file or a hub out of reach, as one sentence; None for what is none."""
    from huggingface_hub import constants, errors

    hub = "the hub " + re.sub(r"//[^/@]*@", "//", constants.ENDPOINT)  # without a user and password
    cache = constants.HF_HUB_CACHE
    cures = (
        f"fill the cache where there is a network (hf download {name}), name a folder that holds the model "
        "(model=hf model.name=/path), or take the offline model (model=minilm)"
    )
    for error in causes:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return EvaluationError(f"there is no space for {name} in {cache}: free some, or move the cache (HF_HOME).")
        if isinstance(error, PermissionError):
            return EvaluationError(f"{name} cannot be written to {cache} (no permission): move the cache (HF_HOME).")
        if isinstance(error, OSError) and "onsistency check" in str(error):
            return EvaluationError(f"a file of {name} arrives damaged from {hub}: try again later.")
        if isinstance(error, errors.OfflineModeIsEnabled):
            return HubUnreachableError(f"{name} is not wholly in the cache and HF_HUB_OFFLINE is set: {cures}.")
        if isinstance(error, errors.HfHubHTTPError):
            return _refusal(error, name, revision, hub, cures)
    network = [type(error).__name__ for error in causes if type(error).__module__.startswith(NETWORK_LIBRARIES)]
    if not network and not isinstance(causes[0], OSError | ValueError):
        return None
    message = [*network, *str(causes[0]).splitlines(), "no answer in time"][0]
    return HubUnreachableError(f"{name} is not in the cache and {hub} cannot be reached ({message}): {cures}.")


def _refusal(error: Any, name: str, revision: str | None, hub: str, cures: str) -> EvalkitError:
    """What the hub answered."""
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return EvaluationError(
            f"{name} is gated and {hub} does not give it to you: accept its terms on its page there, "
            "then log in (hf auth login) or set HF_TOKEN."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return EvaluationError(f"{name} has no revision {revision!r} on {hub}: correct model.revision.")
    if isinstance(error, errors.RepositoryNotFoundError) or status in {401, 403}:
        return EvaluationError(f"{name} does not exist on {hub}, or is private: correct it, or log in (hf auth login).")
    if status in {404, 416}:
        return EvaluationError(f"a file of {name} is listed by {hub}, but is not there: choose another revision.")
    return HubUnreachableError(f"{hub} answers with status {status} for {name}: {cures}.")
