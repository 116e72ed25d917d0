"""Which of a checkpoint's files count, whether they are whole, and their digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from evalkit.encoders import checkpoint_config as anatomy
from evalkit.errors import EvaluationError

__all__ = ["check_weights", "digest", "has_weights", "list_files", "needed", "refuse_pickles", "small"]

TEXT_SUFFIXES = frozenset({".json", ".txt", ".model", ".jinja", ".bpe", ".tiktoken", ".spm", ".vocab"})
TOKENIZER_FILES = frozenset(
    {"tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}
)
LARGE_JSON = frozenset({"tokenizer.json", "vocab.json"})
EXPORTS = frozenset({"onnx", "openvino", "coreml", "tensorrt"})
"""Folders with the same weights for other runtimes."""
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})

_digests: dict[Path, tuple[tuple[Any, ...], str]] = {}


def needed(files: Iterable[str]) -> list[str]:
    """Those of a checkpoint's files that loading it as PyTorch weights may read."""
    files = frozenset(files)
    folders = {str(PurePosixPath(file).parent) for file in files if file.endswith("config.json")} | {"."}
    folders -= {folder for folder in folders if folder.split("/")[0] in EXPORTS}
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


def small(files: Iterable[str]) -> list[str]:
    """Those of `needed` that say what the checkpoint is made of, without its vocabulary."""
    return [file for file in needed(files) if file.endswith(".json") and PurePosixPath(file).name not in LARGE_JSON]


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
            f"the weights {path.name} of {name} are damaged ({size} bytes found): "
            f"delete {path.parent} and get them anew."
        )


def digest(folder: Path) -> str:
    """Hex SHA-256 over the files that loading reads; kept while their sizes and times stay the same."""
    folder = folder.resolve()
    files = needed(list_files(folder))
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


def list_files(folder: Path) -> frozenset[str]:
    """Paths of all files within `folder`, hidden ones left out."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [(Path(parent) / file).relative_to(folder).as_posix() for file in files if not file.startswith(".")]
    return frozenset(found)
