"""Where a model's files are: a folder, an installed package, or the hub's cache, filled when need be.

`find` reads only small files, so that an identity costs no download of weights; `fetch` gets the rest.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.encoders import checkpoint_config as anatomy
from evalkit.encoders import checkpoint_files as contents
from evalkit.encoders import hub_client as hub
from evalkit.errors import EvaluationError, HubUnreachableError, RequestError

__all__ = ["Checkpoint", "check_folder", "fetch", "find", "folder_of"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files.

    Attributes
    ----------
    name
        Hub id, or the folder's name.
    revision
        Full commit, or ``sha256:`` and the digest of the folder's content.
    folder
        Where its small files are.
    files
        Paths of all its files within `folder`, as far as known.
    origin
        Where the rest comes from.
    """

    name: str
    revision: str
    folder: Path
    files: frozenset[str]
    origin: Literal["hub", "folder", "package"]


_found: dict[tuple[str, str | None, Path], Checkpoint] = {}
"""What a branch stood for when it was first asked, so that all runs of a sweep take the same."""


def folder_of(name: str, revision: str | None) -> Path | None:
    """The folder that `name` means, or None where it is a hub id.

    A name that begins like a path is one; another is a folder where there is one of that name and no
    revision is asked for, since only the hub has revisions.
    """
    path = Path(name).expanduser()
    if name.startswith(("/", "./", "../", "~", ".\\", "\\")) or path.is_absolute() or name in {"", ".", ".."}:
        return path
    return path if revision is None and path.is_dir() else None


def check_folder(folder: Path, name: str, revision: str | None) -> None:
    """Refuse a folder that cannot be a model.

    Raises
    ------
    RequestError
        It does not exist, is no model, or a revision of it was asked for.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise RequestError(
            f"the folder model.name={name!r} {what}: name a folder that holds a model, or a hub id (owner/model)."
        )
    if not _any_file(folder, ("config.json", "modules.json")):
        raise RequestError(
            f"the folder model.name={name!r} holds no model (neither config.json nor modules.json): name one that does."
        )
    if revision is not None:
        raise RequestError(
            f"the folder model.name={name!r} has no revisions: "
            f"leave model.revision={revision} out (model.revision=null)."
        )


def find(
    name: str, revision: str | None, *, package: Mapping[str, Any] | None = None, plain: bool = False
) -> Checkpoint:
    """Locate a model and its small files; weights may still be missing.

    Parameters
    ----------
    name, revision
        Hub id and branch, tag or commit (None: the main branch); or a folder.
    package
        An installed package that holds one revision of one model: ``module``, ``folder``, ``name``,
        ``revision``, ``digest`` (of its content, so that other weights cannot pass as that revision).
    plain
        The checkpoint is known to have no modules.json, so a cache without one may be whole.

    Raises
    ------
    RequestError, HubUnreachableError, EvaluationError
        As `check_folder` and `evalkit.encoders.hub_client`.
    """
    folder = folder_of(name, revision)
    if folder is not None:
        check_folder(folder, name, revision)
        folder = folder.resolve()
        files = contents.list_files(folder)
        return Checkpoint(folder.name, "sha256:" + contents.digest(folder), folder, files, "folder")
    packaged = _packaged(name, revision, package)
    if packaged is not None:
        return packaged
    hub.check_name(name)
    asked = (name, revision, hub.snapshot_folder(name, ""))
    if asked not in _found or not _found[asked].folder.is_dir():
        _found[asked] = _find_on_hub(name, revision, plain=plain)
    return _found[asked]


def fetch(checkpoint: Checkpoint) -> Path:
    """The folder with all files that loading needs, downloaded where they are not here yet.

    Raises
    ------
    HubUnreachableError, EvaluationError
        As `evalkit.encoders.hub_client.download`; or the weights are damaged, missing, or pickled only.
    """
    if checkpoint.origin == "hub":
        _complete(checkpoint)
    files = contents.list_files(checkpoint.folder)
    contents.refuse_pickles(checkpoint.name, files)
    for file in contents.needed(files):
        if file.endswith(".safetensors"):
            contents.check_weights(checkpoint.folder / file, checkpoint.name)
    if not contents.has_weights(checkpoint.folder):
        raise EvaluationError(
            f"{checkpoint.name} lacks weights or tokenizer in {checkpoint.folder} (model.safetensors, tokenizer.json): "
            "get the checkpoint anew."
        )
    return checkpoint.folder


def _complete(checkpoint: Checkpoint) -> None:
    """Download what the cache lacks of a checkpoint."""
    listed = hub.cached_files(checkpoint.name, checkpoint.revision) or checkpoint.files
    missing = _missing(checkpoint.folder, contents.needed(listed))
    if not missing and not contents.has_weights(checkpoint.folder):
        # All that the cache knows of is here, and it is not all there is.
        listed = hub.list_files(checkpoint.name, checkpoint.revision).files
        missing = _missing(checkpoint.folder, contents.needed(listed))
    contents.refuse_pickles(checkpoint.name, listed)
    if missing:
        hub.download(checkpoint.name, checkpoint.revision, missing)


def _packaged(name: str, revision: str | None, package: Mapping[str, Any] | None) -> Checkpoint | None:
    """The package's copy where it is installed and is what was asked for; else None."""
    if package is None or (name, revision) != (package["name"], package["revision"]):
        return None
    spec = importlib.util.find_spec(str(package["module"]))
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / str(package["folder"])
    if not folder.is_dir():
        return None
    found = contents.digest(folder)
    if found != package["digest"]:
        raise EvaluationError(
            f"the installed package {package['module']} does not hold {name} at {str(revision)[:12]} "
            f"(content {found[:12]}, expected {str(package['digest'])[:12]}): "
            "reinstall it, or remove it to use the hub."
        )
    return Checkpoint(name, str(revision), folder, contents.list_files(folder), "package")


def _find_on_hub(name: str, revision: str | None, *, plain: bool) -> Checkpoint:
    if revision is not None and hub.is_commit(revision):
        cached = _cached(name, revision, plain=plain)
        if cached is not None:
            return cached
    try:
        listing = _listing(name, revision)
    except HubUnreachableError:
        fallback = _fallback(name, revision)
        if fallback is None:
            raise
        return fallback
    if not listing.files & {"config.json", "modules.json"}:
        raise EvaluationError(
            f"{name} on the hub is no model that can be loaded (neither config.json nor modules.json): choose another."
        )
    contents.refuse_pickles(name, listing.files)
    folder = hub.snapshot_folder(listing.name, listing.commit)
    missing = _missing(folder, contents.small(listing.files))
    if missing:
        hub.download(listing.name, listing.commit, missing)
    hub.remember(listing.name, listing, revision)
    return Checkpoint(listing.name, listing.commit, folder, listing.files, "hub")


def _listing(name: str, revision: str | None) -> hub.Listing:
    """The hub's listing; a short name is also sought among sentence-transformers' own models, as they do."""
    try:
        return hub.list_files(name, revision)
    except HubUnreachableError:
        raise
    except EvaluationError:
        if "/" in name:
            raise
        return hub.list_files(f"sentence-transformers/{name}", revision)


def _cached(name: str, commit: str, *, plain: bool) -> Checkpoint | None:
    """The cache's copy of a commit, where its small files are sure to be whole."""
    folder = hub.snapshot_folder(name, commit)
    if not _any_file(folder, ("config.json", "modules.json")):
        return None
    listed = hub.cached_files(name, commit)
    if listed is not None:
        whole = not _missing(folder, contents.small(listed))
        return Checkpoint(name, commit, folder, listed, "hub") if whole else None
    paths = anatomy.module_paths(folder)
    if paths:
        described = [f"{path}/config.json" for kind, path in paths if kind.endswith((".Pooling", ".Dense"))]
        whole = not _missing(folder, described)
    else:
        # transformers alone caches no modules.json even where the model has one, and taking its absence at
        # its word would change the model's pooling: the absence must be known.
        absent = plain or hub.known_absent(name, commit, "modules.json")
        whole = absent or _any_file(folder, (".gitattributes", "README.md"))
    return Checkpoint(name, commit, folder, contents.list_files(folder), "hub") if whole else None


def _fallback(name: str, revision: str | None) -> Checkpoint | None:
    """What the cache has of a model when the hub cannot be asked."""
    for candidate in (name,) if "/" in name else (name, f"sentence-transformers/{name}"):
        commit = revision if hub.is_commit(revision) else hub.cached_commit(candidate, revision)
        cached = None if commit is None else _cached(candidate, commit, plain=True)
        if cached is not None:
            return cached
    return None


def _missing(folder: Path, files: Iterable[str]) -> list[str]:
    return [file for file in files if not (folder / file).is_file()]


def _any_file(folder: Path, files: Iterable[str]) -> bool:
    return any((folder / file).is_file() for file in files)
