"""Where a model's files are: a folder, an installed package, or the hub's cache, filled when need be.

`find` reads only small files, so that an identity costs no download of weights; `fetch` gets the rest.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from evalkit.encoders import anatomy, hub
from evalkit.errors import EvaluationError, HubUnreachableError, RequestError

__all__ = ["Checkpoint", "check_folder", "fetch", "find", "folder_of"]

CONFIG_SUFFIXES = frozenset({".json"})
TEXT_SUFFIXES = frozenset({".json", ".txt", ".model", ".jinja", ".bpe", ".tiktoken", ".spm", ".vocab"})
TOKENIZER_FILES = frozenset(
    {"tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}
)
LARGE_JSON = frozenset({"tokenizer.json", "vocab.json", "data_config.json"})
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


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


_found: dict[tuple[str, str | None, str], Checkpoint] = {}
_digests: dict[Path, tuple[tuple[Any, ...], str]] = {}


def folder_of(name: str, revision: str | None) -> Path | None:
    """The folder that `name` means, or None where it is a hub id.

    A name that begins like a path is one; another is a folder where there is one of that name and no
    revision is asked for, since only the hub has revisions.
    """
    path = Path(name).expanduser()
    if name.startswith(("/", "./", "../", "~", ".\\", "\\")) or path.is_absolute() or name in {".", ".."}:
        return path
    return path if revision is None and "\n" not in name and path.is_dir() else None


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
            f"the folder model.name={name} {what}: name a folder that holds a model, or a hub id (owner/model)."
        )
    if not any((folder / file).is_file() for file in ("config.json", "modules.json")):
        raise RequestError(
            f"the folder model.name={name} holds no model (neither config.json nor modules.json): name one that does."
        )
    if revision is not None:
        raise RequestError(
            f"the folder model.name={name} has no revisions: leave model.revision={revision} out (model.revision=null)."
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
        As `check_folder` and `evalkit.encoders.hub`.
    """
    folder = folder_of(name, revision)
    if folder is not None:
        check_folder(folder, name, revision)
        return Checkpoint(folder.resolve().name, "sha256:" + digest(folder), folder.resolve(), _files(folder), "folder")
    packaged = _packaged(name, revision, package)
    if packaged is not None:
        return packaged
    hub.check_name(name)
    memory = (name, revision, str(hub.snapshot_folder(name, "")))
    if memory not in _found or not _found[memory].folder.is_dir():
        _found[memory] = _find_on_hub(name, revision, plain=plain)
    return _found[memory]


def fetch(checkpoint: Checkpoint) -> Path:
    """The folder with all files that loading needs, downloaded where they are not here yet.

    Raises
    ------
    HubUnreachableError, EvaluationError
        As `evalkit.encoders.hub.download`; or the weights are damaged, missing, or pickled only.
    """
    if checkpoint.origin == "hub":
        files = hub.cached_files(checkpoint.name, checkpoint.revision) or checkpoint.files
        refuse_pickles(checkpoint.name, files)
        missing = [file for file in needed(files) if not (checkpoint.folder / file).is_file()]
        if missing or not has_weights(checkpoint.folder):
            if not missing:
                files = hub.list_files(checkpoint.name, checkpoint.revision).files
                refuse_pickles(checkpoint.name, files)
                missing = [file for file in needed(files) if not (checkpoint.folder / file).is_file()]
            hub.download(checkpoint.name, checkpoint.revision, missing)
    files = _files(checkpoint.folder)
    refuse_pickles(checkpoint.name, files)
    for file in sorted(needed(files)):
        if file.endswith(".safetensors"):
            check_weights(checkpoint.folder / file, checkpoint.name)
    return checkpoint.folder


def needed(files: Iterable[str]) -> list[str]:
    """Those of a checkpoint's files that loading it as PyTorch weights may read."""
    files = frozenset(files)
    folders = {str(PurePosixPath(file).parent) for file in files if file.endswith("config.json")} | {"."}
    folders -= {folder for folder in folders if folder.split("/")[0] in {"onnx", "openvino", "coreml", "tensorrt"}}
    chosen = []
    for file in files:
        path = PurePosixPath(file)
        if str(path.parent) not in folders or path.name == "data_config.json":
            continue
        weights = path.suffix == ".safetensors" and (
            path.name == "model.safetensors" or path.name.startswith(("model-0", "adapter_model"))
        )
        if weights or path.suffix in TEXT_SUFFIXES or path.suffix == ".py":
            chosen.append(file)
    return sorted(chosen)


def refuse_pickles(name: str, files: Iterable[str]) -> None:
    """Refuse a checkpoint one of whose modules has its weights as pickle only: unpickling runs code.

    Raises
    ------
    EvaluationError
        Naming the file.
    """
    files = frozenset(files)
    safe = {str(PurePosixPath(file).parent) for file in files if file.endswith(".safetensors")}
    for file in sorted(files):
        path = PurePosixPath(file)
        loaded = path.name.startswith("pytorch_model") and path.suffix in PICKLES
        if loaded and str(path.parent) not in safe:
            raise EvaluationError(
                f"{name} has its weights in {file} only, a pickle that could run any code when loaded: "
                "choose a revision with model.safetensors, or convert it."
            )


def has_weights(folder: Path) -> bool:
    """Whether a folder holds all that loading its main module takes."""
    listed = anatomy.module_paths(folder)
    first = folder / listed[0][1] if listed else folder
    index = first / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        whole = bool(shards) and all((first / shard).is_file() for shard in shards)
    else:
        whole = (first / "model.safetensors").is_file()
    tokenizer = any((first / file).is_file() for file in TOKENIZER_FILES)
    dense = all((folder / path / "model.safetensors").is_file() for kind, path in listed if kind.endswith(".Dense"))
    return whole and tokenizer and dense


def check_weights(path: Path, name: str) -> None:
    """Compare a safetensors file's length with what its own header promises.

    Raises
    ------
    EvaluationError
        It is too short, too long, or no safetensors file.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length)) if 0 < length <= size - 8 else None
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"] if header else []
        promised = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError):
        header, promised = None, -1
    if header is None or promised != size:
        raise EvaluationError(
            f"the weights {path.name} of {name} are damaged ({size} bytes found): delete {path.parent} and get them anew."
        )


def digest(folder: Path) -> str:
    """Hex SHA-256 over the files that loading reads; kept while their sizes and times stay the same."""
    folder = folder.resolve()
    files = needed(_files(folder))
    stats = [(file, (folder / file).stat()) for file in files]
    stamp = tuple((file, stat.st_size, stat.st_mtime_ns) for file, stat in stats)
    known = _digests.get(folder)
    if known is not None and known[0] == stamp:
        return known[1]
    state = hashlib.sha256()
    for file in files:
        with (folder / file).open("rb") as stream:
            state.update(f"{file}\n{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    _digests[folder] = (stamp, state.hexdigest())
    return state.hexdigest()


def _files(folder: Path) -> frozenset[str]:
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [(Path(parent) / file).relative_to(folder).as_posix() for file in files if not file.startswith(".")]
    return frozenset(found)


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
    found = digest(folder)
    if found != package["digest"]:
        raise EvaluationError(
            f"the installed package {package['module']} does not hold {name} at {str(revision)[:12]} (content {found[:12]}, "
            f"expected {str(package['digest'])[:12]}): reinstall it, or remove it to use the hub."
        )
    return Checkpoint(name, str(revision), folder, _files(folder), "package")


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
            f"{name} on the hub is no model that can be loaded (it has neither config.json nor modules.json): choose another."
        )
    refuse_pickles(name, listing.files)
    folder = hub.snapshot_folder(listing.name, listing.commit)
    small = [
        file for file in needed(listing.files) if file.endswith(".json") and PurePosixPath(file).name not in LARGE_JSON
    ]
    missing = [file for file in small if not (folder / file).is_file()]
    if missing:
        hub.download(listing.name, listing.commit, missing)
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
    if not any((folder / file).is_file() for file in ("config.json", "modules.json")):
        return None
    listed = hub.cached_files(name, commit)
    checkpoint = Checkpoint(name, commit, folder, _files(folder) if listed is None else listed, "hub")
    if listed is not None:
        small = [
            file for file in needed(listed) if file.endswith(".json") and PurePosixPath(file).name not in LARGE_JSON
        ]
        return checkpoint if all((folder / file).is_file() for file in small) else None
    paths = anatomy.module_paths(folder)
    if paths:
        poolings = [path for kind, path in paths if kind.endswith((".Pooling", ".Dense"))]
        return checkpoint if all((folder / path / "config.json").is_file() for path in poolings) else None
    # transformers alone caches no modules.json even where the model has one, and taking its absence at its
    # word would change the model's pooling: whole is only what says so.
    whole = (
        plain
        or hub.known_absent(name, commit, "modules.json")
        or (folder / ".gitattributes").is_file()
        or (folder / "README.md").is_file()
    )
    return checkpoint if whole else None


def _fallback(name: str, revision: str | None) -> Checkpoint | None:
    """What the cache has of a model when the hub cannot be asked."""
    for candidate in (name,) if "/" in name else (name, f"sentence-transformers/{name}"):
        commit = (
            revision if revision is not None and hub.is_commit(revision) else hub.cached_commit(candidate, revision)
        )
        if commit is not None:
            cached = _cached(candidate, commit, plain=True)
            if cached is not None:
                return replace(cached, name=candidate)
    return None
