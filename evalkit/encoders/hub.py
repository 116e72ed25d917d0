"""The model hub: which commit a name stands for, which files it has, and getting them into the cache.

All traffic goes through huggingface_hub, whose patience is cut short here: a hub that does not answer is
said within seconds, and not asked again by the next models of a sweep.
"""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from evalkit.encoders.quiet import no_telemetry, quiet
from evalkit.errors import EvalkitError, EvaluationError, HubUnreachableError, RequestError

__all__ = [
    "Listing",
    "cached_commit",
    "cached_files",
    "check_name",
    "download",
    "is_commit",
    "list_files",
    "snapshot_folder",
]

ANSWER_SECONDS = 6.0
"""Longest silence of the hub on one request."""
DEADLINE_SECONDS = 9.0
"""Longest wait for the first answer in all; name resolution has no timeout of its own."""
ATTEMPTS = 2
"""How often one piece of a file is asked for: a third time would be the same request without progress."""
REMEMBERED_SECONDS = 300.0
"""For how long a hub that did not answer is not asked again."""

_silent_since: dict[str, tuple[float, str]] = {}

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Listing:
    """What the hub says of a model: its id, full commit, and file names."""

    name: str
    commit: str
    files: frozenset[str]


def is_commit(revision: str | None) -> bool:
    """Whether `revision` is a full commit, which can never come to mean anything else."""
    return revision is not None and re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def check_name(name: str) -> None:
    """Refuse what cannot be a hub id.

    Raises
    ------
    RequestError
        With the name as it was given.
    """
    # The rules of huggingface_hub.utils.validate_repo_id, which costs its import.
    parts = name.split("/")
    fits = (
        len(parts) <= 2 and all(re.fullmatch(r"\w([\w.-]*\w)?", part, re.ASCII) for part in parts) and len(name) <= 96
    )
    if not fits or "--" in name or ".." in name or name.endswith(".git"):
        raise RequestError(
            f"model.name={name!r} is neither a folder here nor a hub id (owner/model): write an id as the hub "
            "shows it, or the path of a folder that exists."
        )


def snapshot_folder(name: str, commit: str) -> Path:
    """Where the cache keeps the files of one commit; it need not exist."""
    return _storage(name) / "snapshots" / commit


def cached_commit(name: str, revision: str | None) -> str | None:
    """The commit that a branch or tag stood for when it was last downloaded, or None."""
    reference = _storage(name) / "refs" / (revision or "main")
    if not reference.is_file():
        return None
    commit = reference.read_text(encoding="utf-8").strip()
    return commit if is_commit(commit) else None


def cached_files(name: str, commit: str) -> frozenset[str] | None:
    """All files that the commit has, where huggingface_hub has kept the hub's listing; else None."""
    hub = _library()
    recall = getattr(hub, "get_cached_repo_tree", None)  # huggingface_hub 1.32 and later
    if recall is None:
        return None
    try:
        return frozenset(entry.path for entry in recall(name, revision=commit))
    except OSError:
        return None  # no listing was kept
    except ValueError:
        return None


def known_absent(name: str, commit: str, file: str) -> bool:
    """Whether the cache remembers that the hub has no such file."""
    return (_storage(name) / ".no_exist" / commit / file).is_file()


def list_files(name: str, revision: str | None) -> Listing:
    """Ask the hub for a model's full commit and file names.

    Raises
    ------
    HubUnreachableError
        The hub does not answer, or answers with a failure of its own.
    EvaluationError
        It does not know the model or the revision, or does not give it.
    """
    hub = _library()
    endpoint = _endpoint()
    if _offline():
        raise HubUnreachableError(f"{name} is not in the cache and HF_HUB_OFFLINE is set: {_cures(name)}.")
    _refuse_silent(endpoint, name)

    def ask() -> Any:
        return hub.HfApi().model_info(name, revision=revision, timeout=ANSWER_SECONDS)

    with _translated(name, revision), quiet():
        info = _within(DEADLINE_SECONDS, ask, endpoint, name)
    files = frozenset(sibling.rfilename for sibling in info.siblings or ())
    return Listing(name=info.id or name, commit=str(info.sha), files=files)


def download(name: str, commit: str, files: Sequence[str]) -> Path:
    """Get files of a commit into the cache; weights with a progress bar where stderr is a terminal.

    Returns
    -------
    Path
        The commit's folder in the cache.

    Raises
    ------
    HubUnreachableError, EvaluationError
        As `list_files`; or there is no space left, or a file arrives damaged.
    """
    hub = _library()
    endpoint = _endpoint()
    if _offline():
        raise HubUnreachableError(f"{name} is only partly in the cache and HF_HUB_OFFLINE is set: {_cures(name)}.")
    _refuse_silent(endpoint, name)
    with _translated(name, commit), quiet(), _impatient(name):
        for file in sorted(files, key=lambda file: (file.endswith(".safetensors"), file)):
            bars = {} if file.endswith(".safetensors") else {"tqdm_class": _no_bar()}
            hub.hf_hub_download(name, file, revision=commit, etag_timeout=ANSWER_SECONDS, **bars)
    return snapshot_folder(name, commit)


def _library() -> Any:
    no_telemetry()
    import huggingface_hub

    return huggingface_hub


def _storage(name: str) -> Path:
    from_library = _library().constants.HF_HUB_CACHE
    return Path(from_library).expanduser() / ("models--" + name.replace("/", "--"))


def _endpoint() -> str:
    return str(_library().constants.ENDPOINT)


def _shown(endpoint: str) -> str:
    """The endpoint without a user and password that may stand in it."""
    return re.sub(r"//[^/@]*@", "//", endpoint)


def _offline() -> bool:
    return bool(_library().constants.HF_HUB_OFFLINE)


def _cures(name: str) -> str:
    return (
        f"fill the cache where there is a network (hf download {name}), name a folder that holds the model "
        "(model=hf model.name=/path), or take the offline model (model=minilm)"
    )


def _refuse_silent(endpoint: str, name: str) -> None:
    since, reason = _silent_since.get(endpoint, (float("-inf"), ""))
    if time.monotonic() - since < REMEMBERED_SECONDS:
        raise HubUnreachableError(_unreachable(endpoint, name, reason))


def _unreachable(endpoint: str, name: str, reason: str) -> str:
    return f"{name} is not in the cache and the hub {_shown(endpoint)} cannot be reached ({reason}): {_cures(name)}."


def _silent(endpoint: str, name: str, reason: str) -> HubUnreachableError:
    _silent_since[endpoint] = (time.monotonic(), reason)
    return HubUnreachableError(_unreachable(endpoint, name, reason))


def _within(seconds: float, ask: Callable[[], Answer], endpoint: str, name: str) -> Answer:
    """`ask()`, given up after `seconds`: a name server that hangs heeds no timeout."""
    box: list[Answer] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            box.append(ask())
        except Exception as error:  # noqa: BLE001  # handed to the waiting thread, which raises it
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True, name="ask the hub")
    thread.start()
    thread.join(seconds)
    if box:
        return box[0]
    if failures:
        raise failures[0]
    raise _silent(endpoint, name, f"no answer in {seconds:.0f} s")


@contextmanager
def _impatient(name: str) -> Iterator[None]:
    """Within the block a request that is repeated without progress ends the download.

    huggingface_hub would repeat it for a minute or more.
    """
    from huggingface_hub.utils import get_session

    session = get_session()
    hooks = getattr(session, "event_hooks", None)  # httpx; versions below 1.0 have requests' sessions
    if hooks is None:
        yield
        return
    asked: dict[tuple[str, str, str], int] = {}

    def count(request: Any) -> None:
        key = (request.method, str(request.url), request.headers.get("range", ""))
        asked[key] = asked.get(key, 0) + 1
        if asked[key] > ATTEMPTS:
            raise _silent(_endpoint(), name, f"{request.url.path.rsplit('/', 1)[-1]} does not arrive")

    session.event_hooks = {**hooks, "request": [*hooks.get("request", []), count]}
    try:
        yield
    finally:
        session.event_hooks = hooks


def _no_bar() -> type[Any]:
    from huggingface_hub.utils import tqdm

    class NoBar(tqdm):  # type: ignore[misc,valid-type]
        """Small files need no bar."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

    return NoBar


@contextmanager
def _translated(name: str, revision: str | None) -> Iterator[None]:
    """huggingface_hub's failures as one sentence each."""
    try:
        yield
    except EvalkitError:
        raise
    except Exception as error:  # noqa: BLE001  # its failures share no base class; an unknown one is raised as it is
        translated = _translate(error, name, revision)
        if translated is None:
            raise
        raise translated from None


def _translate(error: Exception, name: str, revision: str | None) -> EvalkitError | None:
    from huggingface_hub import errors

    endpoint = _endpoint()
    chain = list(_causes(error))
    status = next((e.response.status_code for e in chain if isinstance(e, errors.HfHubHTTPError)), None)
    if isinstance(error, errors.GatedRepoError):
        return EvaluationError(
            f"{name} is gated and the hub {_shown(endpoint)} refuses it to you: accept its terms on its page there, "
            "then log in (hf auth login) or set HF_TOKEN."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return EvaluationError(
            f"{name} has no revision {revision!r} on the hub: correct model.revision or leave it out."
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status in {401, 403}:
        return EvaluationError(
            f"{name} does not exist on the hub {_shown(endpoint)}, or is private: correct model.name, "
            "or log in (hf auth login) if it is yours."
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return EvaluationError(
            f"a file of {name} is missing on the hub though it is listed: try again or choose another revision."
        )
    if status is not None:
        return HubUnreachableError(
            f"the hub {_shown(endpoint)} answers with status {status} for {name}: {_cures(name)}."
        )
    return _translate_system(chain, endpoint, name)


def _translate_system(chain: Sequence[BaseException], endpoint: str, name: str) -> EvalkitError | None:
    """Failures of the connection and of the disk."""
    for error in chain:
        kind = type(error)
        if kind.__module__.split(".")[0] in {"httpx", "httpx2", "httpcore", "requests", "urllib3"}:
            return _silent(endpoint, name, kind.__name__)
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            where = _library().constants.HF_HUB_CACHE
            return EvaluationError(f"there is no space for {name} in {where}: free some or move the cache (HF_HOME).")
        if isinstance(error, PermissionError):
            return EvaluationError(f"{name} cannot be written to the cache ({error}): move the cache (HF_HOME).")
        if isinstance(error, OSError) and "onsistency check" in str(error):
            return EvaluationError(
                f"a file of {name} arrives damaged from {_shown(endpoint)} (too short or too long): try again later."
            )
    first = chain[0]
    if isinstance(first, OSError | ValueError):
        return _silent(endpoint, name, f"{type(first).__name__}: {str(first).splitlines()[0]}")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
