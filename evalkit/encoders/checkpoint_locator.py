"""Where a model's files are: in a folder, an installed package, or the hub's cache, which is filled when needed.

`find` reads small files only, so that an identity costs no download of weights; `fetch` gets the rest.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.encoders import checkpoint_config, hub_client
from evalkit.encoders.checkpoint_files import digest, has_weights, list_files, missing, needed, refuse_pickles, small
from evalkit.errors import EvaluationError, HubUnreachableError, RequestError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files."""

    name: str  # hub id, or the folder's name
    revision: str  # full commit, or "sha256:" and the digest of the folder's content
    folder: Path  # holds at least the small files
    files: frozenset[str]  # paths of all its files within the folder, as far as known
    on_hub: bool = False  # where missing files can be had


def folder_of(name: str, revision: str | None) -> Path | None:
    """The folder that `name` means, None where it is a hub id; refused where it can be neither.

    A name that begins like a path is a path; another name is a folder where there is one of that name and no
    revision is given, since only the hub has revisions.
    """
    folder = Path(name).expanduser()
    pathlike = name.startswith(("/", "./", "../", "~", ".\\", "\\")) or folder.is_absolute() or name in {"", ".", ".."}
    if not pathlike and (revision is not None or not folder.is_dir()):
        hub_client.check_name(name)
        return None
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise RequestError(f"the folder model.name={name!r} {what}: name a folder that holds a model, or a hub id.")
    if len(missing(folder, ("config.json", "modules.json"))) == 2:
        raise RequestError(
            f"the folder model.name={name!r} holds no model (neither config.json nor modules.json): name one that does."
        )
    if revision is not None:
        raise RequestError(f"the folder model.name={name!r} has no revisions: leave model.revision={revision} out.")
    return folder


def find(name: str, revision: str | None, package: Mapping[str, Any] | None = None) -> Checkpoint:
    """Locate a model and its small files; weights may still be missing.

    `revision` is a branch, tag or commit of the hub (None: the main branch). `package` is an installed package that
    holds one revision of one model: ``module``, ``folder``, ``name``, ``revision``, ``digest`` (of its content, so
    that other weights cannot pass as that revision).
    """
    folder = folder_of(name, revision)
    if folder is None:
        return _packaged(name, revision, package) or _find_on_hub(name, revision)
    folder = folder.resolve()
    return Checkpoint(folder.name, "sha256:" + digest(folder), folder, list_files(folder))


def fetch(checkpoint: Checkpoint) -> Path:
    """The folder with all files that loading needs, downloaded where they are missing."""
    name, folder = checkpoint.name, checkpoint.folder
    if checkpoint.on_hub:
        files = hub_client.cached_files(name, checkpoint.revision) or checkpoint.files
        if not missing(folder, needed(files)) and not has_weights(folder):
            _, files = hub_client.describe(name, checkpoint.revision)  # the cache does not know of all
        refuse_pickles(name, files)
        if missing(folder, needed(files)):
            hub_client.download(name, checkpoint.revision, needed(files))
    refuse_pickles(name, list_files(folder))
    if not has_weights(folder):
        raise EvaluationError(f"{name} lacks weights or tokenizer (model.safetensors, …) in {folder}: get it anew.")
    return folder


def _packaged(name: str, revision: str | None, package: Mapping[str, Any] | None) -> Checkpoint | None:
    """The package's copy where it is installed and holds the revision; else None."""
    if package is None or (name, revision) != (package["name"], package["revision"]):
        return None
    spec = importlib.util.find_spec(package["module"])
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0], package["folder"])
    if not folder.is_dir():
        return None
    content = digest(folder)
    if content != package["digest"]:
        raise EvaluationError(
            f"the installed package {package['module']} does not hold {name} at {package['revision'][:12]} (content "
            f"{content[:12]}, expected {package['digest'][:12]}): reinstall it, or remove it to use the hub."
        )
    return Checkpoint(name, package["revision"], folder, list_files(folder))


@functools.cache
def _find_on_hub(name: str, revision: str | None) -> Checkpoint:
    """A hub model's small files; asked once a process, so that all runs of a sweep take the same commit of a branch."""
    if re.fullmatch("[0-9a-f]{40}", revision or ""):  # a full commit never changes its meaning
        copy = _cached(name, revision)
        if copy is not None:
            return copy
    # A short name may be one of sentence-transformers' own models.
    names = [name] if "/" in name else [name, f"sentence-transformers/{name}"]
    try:
        full_name, files = _describe(names, revision)
    except HubUnreachableError:
        copy = next(filter(None, (_cached(each, revision, lenient=True) for each in names)), None)
        if copy is None:
            raise
        return copy
    if not files & {"config.json", "modules.json"}:
        raise EvaluationError(f"{name} on the hub is no model (neither config.json nor modules.json): choose another.")
    refuse_pickles(name, files)
    # By the branch, not by its commit: huggingface_hub then notes what the branch stands for, for days without a hub.
    folder = hub_client.download(full_name, revision, small(files), seconds=hub_client.SMALL_FILES_SECONDS)
    return Checkpoint(full_name, folder.name, folder, files, on_hub=True)


def _describe(names: list[str], revision: str | None) -> tuple[str, frozenset[str]]:
    """Full id and files of the first of `names` that the hub has."""
    for name in names[:-1]:
        with contextlib.suppress(EvaluationError):
            return hub_client.describe(name, revision)
    return hub_client.describe(names[-1], revision)


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
    return Checkpoint(name, folder.name, folder, files or list_files(folder), on_hub=True) if complete else None
