"""Which of a checkpoint's files are read, whether they are complete, and their digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from evalkit.encoders import checkpoint_config
from evalkit.errors import EvaluationError
from evalkit.runtime.file_digest import known_digest

TEXT_SUFFIXES = frozenset({".json", ".txt", ".model", ".jinja", ".bpe", ".tiktoken", ".spm", ".vocab", ".py"})
TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
VOCABULARIES = frozenset({"tokenizer.json", "vocab.json"})
WEIGHTS = ("model.safetensors", "model-0*.safetensors", "adapter_model*.safetensors")
EXPORTS = frozenset({"onnx", "openvino", "coreml", "tensorrt"})
"""Folders that hold the same weights for other runtimes."""


def needed(files: Iterable[str]) -> list[str]:
    """The files that loading PyTorch weights may read, in the root and in folders with a config.json."""
    paths = sorted(map(PurePosixPath, files), key=str)
    folders = {path.parent for path in paths if path.name.endswith("config.json")} | {PurePosixPath()}
    return [
        str(path)
        for path in paths
        if path.parent in folders
        and path.parts[0] not in EXPORTS
        and (path.suffix in TEXT_SUFFIXES or any(map(path.match, WEIGHTS)))
        and path.name != "data_config.json"
    ]


def small(files: Iterable[str]) -> list[str]:
    """The files of `needed` that describe the checkpoint, without weights and vocabulary."""
    return [f for f in needed(files) if f.endswith(".json") and PurePosixPath(f).name not in VOCABULARIES]


def missing(folder: Path, files: Iterable[str]) -> list[str]:
    """The files that `folder` lacks."""
    return [file for file in files if not (folder / file).is_file()]


def refuse_pickles(name: str, files: Iterable[str]) -> None:
    """Refuse a checkpoint with a module whose weights are a pickle only: unpickling can run any code."""
    paths = sorted(map(PurePosixPath, files))
    safe = {path.parent for path in paths if path.suffix == ".safetensors"}
    for path in paths:
        if path.match("pytorch_model*.bin") and path.parent not in safe:
            raise EvaluationError(
                f"{name} has its weights in {path} only, a pickle that could run any code when loaded: "
                "choose a revision with model.safetensors, or convert it."
            )


def has_weights(folder: Path) -> bool:
    """Whether `folder` holds the safetensors that its modules load (all shards), and a tokenizer."""
    modules = checkpoint_config.module_paths(folder)
    first = folder / (modules[0][1] if modules else "")
    dense = [f"{path}/model.safetensors" for kind, path in modules if kind.endswith(".Dense")]
    routes = sorted(first.glob("*_0_Transformer"))  # of a Router, whose first module has one a route
    return all(map(_is_whole, routes or [first])) and not missing(folder, dense)


def _is_whole(transformer: Path) -> bool:
    """Whether the folder of a transformer holds all shards of its weights and a tokenizer."""
    index = checkpoint_config.read_json(transformer / "model.safetensors.index.json") or {}
    weights = sorted(set(index.get("weight_map", {"": "model.safetensors"}).values()))
    tokenizer = any((transformer / file).is_file() for file in TOKENIZER_FILES)
    return bool(weights) and tokenizer and not missing(transformer, weights)


def digest(folder: Path) -> str:
    """Hex SHA-256 over the files of `needed`: their names and contents."""
    lines = [f"{file}\n{known_digest(folder / file)}\n" for file in needed(list_files(folder))]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def list_files(folder: Path) -> frozenset[str]:
    """Paths of all files within `folder`, hidden ones left out."""
    paths = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [(Path(parent) / file).relative_to(folder).as_posix() for file in files if not file.startswith(".")]
    return frozenset(paths)
