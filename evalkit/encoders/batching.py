"""One forward pass that gives every pooling, in batches of texts of like length."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders import Advance
from evalkit.encoders.pooling import MODES
from evalkit.types import Encoding, Vectors

CHUNK = 8_192
"""Texts tokenised at once to count their tokens."""
CHARACTERS_A_TOKEN = 4
"""Estimates the length of texts for models without a plain tokenizer."""
UNCUT = {"text": {"padding": False, "truncation": False}, "common": {"return_tensors": None}}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A loaded model and how it is used."""

    model: Any  # a SentenceTransformer, in evaluation mode on its device
    prompt: str | None  # put before every text
    native: str  # the model's own pooling, as identities name it; "none" where no module pools
    truncate_dim: int | None = None  # dimensions kept, None for all
    autocast: bool = False  # compute in bfloat16 where PyTorch regards that as safe


def encode(
    pipeline: Pipeline, texts: Sequence[str], chosen: Sequence[str], *, batch_tokens: int, advance: Advance
) -> dict[str, Encoding]:
    """Vectors of `texts` for every resolved pooling in `chosen`; ``truncated`` is exact for models with a tokenizer.

    A batch has at most `batch_tokens` padded tokens; a longer text makes a batch alone.
    """
    import torch
    from sentence_transformers.util import batch_to_device

    model = pipeline.model
    if not texts:
        empty = np.empty((0, model.get_embedding_dimension()), dtype=np.float32)
        return {name: Encoding(vectors=empty[:, : pipeline.truncate_dim]) for name in chosen}
    started = time.perf_counter()
    counts, limit = _token_counts(pipeline, texts), model.max_seq_length
    lengths = np.array([len(text) // CHARACTERS_A_TOKEN + 1 for text in texts]) if counts is None else counts
    truncated = int((lengths > limit).sum()) if counts is not None and limit is not None else 0
    body, heads = _split(pipeline, chosen)
    out: dict[str, Vectors] = {}
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=pipeline.autocast):
        for rows in batches(np.minimum(lengths, limit or lengths.max()), batch_tokens):
            features = model.preprocess([texts[row] for row in rows], prompt=pipeline.prompt or "")
            if counts is None and limit is not None and "attention_mask" in features:
                # Without a tokenizer of its own to ask, a text that fills the model counts as truncated.
                truncated += int((features["attention_mask"].sum(dim=1) >= limit).sum())
            features = body(batch_to_device(features, model.device))
            for name, head in heads.items():
                pooled = head(dict(features))["sentence_embedding"][:, : pipeline.truncate_dim]
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


def _token_counts(pipeline: Pipeline, texts: Sequence[str]) -> NDArray[np.int64] | None:
    """(n,) tokens of each text before truncation; None where the model does not begin with a plain tokenizer."""
    from sentence_transformers.base.modules import Transformer
    from transformers import PreTrainedTokenizerBase

    first = pipeline.model[0]
    plain = isinstance(first, Transformer) and isinstance(first.processor, PreTrainedTokenizerBase)
    if not plain or "message" in first.modality_config or "text" not in first.modality_config:
        return None
    counts: list[int] = []
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        counts += map(len, first.preprocess(chunk, prompt=pipeline.prompt, processing_kwargs=UNCUT)["input_ids"])
    return np.array(counts, dtype=np.int64)


def _split(pipeline: Pipeline, chosen: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """The modules before the pooling, and for every resolved pooling those from it on."""
    from sentence_transformers.sentence_transformer.modules import Pooling
    from torch.nn import Sequential

    modules = list(pipeline.model)
    position = next((i for i, module in enumerate(modules) if isinstance(module, Pooling)), None)
    if position is None:
        return Sequential(*modules), {name: Sequential() for name in chosen}
    own, rest = modules[position], modules[position + 1 :]

    def pool(name: str) -> Any:
        if name == pipeline.native:
            return own
        return Pooling(own.embedding_dimension, MODES[name], own.include_prompt).to(pipeline.model.device).eval()

    return Sequential(*modules[:position]), {name: Sequential(pool(name), *rest) for name in chosen}
