"""The model hub: which commit a name stands for, which files it has, and getting them into the cache.

All traffic goes through huggingface_hub, whose patience is cut short here: a hub that does not answer is
said within seconds, and not asked again by the next models of a sweep.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from evalkit.encoders.hub_errors import SilentHubError, cures, translate
from evalkit.encoders.silence import no_telemetry, quiet
from evalkit.errors import EvalkitError, HubUnreachableError, RequestError

__all__ = [
    "Listing",
    "cached_commit",
    "cached_files",
    "check_name",
    "download",
    "is_commit",
    "known_absent",
    "list_files",
    "remember",
    "snapshot_folder",
]

ANSWER_SECONDS = 5.0
"""Longest silence of the hub on one request."""
DEADLINE_SECONDS = 9.0
"""Longest wait for the first answer in all; name resolution has no timeout of its own."""
ATTEMPTS = 2
"""How often one piece of a file is asked for: a third time would be the same request without progress."""
REMEMBERED_SECONDS = 300.0
"""For how long a hub that did not answer is not asked again."""

_silences: dict[str, tuple[float, str]] = {}

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
    fits = len(parts) <= 2 and all(re.fullmatch(r"\w([\w.-]*\w)?", part, re.ASCII) for part in parts)
    if not fits or len(name) > 96 or "--" in name or ".." in name or name.endswith(".git"):
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
    library = _library()
    recall = getattr(library, "get_cached_repo_tree", None)
    if recall is None:
        return None  # an older huggingface_hub keeps none
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return frozenset(entry.path for entry in recall(name, revision=commit))
    except CachedRepoTreeNotFoundError:
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
    library = _library()

    def ask() -> Any:
        return library.HfApi().model_info(name, revision=revision, timeout=ANSWER_SECONDS)

    with _talking(name, revision), quiet():
        info = _within(DEADLINE_SECONDS, ask, name)
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
    library = _library()
    with _talking(name, commit), _impatient(name):
        for file in sorted(files, key=lambda file: (file.endswith(".safetensors"), file)):
            with quiet(bars=file.endswith(".safetensors")):
                library.hf_hub_download(name, file, revision=commit, etag_timeout=ANSWER_SECONDS)
    return snapshot_folder(name, commit)


def remember(name: str, listing: Listing, revision: str | None) -> None:
    """Let huggingface_hub's cache remember what else the hub said of a model, so that it serves without the hub.

    That is: which commit a branch stands for, and that there is no modules.json where there is none.
    """
    library = _library()
    with _talking(name, revision), _impatient(name), quiet():
        if not is_commit(revision):
            file = min({"config.json", "modules.json"} & listing.files)
            library.hf_hub_download(name, file, revision=revision, etag_timeout=ANSWER_SECONDS)
        if "modules.json" not in listing.files:
            with suppress(library.errors.EntryNotFoundError):
                library.hf_hub_download(name, "modules.json", revision=listing.commit, etag_timeout=ANSWER_SECONDS)


def _library() -> Any:
    no_telemetry()
    import huggingface_hub
    import huggingface_hub.constants
    import huggingface_hub.errors  # it makes its names known one by one, and these not unasked

    return huggingface_hub


def _cache() -> Path:
    return Path(_library().constants.HF_HUB_CACHE).expanduser()


def _storage(name: str) -> Path:
    return _cache() / ("models--" + name.replace("/", "--"))


def _endpoint() -> str:
    return str(_library().constants.ENDPOINT)


@contextmanager
def _talking(name: str, revision: str | None) -> Iterator[None]:
    """Within the block the hub is asked; its failures become one sentence each, and its silence is remembered."""
    endpoint = _endpoint()
    if _library().constants.HF_HUB_OFFLINE:
        raise HubUnreachableError(f"{name} is not wholly in the cache and HF_HUB_OFFLINE is set: {cures(name)}.")
    since, reason = _silences.get(endpoint, (float("-inf"), ""))
    if time.monotonic() - since < REMEMBERED_SECONDS:
        raise SilentHubError(name, endpoint, reason)
    try:
        yield
    except Exception as error:
        known = error if isinstance(error, EvalkitError) else translate(error, name, revision, endpoint, str(_cache()))
        if isinstance(known, SilentHubError):
            _silences[endpoint] = (time.monotonic(), known.reason)
        if known is None:
            raise
        raise known from None


def _within(seconds: float, ask: Callable[[], Answer], name: str) -> Answer:
    """`ask()`, given up after `seconds`: a name server that hangs heeds no timeout."""
    answers: list[Answer] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # noqa: BLE001  # handed to the waiting thread, which raises it
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True, name="ask the hub")
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not answers:
        raise SilentHubError(name, _endpoint(), f"no answer in {seconds:.0f} s")
    return answers[0]


@contextmanager
def _impatient(name: str) -> Iterator[None]:
    """Within the block no request waits long, and one that is repeated without progress ends the download.

    huggingface_hub would wait a minute for some, and repeat for another.
    """
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    session = get_session()
    hooks = getattr(session, "event_hooks", None)
    if hooks is None:  # before version 1.0 it spoke by another library, which has no such hooks
        yield
        return
    asked: dict[tuple[str, str, str], int] = {}

    def count(request: Any) -> None:
        patience = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {phase: min(limit or inf, ANSWER_SECONDS) for phase, limit in patience.items()}
        key = (request.method, str(request.url), request.headers.get("range", ""))
        asked[key] = asked.get(key, 0) + 1
        if asked[key] > ATTEMPTS:
            file = request.url.path.rsplit("/", 1)[-1]
            raise SilentHubError(name, _endpoint(), f"{file} does not arrive")

    session.event_hooks = {**hooks, "request": [*hooks.get("request", []), count]}
    try:
        yield
    finally:
        session.event_hooks = hooks
