"""What a checkpoint is made of, read from its small JSON files: no weight and no library is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.encoders.pooling import POOLINGS, native_name
from evalkit.errors import EvaluationError, RequestError

OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text"}
)
"""Architectures whose position table begins behind the padding token, so that it has fewer places than rows."""
UNBOUNDED = 10**9
"""Tokenizers without a limit give a larger number."""


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """A checkpoint's pipeline and limits."""

    modules: tuple[str, ...]  # class names of the pipeline in order: Transformer, Pooling, Normalize
    native_pooling: str  # several joined by "+"; "none" where no module pools tokens
    include_prompt: bool  # whether the pooling counts the tokens of a prompt
    dimension: int | None  # of a text's vector, None where the files do not say
    max_length: int | None  # longest input in tokens by the model's settings …
    positions: int | None  # … and by its position table
    truncate_dim: int | None  # dimensions that the model itself keeps, None for all
    prompts: Mapping[str, str]  # by their names
    default_prompt: str | None  # its name
    remote_code: bool  # whether a module of the pipeline is code in the checkpoint

    def resolve_pooling(self, pooling: str, name: str) -> str:
        """`pooling`, with ``native`` replaced by the model's own; refused where the model cannot be pooled that way."""
        if pooling not in POOLINGS:
            raise RequestError(f"pooling={pooling} does not exist: choose one of {', '.join(POOLINGS)}.")
        if pooling == "native":
            return self.native_pooling
        if self.native_pooling == "none":
            raise RequestError(f"{name} gives no token vectors, so it has no pooling={pooling}: use pooling=native.")
        if "+" in self.native_pooling and self.modules[-1] not in {"Pooling", "Normalize"}:
            raise RequestError(
                f"{name} has a layer behind its pooling that needs the length of {self.native_pooling}, "
                f"so pooling={pooling} cannot replace it: use pooling=native."
            )
        return pooling

    def resolve_prompt(self, prompt: str | None, name: str, *, query: bool = False) -> str | None:
        """The text put before every text (or query): `prompt` is a name of one of the model's, or the text itself."""
        if prompt is None:
            default = self.prompts.get(self.default_prompt or "")
            prompt = self.prompts.get("query", default) if query else default
        elif prompt in self.prompts:
            prompt = self.prompts[prompt]
        elif re.fullmatch(r"[A-Za-z_][\w-]*", prompt):
            known = ", ".join(sorted(self.prompts)) or "none"
            raise RequestError(
                f"model.prompt={prompt} is no named prompt of {name} (it has {known}): choose one of those, "
                "or write the text itself with the space or colon it ends in."
            )
        return prompt or None


def module_paths(folder: Path) -> list[tuple[str, str]]:
    """(class, subfolder) of the pipeline's modules; empty where the checkpoint has no modules.json."""
    listed = read_json(folder / "modules.json")
    if listed is None:
        return []
    try:
        return [(str(entry["type"]), str(entry["path"])) for entry in listed]
    except (TypeError, KeyError) as error:
        raise EvaluationError(f"{folder / 'modules.json'} is no list of modules ({error!r}): get it anew.") from None


def read(folder: Path, name: str) -> CheckpointConfig:
    """Read a checkpoint's small files in `folder`; refuse what is no embedding model. `name` is for messages."""
    library = read_json(folder / "config_sentence_transformers.json") or {}
    modules = module_paths(folder)
    first = folder / (modules[0][1] if modules else "")
    config = read_json(first / "config.json") or read_json(folder / "config.json") or {}
    architecture = str((config.get("architectures") or [""])[0])
    _refuse_other_kinds(name, library, modules, architecture)
    own_configs = map(read_json, sorted(first.glob("sentence_*_config.json")))  # sentence_bert_config.json and others
    transformer: dict[str, Any] = next(filter(None, own_configs), {})
    text_config = {**config, **config["text_config"]} if isinstance(config.get("text_config"), dict) else config
    causal = architecture.endswith("ForCausalLM") and config.get("is_causal", True)
    native, include_prompt, dimension = _pooled(folder, modules, text_config, causal)
    positions = _positions(text_config)
    return CheckpointConfig(
        modules=tuple(kind.rsplit(".", 1)[-1] for kind, _ in modules) or ("Transformer", "Pooling"),
        native_pooling=native,
        include_prompt=include_prompt,
        dimension=dimension,
        max_length=_max_length(first, transformer if modules else {}, positions),
        positions=positions,
        truncate_dim=library.get("truncate_dim"),
        prompts={str(k): str(v) for k, v in (library.get("prompts") or {}).items() if v is not None},
        default_prompt=library.get("default_prompt_name"),
        remote_code=any(not kind.startswith("sentence_transformers.") for kind, _ in modules),
    )


def _refuse_other_kinds(
    name: str, library: Mapping[str, Any], modules: list[tuple[str, str]], architecture: str
) -> None:
    """Refuse what has no vector a text; sentence-transformers would load it as the mean of its tokens."""
    kind = str(library.get("model_type", "SentenceTransformer"))
    sparse = [module for module, _ in modules if "sparse_encoder" in module or module.endswith(".SpladePooling")]
    if kind != "SentenceTransformer":
        stated = f"config_sentence_transformers.json says {kind}"
    elif sparse:
        stated = f"modules.json names {sparse[0]}"
    elif "ColBERT" in architecture or (not modules and architecture.endswith("ForSequenceClassification")):
        stated = f"config.json says {architecture}"
    else:
        return
    raise RequestError(
        f"{name} is no model of one dense vector a text ({stated}): "
        "choose an embedding model; sparse, multi-vector and cross-encoders are not evaluated."
    )


def _pooled(
    folder: Path, modules: list[tuple[str, str]], config: Mapping[str, Any], causal: bool
) -> tuple[str, bool, int | None]:
    """(native pooling, include_prompt, dimension of a text's vector)."""
    hidden = _number(config, "hidden_size", "dim", "d_model", "n_embd")
    if not modules:  # sentence-transformers' default
        return ("last_token" if causal else "mean"), True, hidden
    native, include_prompt, dimension = "none", True, hidden
    for kind, path in modules:
        own = read_json(folder / path / "config.json") or {}
        if kind.endswith(".Pooling"):
            native = native_name(own)
            include_prompt = bool(own.get("include_prompt", True))
            width = _number(own, "embedding_dimension", "word_embedding_dimension") or hidden
            dimension = None if width is None else width * len(native.split("+"))
        elif kind.endswith(".Dense"):
            dimension = _number(own, "out_features")
        elif not kind.endswith((".Transformer", ".Normalize", ".Dropout", ".LayerNorm")):
            dimension = None
    return native, include_prompt, dimension


def _positions(config: Mapping[str, Any]) -> int | None:
    """Longest input of the position table."""
    rows = _number(config, "max_position_embeddings", "n_positions")
    if rows is None or config.get("model_type") not in OFFSET_POSITIONS:
        return rows
    padding = config.get("pad_token_id")
    return rows - (1 if padding is None else int(padding)) - 1


def _max_length(folder: Path, transformer: Mapping[str, Any], positions: int | None) -> int | None:
    """As sentence-transformers: the model's own setting, else the tokenizer's within the positions."""
    if transformer.get("max_seq_length") is not None:
        return int(transformer["max_seq_length"])
    limits = (read_json(folder / "tokenizer_config.json") or {}).get("model_max_length"), positions
    return min((int(limit) for limit in limits if limit is not None and limit < UNBOUNDED), default=None)


def _number(config: Mapping[str, Any], *keys: str) -> int | None:
    """The first positive integer under one of `keys`."""
    values = (config.get(key) for key in keys)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0), None)


def read_json(path: Path) -> Any:
    """Content of a JSON file, None where there is no file."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EvaluationError(f"{path} is no JSON ({error}): get the checkpoint anew.") from None
