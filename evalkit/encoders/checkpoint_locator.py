"""Where a model's files are: in a folder, an installed package, or the hub's cache, which is filled when needed.

`find` reads small files only, so that an identity costs no download of weights; `fetch` gets the rest.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.encoders import checkpoint_config, hub_client
from evalkit.encoders.checkpoint_files import digest, has_weights, list_files, missing, needed, refuse_pickles, small
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
        Holds at least its small files.
    files
        Paths of all its files within `folder`, as far as known.
    origin
        Where missing files come from.
    """

    name: str
    revision: str
    folder: Path
    files: frozenset[str]
    origin: Literal["hub", "folder", "package"]


def folder_of(name: str, revision: str | None) -> Path | None:
    """The folder that `name` means, or None where it is a hub id.

    A name that begins like a path is a path; another name is a folder where there is one of that name and no
    revision is given, since only the hub has revisions.
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
        It does not exist or is no model, or `revision` is given.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise RequestError(
            f"the folder model.name={name!r} {what}: name a folder that holds a model, or a hub id (owner/model)."
        )
    if len(missing(folder, ("config.json", "modules.json"))) == 2:
        raise RequestError(
            f"the folder model.name={name!r} holds no model (neither config.json nor modules.json): name one that does."
        )
    if revision is not None:
        raise RequestError(
            f"the folder model.name={name!r} has no revisions: "
            f"leave model.revision={revision} out (model.revision=null)."
        )


def find(name: str, revision: str | None, package: Mapping[str, Any] | None = None) -> Checkpoint:
    """Locate a model and its small files; weights may still be missing.

    Parameters
    ----------
    name, revision
        Hub id and branch, tag or commit (None: the main branch); or a folder.
    package
        An installed package that holds one revision of one model: ``module``, ``folder``, ``name``,
        ``revision``, ``digest`` (of its content, so that other weights cannot pass as that revision).

    Raises
    ------
    RequestError, HubUnreachableError, EvaluationError
        As `check_folder` and `evalkit.encoders.hub_client`.
    """
    folder = folder_of(name, revision)
    if folder is not None:
        check_folder(folder, name, revision)
        folder = folder.resolve()
        return Checkpoint(folder.name, "sha256:" + digest(folder), folder, list_files(folder), "folder")
    return _packaged(name, revision, package) or _find_on_hub(name, revision)


def fetch(checkpoint: Checkpoint) -> Path:
    """The folder with all files that loading needs, downloaded where they are missing.

    Raises
    ------
    HubUnreachableError, EvaluationError
        As `evalkit.encoders.hub_client.download`; or the weights are missing, or pickled only.
    """
    if checkpoint.origin == "hub":
        _complete(checkpoint)
    refuse_pickles(checkpoint.name, list_files(checkpoint.folder))
    if not has_weights(checkpoint.folder):
        raise EvaluationError(
            f"{checkpoint.name} lacks weights or tokenizer in {checkpoint.folder} (model.safetensors, tokenizer.json): "
            "get the checkpoint anew."
        )
    return checkpoint.folder


def _complete(checkpoint: Checkpoint) -> None:
    """Download what the cache lacks of a checkpoint."""
    name, commit, folder = checkpoint.name, checkpoint.revision, checkpoint.folder
    files = hub_client.cached_files(name, commit) or checkpoint.files
    if not missing(folder, needed(files)) and not has_weights(folder):
        _, files = hub_client.describe(name, commit)  # the cache holds all that it knows of, which is not all
    refuse_pickles(name, files)
    if missing(folder, needed(files)):
        hub_client.download(name, commit, needed(files))


def _packaged(name: str, revision: str | None, package: Mapping[str, Any] | None) -> Checkpoint | None:
    """The package's copy where it is installed and holds the revision; else None."""
    if package is None or (name, revision) != (package["name"], package["revision"]):
        return None
    spec = importlib.util.find_spec(str(package["module"]))
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / str(package["folder"])
    if not folder.is_dir():
        return None
    content = digest(folder)
    if content != package["digest"]:
        raise EvaluationError(
            f"the installed package {package['module']} does not hold {name} at {str(revision)[:12]} "
            f"(content {content[:12]}, expected {str(package['digest'])[:12]}): "
            "reinstall it, or remove it to use the hub."
        )
    return Checkpoint(name, str(revision), folder, list_files(folder), "package")


@functools.cache
def _find_on_hub(name: str, revision: str | None) -> Checkpoint:
    """A hub model's small files; asked once a process, so that all runs of a sweep take the same commit of a branch."""
    if hub_client.is_commit(revision) and (copy := _cached(name, revision)) is not None:
        return copy
    try:
        full_name, files = _describe(name, revision)
    except HubUnreachableError:
        copies = (_cached(candidate, revision, lenient=True) for candidate in _candidates(name))
        copy = next((copy for copy in copies if copy is not None), None)
        if copy is None:
            raise
        return copy
    if not files & {"config.json", "modules.json"}:
        raise EvaluationError(
            f"{name} on the hub is no model that can be loaded (neither config.json nor modules.json): choose another."
        )
    refuse_pickles(name, files)
    # By the branch, not by its commit: huggingface_hub then notes what the branch stands for, for days without a hub.
    folder = hub_client.download(full_name, revision, small(files), seconds=hub_client.SMALL_FILES_SECONDS)
    return Checkpoint(full_name, folder.name, folder, files, "hub")


def _candidates(name: str) -> list[str]:
    """Hub ids for a name: a short one may be one of sentence-transformers' own models."""
    return [name] if "/" in name else [name, f"sentence-transformers/{name}"]


def _describe(name: str, revision: str | None) -> tuple[str, frozenset[str]]:
    """Full id and files of the first candidate that the hub has."""
    *others, last = _candidates(name)
    for candidate in others:
        with contextlib.suppress(EvaluationError):
            return hub_client.describe(candidate, revision)
    return hub_client.describe(last, revision)


def _cached(name: str, revision: str | None, *, lenient: bool = False) -> Checkpoint | None:
    """The cache's copy of a revision, where its small files are complete, or need not certainly be."""
    folder = hub_client.cached_folder(name, revision)
    if folder is None:
        return None
    files = hub_client.cached_files(name, folder.name)
    modules = checkpoint_config.module_paths(folder)
    if files is not None:
        complete = not missing(folder, small(files))
    elif modules:
        poolings = [f"{path}/config.json" for kind, path in modules if kind.endswith((".Pooling", ".Dense"))]
        complete = not missing(folder, poolings)
    else:
        # transformers alone caches no modules.json even where the model has one, and without it the pooling would
        # be another: only a copy of all files can tell that there is none.
        complete = lenient or len(missing(folder, (".gitattributes", "README.md"))) < 2
    return Checkpoint(name, folder.name, folder, files or list_files(folder), "hub") if complete else None
