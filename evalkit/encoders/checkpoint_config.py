"""What a checkpoint is made of, read from its small JSON files: no weight and no library is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.encoders import pooling as poolings
from evalkit.errors import EvaluationError, RequestError

__all__ = ["Anatomy", "module_paths", "read"]

TRANSFORMER_CONFIGS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)
# Their position table begins behind the padding token, so it has fewer places than it has rows.
OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text"}
)
UNBOUNDED = 10**9
HIDDEN_SIZE_KEYS = ("hidden_size", "dim", "d_model", "n_embd")


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A checkpoint's pipeline and limits.

    Attributes
    ----------
    modules
        Class names of the pipeline in order (``Transformer``, ``Pooling``, ``Normalize``).
    native_pooling
        The model's own pooling (several joined by ``+``); ``none`` where nothing pools tokens.
    include_prompt
        Whether the pooling counts the tokens of a prompt.
    token_dimension, dimension
        Length of a token vector and of a text's vector, None where the files do not say.
    max_length, positions
        Longest input in tokens that the model takes by its settings, and by its position table.
    truncate_dim
        Dimensions that the model itself keeps, None for all.
    prompts, default_prompt
        The model's named prompts, and the name of the one it uses unasked.
    remote_code
        Whether a module of the pipeline is code that the checkpoint brings itself.
    """

    modules: tuple[str, ...]
    native_pooling: str
    include_prompt: bool
    token_dimension: int | None
    dimension: int | None
    max_length: int | None
    positions: int | None
    truncate_dim: int | None
    prompts: Mapping[str, str]
    default_prompt: str | None
    remote_code: bool

    @property
    def normalised(self) -> bool:
        """Whether the pipeline ends in scaling to length 1."""
        return self.modules[-1] == "Normalize"

    def resolve_pooling(self, pooling: str, name: str) -> str:
        """`pooling` with ``native`` replaced by what the model does.

        Raises
        ------
        RequestError
            The model cannot be pooled that way.
        """
        if pooling not in poolings.POOLINGS:
            raise RequestError(f"pooling={pooling} does not exist: choose one of {', '.join(poolings.POOLINGS)}.")
        if pooling == "native":
            return self.native_pooling
        if self.native_pooling == "none":
            raise RequestError(
                f"{name} gives no token vectors ({' → '.join(self.modules)}), so pooling={pooling} cannot be had: "
                "use pooling=native."
            )
        if "+" in self.native_pooling and self.modules[-1] not in {"Pooling", "Normalize"}:
            raise RequestError(
                f"{name} has a layer behind its pooling that needs the length of {self.native_pooling}, "
                f"so pooling={pooling} cannot replace it: use pooling=native."
            )
        return pooling

    def resolve_prompt(self, prompt: str | None, name: str) -> str | None:
        """The text to put before every text: `prompt` is a name of the model's own prompts, or the text itself.

        Raises
        ------
        RequestError
            `prompt` looks like a name, and the model has none of that name.
        """
        if prompt is None:
            prompt = self.prompts.get(self.default_prompt or "")
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
    listed = _json(folder / "modules.json")
    if listed is None:
        return []
    try:
        return [(str(entry["type"]), str(entry["path"])) for entry in listed]
    except (TypeError, KeyError) as error:
        raise EvaluationError(
            f"{folder / 'modules.json'} is no list of modules ({error!r}): get the checkpoint anew."
        ) from None


def read(folder: Path) -> Anatomy:
    """Read a checkpoint's small files.

    Parameters
    ----------
    folder
        Holds at least config.json, modules.json where there is one, and the modules' config.json.

    Raises
    ------
    EvaluationError
        A file is no JSON.
    """
    library = _json(folder / "config_sentence_transformers.json") or {}
    listed = module_paths(folder)
    if library.get("model_type", "SentenceTransformer") != "SentenceTransformer":
        listed = []  # sentence-transformers gives other kinds of models its default modules
    first = folder / (listed[0][1] if listed else "")
    transformer = _first_json(first, TRANSFORMER_CONFIGS) if listed else {}
    config = _json(first / "config.json") or _json(folder / "config.json") or {}
    text_config = {**config, **config["text_config"]} if isinstance(config.get("text_config"), dict) else config
    names = tuple(kind.rsplit(".", 1)[-1] for kind, _ in listed) or ("Transformer", "Pooling")
    token_dimension = _number(text_config, HIDDEN_SIZE_KEYS)
    native, include_prompt, dimension = _pooled(folder, listed, config, token_dimension)
    positions = _positions(text_config)
    return Anatomy(
        modules=names,
        native_pooling=native,
        include_prompt=include_prompt,
        token_dimension=token_dimension,
        dimension=dimension,
        max_length=_max_length(first, transformer, positions),
        positions=positions,
        truncate_dim=library.get("truncate_dim"),
        prompts={str(k): str(v) for k, v in (library.get("prompts") or {}).items() if v is not None},
        default_prompt=library.get("default_prompt_name"),
        remote_code=any(not kind.startswith("sentence_transformers.") for kind, _ in listed),
    )


def _pooled(
    folder: Path, listed: list[tuple[str, str]], config: Mapping[str, Any], hidden: int | None
) -> tuple[str, bool, int | None]:
    """(native pooling, include_prompt, dimension of a text's vector)."""
    if not listed:
        # sentence-transformers' default: the last token for causal language models, else the mean.
        architecture = str((config.get("architectures") or [""])[0])
        causal = architecture.endswith("ForCausalLM") and config.get("is_causal", True)
        return ("last_token" if causal else "mean"), True, hidden
    native, include_prompt, dimension = "none", True, hidden
    for kind, path in listed:
        own = _json(folder / path / "config.json") or {}
        if kind.endswith(".Pooling"):
            native = poolings.native_name(own)
            include_prompt = bool(own.get("include_prompt", True))
            width = _number(own, ("embedding_dimension", "word_embedding_dimension")) or hidden
            dimension = None if width is None else width * len(native.split("+"))
        elif kind.endswith(".Dense"):
            dimension = _number(own, ("out_features",))
        elif not kind.endswith((".Transformer", ".Normalize", ".Dropout", ".LayerNorm")):
            dimension = None
    return native, include_prompt, dimension


def _positions(config: Mapping[str, Any]) -> int | None:
    rows = _number(config, ("max_position_embeddings", "n_positions"))
    if rows is None:
        return None
    if config.get("model_type") in OFFSET_POSITIONS:
        padding = config.get("pad_token_id")
        return rows - (1 if padding is None else int(padding)) - 1
    return rows


def _max_length(folder: Path, transformer: Mapping[str, Any], positions: int | None) -> int | None:
    """As sentence-transformers finds it: its own setting, else the tokenizer's within the positions."""
    own = transformer.get("max_seq_length")
    if own is not None:
        return int(own)
    tokenizer = (_json(folder / "tokenizer_config.json") or {}).get("model_max_length")
    limits = [int(limit) for limit in (tokenizer, positions) if limit is not None and limit < UNBOUNDED]
    return min(limits, default=None)


def _number(config: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _first_json(folder: Path, names: tuple[str, ...]) -> Mapping[str, Any]:
    for name in names:
        found = _json(folder / name)
        if found:
            return dict(found)
    return {}


def _json(path: Path) -> Any:
    """Content of a JSON file, None where there is none."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EvaluationError(
            f"{path.name} of {path.parent.name} is no JSON ({error}): get the checkpoint anew."
        ) from None
