"""Transformer models by sentence-transformers: from the hub, a folder, or an installed package."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.encoders import Advance, Encoder, batching, checkpoint_config, checkpoint_locator
from evalkit.encoders.checkpoint_config import CheckpointConfig
from evalkit.encoders.checkpoint_locator import Checkpoint
from evalkit.encoders.silence import quiet
from evalkit.errors import EvalkitError, EvaluationError, RequestError
from evalkit.types import EncoderIdentity, Encoding

CPU_BATCH_TOKENS = 1_000
"""MiniLM on one core: batches of 1,000 padded tokens take 8 to 25 % less time than of 2,000, and half that of 8,000,
whose activations exceed the cache."""
GPU_BATCH_TOKENS = 65_536
"""Not measured; enough to occupy a large card with a base-size model."""


class TransformerEncoder(Encoder):
    """A sentence-transformers or transformers checkpoint.

    Parameters
    ----------
    name, revision
        Hub id (``BAAI/bge-base-en-v1.5``) and branch, tag or commit (a full commit that is in the cache needs no
        network); or the path of a folder.
    prompt
        Name of one of the model's prompts, or the text to put before every text and query. None is the model's
        default, ``""`` none at all.
    document_prompt, query_prompt
        The same for the texts or the queries alone. Without them, queries get the model's prompt ``query`` if it has
        one, as sentence-transformers' ``encode_query`` does.
    max_length, truncate_dim
        Longest input in tokens, dimensions kept of every vector; None is the model's own.
    trust_remote_code
        Whether code in the checkpoint may run.
    device
        ``auto`` (CUDA where there is one, else the CPU), or as PyTorch names it.
    dtype
        ``auto`` and ``float32`` are exact on every device; ``bfloat16`` computes in half precision where
        PyTorch regards that as safe (autocast): 1.7 to 2.5 times as fast on a processor with AVX512-BF16.
    batch_tokens
        Padded tokens a batch; None is 1,000 on a CPU and 65,536 elsewhere.
    package
        An installed package that holds one revision of one model, used before the hub
        (see `evalkit.encoders.checkpoint_locator.find`).
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        prompt: str | None = None,
        document_prompt: str | None = None,
        query_prompt: str | None = None,
        max_length: int | None = None,
        truncate_dim: int | None = None,
        trust_remote_code: bool = False,
        device: str = "auto",
        dtype: str = "auto",
        batch_tokens: int | None = None,
        package: Mapping[str, Any] | None = None,
    ) -> None:
        checkpoint_locator.folder_of(name, revision)  # refuses a name that is neither a folder's nor an id
        if dtype not in {"auto", "float32", "bfloat16"}:
            raise RequestError(f"dtype={dtype} is not known: choose auto, float32 or bfloat16.")
        self.name, self.revision = name, revision
        self.document_prompt = prompt if document_prompt is None else document_prompt
        self.query_prompt = prompt if query_prompt is None else query_prompt
        self.max_length, self.truncate_dim = max_length, truncate_dim
        self.trust_remote_code = trust_remote_code
        self.device, self.dtype, self.batch_tokens = device, dtype, batch_tokens
        self.package = package

    def identify(self, pooling: str) -> EncoderIdentity:
        """See `evalkit.encoders.Encoder.identify`; reads small files only."""
        checkpoint, config = self._checkpoint, self._config
        truncate_dim = self._kept_dimensions()
        prompt = config.resolve_prompt(self.document_prompt, self.name)
        query_prompt = config.resolve_prompt(self.query_prompt, self.name, query=True)
        details: dict[str, Any] = {"modules": list(config.modules), "truncate_dim": truncate_dim}
        if prompt is not None:
            details["include_prompt"] = config.include_prompt
        if self.trust_remote_code:
            details["trust_remote_code"] = True
        return EncoderIdentity(
            kind="transformer",
            name=checkpoint.name,
            revision=checkpoint.revision,
            pooling=config.resolve_pooling(pooling, self.name),
            native_pooling=config.native_pooling,
            normalised=config.modules[-1] == "Normalize" and truncate_dim is None,
            dtype="bfloat16" if self.dtype == "bfloat16" else "float32",
            dimension=truncate_dim or config.dimension,
            max_length=self._longest_input(),
            prompt=prompt,
            query_side={"prompt": query_prompt, "task": "query"} if query_prompt != prompt or self._is_routed else {},
            details=details,
        )

    def encode(self, texts: Sequence[str], poolings: Sequence[str], advance: Advance) -> dict[str, Encoding]:
        """See `evalkit.encoders.Encoder.encode`."""
        return self._encode(texts, poolings, advance, self.identify("native").prompt, "document")

    def encode_queries(
        self, texts: Sequence[str], poolings: Sequence[str], corpus_texts: Sequence[str], advance: Advance
    ) -> dict[str, Encoding]:
        """See `evalkit.encoders.Encoder.encode_queries`: with the model's prompt and route for queries."""
        del corpus_texts
        identity = self.identify("native")
        return self._encode(texts, poolings, advance, identity.query_side.get("prompt", identity.prompt), "query")

    def _encode(
        self, texts: Sequence[str], poolings: Sequence[str], advance: Advance, prompt: str | None, task: str
    ) -> dict[str, Encoding]:
        identities = {pooling: self.identify(pooling) for pooling in poolings}
        on_cpu = self._model.device.type == "cpu"
        batch_tokens = self.batch_tokens or (CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS)
        with quiet():
            encodings = batching.encode(
                self._model, texts, list(identities.values()), {"prompt": prompt} | self._route(task),
                batch_tokens=batch_tokens, advance=advance,
            )  # fmt: skip
        return {pooling: encodings[identity.pooling] for pooling, identity in identities.items()}

    @property
    def _is_routed(self) -> bool:
        """Whether texts and queries take different ways through the model."""
        return self._config.modules[0] == "Router"

    def _route(self, task: str) -> dict[str, str]:
        """The argument that names a text's way through a model that has several."""
        return {"task": task} if self._is_routed and task in self._model[0].sub_modules else {}

    @functools.cached_property
    def _checkpoint(self) -> Checkpoint:
        """The model's files."""
        return checkpoint_locator.find(self.name, self.revision, self.package)

    @functools.cached_property
    def _config(self) -> CheckpointConfig:
        """What the small files say."""
        config = checkpoint_config.read(self._checkpoint.folder, self.name)
        if config.remote_code and not self.trust_remote_code:
            raise self._untrusted()
        return config

    @functools.cached_property
    def _model(self) -> Any:
        """The SentenceTransformer on its device, with its weights and its longest input."""
        folder = checkpoint_locator.fetch(self._checkpoint)
        with quiet():
            model = self._load(folder)
            self._limit(model)
        return model

    def _untrusted(self) -> RequestError:
        """The checkpoint brings code, and model.trust_remote_code is false."""
        return RequestError(f"{self.name} brings code: read it, then set model.trust_remote_code=true.")

    def _kept_dimensions(self) -> int | None:
        """Dimensions kept, None where that is all of them."""
        kept, dimension = self.truncate_dim, self._config.dimension
        if kept is None:
            kept = self._config.truncate_dim
        elif dimension is not None and kept > dimension:
            raise RequestError(
                f"model.truncate_dim={kept} is more than the {dimension} dimensions of {self.name}: choose fewer."
            )
        return None if kept is not None and dimension is not None and kept >= dimension else kept

    def _longest_input(self) -> int | None:
        """Longest input in tokens."""
        longest, positions = self.max_length, self._config.positions
        if longest is None:
            return self._config.max_length
        if positions is not None and longest > positions:
            raise RequestError(
                f"model.max_length={longest} is more than the {positions} positions of {self.name}: choose fewer."
            )
        return longest

    def _load(self, folder: Path) -> Any:
        """The SentenceTransformer of a folder, on its device."""
        import sentence_transformers
        import torch
        from transformers.utils import logging

        logging.disable_progress_bar()
        device = _device(self.device)
        try:
            model = sentence_transformers.SentenceTransformer(
                str(folder),
                device=device,
                trust_remote_code=self.trust_remote_code,
                local_files_only=True,
                # The checkpoint's own dtype may be a half one: auto means exact.
                model_kwargs={"dtype": torch.float32, "use_safetensors": True},
            )
        except Exception as error:  # noqa: BLE001  # three libraries, each with its own
            raise self._broken(error, folder) from None
        return model.eval()

    def _limit(self, model: Any) -> None:
        """Give the model its longest input."""
        limit = self._longest_input()
        tokenizer: Any = getattr(model[0], "tokenizer", None)
        if limit is None or not hasattr(tokenizer, "num_special_tokens_to_add"):
            return
        own = tokenizer.num_special_tokens_to_add()
        if limit <= own:
            raise RequestError(
                f"model.max_length={limit} leaves no token of a text: {self.name} adds {own} of its own, choose more."
            )
        model.max_seq_length = limit

    def _broken(self, error: Exception, folder: Path) -> EvalkitError:
        """What sentence-transformers, transformers and torch raise while loading, as one sentence."""
        if "trust_remote_code" in str(error):
            return self._untrusted()
        message = next(iter(str(error).strip().splitlines()), "no message")
        reason = f"{type(error).__name__}: {message}"
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            return EvaluationError(
                f"{self.name} does not fit into memory ({reason}): take a smaller model or another device."
            )
        if isinstance(error, ImportError):
            return EvaluationError(f"{self.name} needs a library that is not installed ({reason}): install it.")
        return EvaluationError(f"{self.name} cannot be loaded ({reason}): delete {folder} and get it anew.")


def _device(device: str) -> str:
    """`device`, with ``auto`` resolved; refused where PyTorch does not have it."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise RequestError(f"device={device} is not known: choose auto, cpu, cuda or cuda:0.") from None
    count = torch.cuda.device_count()
    if resolved.type == "cuda" and (resolved.index or 0) >= count:
        raise RequestError(f"device={device} is not here (PyTorch sees {count} CUDA devices): choose auto or cpu.")
    return device
