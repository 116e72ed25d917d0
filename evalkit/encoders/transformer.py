"""Transformer models by sentence-transformers: from the hub, a folder, or an installed package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.encoders import Advance
from evalkit.encoders import batching as forward
from evalkit.encoders import checkpoint_config as anatomy
from evalkit.encoders import checkpoint_locator as checkpoints
from evalkit.encoders import hub_client as hub
from evalkit.encoders.silence import no_telemetry, quiet
from evalkit.errors import EvalkitError, EvaluationError, RequestError
from evalkit.types import EncoderIdentity, Encoding

__all__ = ["TransformerEncoder"]

CPU_BATCH_TOKENS = 1_000
"""MiniLM on one core: 1,000 padded tokens take 8 to 25 % less time than 2,000, and half that of 8,000, whose
activations leave the cache; 500 take as long. In bfloat16 the difference is within the noise."""
GPU_BATCH_TOKENS = 65_536
"""Not measured: enough to fill a large card with a base-size model."""


class TransformerEncoder:
    """A sentence-transformers or transformers checkpoint.

    Parameters
    ----------
    name
        Hub id (``BAAI/bge-base-en-v1.5``) or path of a folder.
    revision
        Branch, tag or commit on the hub; a full commit that is in the cache needs no network.
    prompt
        Name of one of the model's own prompts, or the text to put before every text. None is the model's
        own default, ``""`` none at all.
    max_length
        Longest input in tokens; None is the model's own.
    truncate_dim
        Dimensions kept of every vector; None is the model's own.
    trust_remote_code
        Whether code that the checkpoint brings may run.
    device
        ``auto`` (CUDA where there is one, else the CPU), or as PyTorch names it.
    dtype
        ``auto`` and ``float32`` are exact, on every device; ``bfloat16`` computes in half precision where
        PyTorch holds that safe (autocast): 1.7 to 2.5 times as fast on a processor with AVX512-BF16.
    batch_tokens
        Padded tokens a batch; None is 1,000 on a CPU and 65,536 elsewhere.
    package
        An installed package that holds one revision of one model, used before the hub
        (see `evalkit.encoders.checkpoint_locator.find`).
    plain
        The checkpoint is known to have no modules.json.

    Raises
    ------
    RequestError
        `name` is neither a folder with a model nor a hub id.
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        prompt: str | None = None,
        max_length: int | None = None,
        truncate_dim: int | None = None,
        trust_remote_code: bool = False,
        device: str = "auto",
        dtype: str = "auto",
        batch_tokens: int | None = None,
        package: Mapping[str, Any] | None = None,
        plain: bool = False,
    ) -> None:
        folder = checkpoints.folder_of(name, revision)
        if folder is None:
            hub.check_name(name)
        else:
            checkpoints.check_folder(folder, name, revision)
        if dtype not in {"auto", "float32", "bfloat16"}:
            raise RequestError(f"dtype={dtype} is not known: choose auto, float32 or bfloat16.")
        self.name, self.revision = name, revision
        self.prompt, self.max_length, self.truncate_dim = prompt, max_length, truncate_dim
        self.trust_remote_code = trust_remote_code
        self.device, self.dtype, self.batch_tokens = device, dtype, batch_tokens
        self.package, self.plain = package, plain
        self._checkpoint: checkpoints.Checkpoint | None = None
        self._anatomy: anatomy.Anatomy | None = None
        self._pipeline: forward.Pipeline | None = None

    def identify(self, pooling: str) -> EncoderIdentity:
        """See `evalkit.encoders.Encoder.identify`; reads small files only."""
        checkpoint, parts = self._read()
        truncate_dim = self._kept(parts)
        prompt = parts.resolve_prompt(self.prompt, self.name)
        details: dict[str, Any] = {"modules": list(parts.modules), "truncate_dim": truncate_dim}
        if prompt is not None:
            details["include_prompt"] = parts.include_prompt
        if self.trust_remote_code:
            details["trust_remote_code"] = True
        return EncoderIdentity(
            kind="transformer",
            name=checkpoint.name,
            revision=checkpoint.revision,
            pooling=parts.resolve_pooling(pooling, self.name),
            native_pooling=parts.native_pooling,
            normalised=parts.normalised and truncate_dim is None,
            dtype="bfloat16" if self.dtype == "bfloat16" else "float32",
            dimension=truncate_dim or parts.dimension,
            max_length=self._longest(parts),
            prompt=prompt,
            details=details,
        )

    def encode(self, texts: Sequence[str], poolings: Sequence[str], advance: Advance) -> dict[str, Encoding]:
        """See `evalkit.encoders.Encoder.encode`."""
        resolved = {pooling: self.identify(pooling).pooling for pooling in poolings}
        if self._pipeline is None:
            self._pipeline = self._load()
        on_cpu = self._pipeline.model.device.type == "cpu"
        batch_tokens = self.batch_tokens or (CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS)
        with quiet():
            chosen = list(dict.fromkeys(resolved.values()))
            made = forward.encode(self._pipeline, texts, chosen, batch_tokens=batch_tokens, advance=advance)
        return {pooling: made[name] for pooling, name in resolved.items()}

    def encode_queries(
        self, texts: Sequence[str], poolings: Sequence[str], corpus_texts: Sequence[str], advance: Advance
    ) -> dict[str, Encoding]:
        """As `encode`: the corpus does not change a transformer."""
        del corpus_texts
        return self.encode(texts, poolings, advance)

    def _read(self) -> tuple[checkpoints.Checkpoint, anatomy.Anatomy]:
        if self._checkpoint is None or self._anatomy is None:
            self._checkpoint = checkpoints.find(self.name, self.revision, package=self.package, plain=self.plain)
            self._anatomy = anatomy.read(self._checkpoint.folder)
        if self._anatomy.remote_code and not self.trust_remote_code:
            raise RequestError(self._untrusted())
        return self._checkpoint, self._anatomy

    def _untrusted(self) -> str:
        return (
            f"{self.name} brings code of its own, which does not run unasked: read it, "
            "then set model.trust_remote_code=true, or choose another model."
        )

    def _kept(self, parts: anatomy.Anatomy) -> int | None:
        """Dimensions kept, None where that is all of them."""
        kept = self.truncate_dim if self.truncate_dim is not None else parts.truncate_dim
        if kept is not None and parts.dimension is not None:
            if self.truncate_dim is not None and kept > parts.dimension:
                raise RequestError(
                    f"model.truncate_dim={kept} is more than the {parts.dimension} dimensions of {self.name}: "
                    "choose fewer or leave it out."
                )
            return kept if kept < parts.dimension else None
        return kept

    def _longest(self, parts: anatomy.Anatomy) -> int | None:
        if self.max_length is None:
            return parts.max_length
        if parts.positions is not None and self.max_length > parts.positions:
            raise RequestError(
                f"model.max_length={self.max_length} is more than the {parts.positions} positions of "
                f"{self.name}: choose fewer or leave it out."
            )
        return self.max_length

    def _load(self) -> forward.Pipeline:
        checkpoint, parts = self._read()
        folder = checkpoints.fetch(checkpoint)
        no_telemetry()
        with quiet():
            import sentence_transformers
            import torch

        device = _device(self.device)
        with quiet():
            try:
                model = sentence_transformers.SentenceTransformer(
                    str(folder),
                    device=device,
                    trust_remote_code=self.trust_remote_code,
                    local_files_only=True,
                    # The checkpoint's own dtype may be a half one: auto means exact.
                    model_kwargs={"dtype": torch.float32, "use_safetensors": True},
                )
            except Exception as error:
                translated = self._translate(error)
                if translated is None:
                    raise
                raise translated from None
            model.eval()
            self._limit(model, parts)
        return forward.Pipeline(
            model=model,
            prompt=parts.resolve_prompt(self.prompt, self.name),
            native=parts.native_pooling,
            truncate_dim=self._kept(parts),
            autocast=self.dtype == "bfloat16",
        )

    def _limit(self, model: Any, parts: anatomy.Anatomy) -> None:
        limit = self._longest(parts)
        tokenizer = getattr(model[0], "tokenizer", None)
        if limit is None or tokenizer is None or not hasattr(tokenizer, "num_special_tokens_to_add"):
            return
        own = tokenizer.num_special_tokens_to_add()
        if limit <= own:
            raise RequestError(
                f"model.max_length={limit} leaves no token of a text, since {self.name} adds {own} of its own: "
                "choose more."
            )
        model.max_seq_length = limit

    def _translate(self, error: Exception) -> EvalkitError | None:
        """What sentence-transformers, transformers and torch raise while loading, as one sentence."""
        if isinstance(error, EvalkitError):
            return error
        said = (
            f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'without a word'}"
        )
        if "trust_remote_code" in str(error):
            return RequestError(self._untrusted())
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            return EvaluationError(
                f"{self.name} does not fit into memory ({said}): take a smaller model or another device."
            )
        if isinstance(error, ImportError):
            return EvaluationError(f"{self.name} needs a library that is not installed ({said}): install it.")
        return EvaluationError(
            f"{self.name} cannot be loaded ({said}): its checkpoint is broken, get it anew or choose another revision."
        )


def _device(asked: str) -> str:
    """A device that PyTorch has here.

    Raises
    ------
    RequestError
        There is no such device.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        raise RequestError(f"device={asked} is not known: choose auto, cpu, cuda or cuda:0.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RequestError(
            f"device={asked} is not here (PyTorch sees {torch.cuda.device_count()} CUDA devices): choose auto or cpu."
        )
    return asked
