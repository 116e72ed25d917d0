"""One forward pass that gives every pooling, in batches of texts of like length."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders import Advance
from evalkit.encoders.pooling import MODES
from evalkit.types import EncoderIdentity, Encoding, Vectors

CHUNK = 8_192
"""Texts tokenised at once to count their tokens."""
CHARACTERS_A_TOKEN = 4
"""Estimates the length of texts for models without a plain tokenizer."""
UNCUT = {"text": {"padding": False, "truncation": False}, "common": {"return_tensors": None}}


def encode(
    model: Any,
    texts: Sequence[str],
    identities: Sequence[EncoderIdentity],
    role: Mapping[str, Any],
    *,
    batch_tokens: int,
    advance: Advance,
) -> dict[str, Encoding]:
    """Resolved pooling → vectors of `texts`, for identities that differ in their pooling only.

    `model` is a SentenceTransformer, in evaluation mode on its device; `role` has the prompt and, for a model with
    routes, the task. A batch has at most `batch_tokens` padded tokens; a longer text makes a batch alone.
    ``truncated`` is exact for models with a tokenizer.
    """
    import torch
    from sentence_transformers.util import batch_to_device

    identity, chosen = identities[0], dict.fromkeys(each.pooling for each in identities)
    kept = identity.details["truncate_dim"]
    if not texts:
        empty = np.empty((0, model.get_embedding_dimension()), dtype=np.float32)
        return {name: Encoding(vectors=empty[:, :kept]) for name in chosen}
    started = time.perf_counter()
    counts, limit = _token_counts(model, texts, role["prompt"]), model.max_seq_length
    lengths = np.array([len(text) // CHARACTERS_A_TOKEN + 1 for text in texts]) if counts is None else counts
    truncated = int((lengths > limit).sum()) if counts is not None and limit is not None else 0
    body, heads = _split(model, identity.native_pooling, chosen)
    out: dict[str, Vectors] = {}
    half = identity.dtype == "bfloat16"  # where PyTorch regards that as safe
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=half):
        for rows in batches(np.minimum(lengths, limit or lengths.max()), batch_tokens):
            features = model.preprocess([texts[row] for row in rows], **{**role, "prompt": role["prompt"] or ""})
            if counts is None and limit is not None and "attention_mask" in features:
                # Without a tokenizer of its own to ask, a text that fills the model counts as truncated.
                truncated += int((features["attention_mask"].sum(dim=1) >= limit).sum())
            features = body(batch_to_device(features, model.device))
            for name, head in heads.items():
                pooled = head(dict(features))["sentence_embedding"][:, :kept]
                if name not in out:
                    out[name] = np.empty((len(texts), pooled.shape[1]), dtype=np.float32)
                out[name][rows] = pooled.float().cpu().numpy()
            advance(len(rows))
    seconds = time.perf_counter() - started
    parameters = sum(weight.numel() for weight in model.parameters())
    return {name: Encoding(vectors, truncated, seconds, parameters) for name, vectors in out.items()}


def batches(lengths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Positions of texts of like length, longest first, at most `batch_tokens` when padded to the longest."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + rows]
        start += rows


def _token_counts(model: Any, texts: Sequence[str], prompt: str | None) -> NDArray[np.int64] | None:
    """(n,) tokens of each text before truncation; None where the model does not begin with a plain tokenizer."""
    from sentence_transformers.base.modules import Transformer
    from transformers import PreTrainedTokenizerBase

    first = model[0]
    plain = isinstance(first, Transformer) and isinstance(first.processor, PreTrainedTokenizerBase)
    if not plain or "message" in first.modality_config or "text" not in first.modality_config:
        return None
    counts: list[int] = []
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        counts += map(len, first.preprocess(chunk, prompt=prompt, processing_kwargs=UNCUT)["input_ids"])
    return np.array(counts, dtype=np.int64)


def _split(model: Any, native: str, chosen: Collection[str]) -> tuple[Any, dict[str, Any]]:
    """The modules before the pooling, and for every resolved pooling those from it on."""
    from sentence_transformers.sentence_transformer.modules import Pooling
    from torch.nn import Sequential

    modules = list(model)
    position = next((i for i, module in enumerate(modules) if isinstance(module, Pooling)), None)
    if position is None:
        return Sequential(*modules), {name: Sequential() for name in chosen}
    own, rest = modules[position], modules[position + 1 :]

    def pool(name: str) -> Any:
        if name == native:
            return own
        return Pooling(own.embedding_dimension, MODES[name], own.include_prompt).to(model.device).eval()

    return Sequential(*modules[:position]), {name: Sequential(pool(name), *rest) for name in chosen}
