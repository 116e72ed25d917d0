"""One forward pass that yields every pooling: tokenised once, batches by length and filled by tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders import Advance
from evalkit.encoders import pooling as poolings
from evalkit.types import Encoding, Vectors

__all__ = ["Pipeline", "batches", "encode"]

CHUNK = 8_192
"""Texts tokenised at once."""
CHARACTERS_A_TOKEN = 4
"""To guess the length of texts that the model tokenises itself."""
UNPADDED = {"text": {"padding": False}, "common": {"return_tensors": None}}
UNCUT = {"text": {"padding": False, "truncation": False}, "common": {"return_tensors": None}}
PADDABLE = frozenset({"input_ids", "attention_mask", "token_type_ids"})


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A loaded model, and what to do with it.

    Attributes
    ----------
    model
        SentenceTransformer, in evaluation mode on its device.
    prompt
        Text before every text, or None.
    native
        The model's own pooling, as identities name it; ``none`` where no module pools.
    truncate_dim
        Dimensions kept, None for all.
    autocast
        Whether to compute in bfloat16 where PyTorch holds that safe.
    """

    model: Any
    prompt: str | None
    native: str
    truncate_dim: int | None = None
    autocast: bool = False


def encode(
    pipeline: Pipeline, texts: Sequence[str], chosen: Sequence[str], *, batch_tokens: int, advance: Advance
) -> dict[str, Encoding]:
    """Vectors of `texts` for every resolved pooling in `chosen`.

    Parameters
    ----------
    chosen
        Resolved poolings; those equal to the model's own run its own modules.
    batch_tokens
        Padded tokens a batch; a longer text makes a batch alone.

    Returns
    -------
    dict
        Pooling → encoding; ``truncated`` is exact for models with a tokenizer.
    """
    import torch

    if not texts:
        empty = np.empty((0, pipeline.model.get_embedding_dimension()), dtype=np.float32)
        return {name: Encoding(vectors=empty[:, : pipeline.truncate_dim]) for name in chosen}
    started = time.perf_counter()
    heads = {name: _head(pipeline, name) for name in chosen}
    source: _Tokenised | _Untokenised
    source = _tokenise(pipeline, texts) or _Untokenised(pipeline, texts)
    out: dict[str, Vectors] = {}
    device = pipeline.model.device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=pipeline.autocast):
        for rows in batches(source.lengths, batch_tokens):
            features = _run(_body(pipeline), source.batch(rows, device))
            for name, head in heads.items():
                pooled = _run(head, dict(features))["sentence_embedding"][:, : pipeline.truncate_dim]
                if name not in out:
                    out[name] = np.empty((len(texts), pooled.shape[1]), dtype=np.float32)
                out[name][rows] = pooled.float().cpu().numpy()
            advance(len(rows))
    seconds = time.perf_counter() - started
    parameters = sum(weight.numel() for weight in pipeline.model.parameters())
    return {
        name: Encoding(vectors=vectors, truncated=source.truncated, seconds=seconds, parameters=parameters)
        for name, vectors in out.items()
    }


def batches(lengths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Positions of texts of like length, longest first, at most `batch_tokens` when padded to the longest.

    Parameters
    ----------
    lengths
        (n,) tokens of each text.
    batch_tokens
        Upper bound of rows × longest row; one text is always taken.

    Yields
    ------
    ndarray
        (rows,) positions; each text is in exactly one batch.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + rows]
        start += rows


def _pooling_position(pipeline: Pipeline) -> int | None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    return next((i for i, part in enumerate(pipeline.model) if isinstance(part, Pooling)), None)


def _body(pipeline: Pipeline) -> list[Any]:
    """The modules before the pooling (all of them where there is none)."""
    return list(pipeline.model)[: _pooling_position(pipeline)]


def _head(pipeline: Pipeline, pooling: str) -> list[Any]:
    """The pooling and what stands behind it."""
    position = _pooling_position(pipeline)
    if position is None:
        return []
    parts = list(pipeline.model)
    own = parts[position]
    if pooling == pipeline.native:
        return parts[position:]
    replacement = poolings.module(pooling, own.embedding_dimension, include_prompt=own.include_prompt)
    return [replacement.to(pipeline.model.device).eval(), *parts[position + 1 :]]


def _run(modules: Sequence[Any], features: dict[str, Any]) -> dict[str, Any]:
    for part in modules:
        features = part(features)
    return features


class _Tokenised:
    """Token numbers of every text, padded batch by batch."""

    def __init__(
        self, rows: list[Mapping[str, NDArray[np.int64]]], fill: Mapping[str, int], left: bool, extra: Mapping[str, Any]
    ):
        self.rows, self.fill, self.left, self.extra = rows, fill, left, extra
        self.lengths = np.fromiter((len(row["input_ids"]) for row in rows), dtype=np.int64, count=len(rows))
        self.truncated = 0

    def batch(self, rows: NDArray[np.int64], device: Any) -> dict[str, Any]:
        import torch

        width = int(self.lengths[rows].max())
        features: dict[str, Any] = dict(self.extra)
        for key, fill in self.fill.items():
            padded = np.full((len(rows), width), fill, dtype=np.int64)
            for i, row in enumerate(rows):
                tokens = self.rows[row][key]
                start = width - len(tokens) if self.left else 0
                padded[i, start : start + len(tokens)] = tokens
            features[key] = torch.from_numpy(padded).to(device)
        return features


class _Untokenised:
    """Texts of a model that makes its own features: batched by their number of characters."""

    def __init__(self, pipeline: Pipeline, texts: Sequence[str]):
        self.pipeline, self.texts = pipeline, texts
        self.lengths = np.fromiter(
            (len(text) // CHARACTERS_A_TOKEN + 1 for text in texts), dtype=np.int64, count=len(texts)
        )
        self.truncated = 0

    def batch(self, rows: NDArray[np.int64], device: Any) -> dict[str, Any]:
        from sentence_transformers.util import batch_to_device

        features = self.pipeline.model.preprocess([self.texts[row] for row in rows], prompt=self.pipeline.prompt or "")
        limit = self.pipeline.model.max_seq_length
        if limit is not None and "attention_mask" in features:
            # Without its own tokens at hand, a text that fills the model is counted as cut.
            self.truncated += int((features["attention_mask"].sum(dim=1) >= limit).sum())
        return dict(batch_to_device(features, device))


def _tokenise(pipeline: Pipeline, texts: Sequence[str]) -> _Tokenised | None:
    """Tokens by the model's own preprocessing, or None where it does not end in a plain tokenizer."""
    from sentence_transformers.base.modules import Transformer
    from transformers import PreTrainedTokenizerBase

    first = pipeline.model[0]
    plain = isinstance(first, Transformer) and isinstance(first.processor, PreTrainedTokenizerBase)
    if not plain or "message" in first.modality_config or "text" not in first.modality_config:
        return None
    first.unpad_inputs = False  # rows of a batch are padded here
    rows: list[Mapping[str, NDArray[np.int64]]] = []
    extra: dict[str, Any] = {}
    for start in range(0, len(texts), CHUNK):
        features = first.preprocess(
            list(texts[start : start + CHUNK]), prompt=pipeline.prompt, processing_kwargs=UNPADDED
        )
        extra = {key: features[key] for key in ("modality", "prompt_length") if key in features}
        keys = [key for key in features if key not in extra]
        if not PADDABLE.issuperset(keys):
            return None
        rows += [
            {key: np.asarray(tokens, dtype=np.int64) for key, tokens in zip(keys, row, strict=True)}
            for row in zip(*(features[key] for key in keys), strict=True)
        ]
    tokenizer = first.tokenizer
    fill = {
        "input_ids": tokenizer.pad_token_id or 0,
        "attention_mask": 0,
        "token_type_ids": tokenizer.pad_token_type_id,
    }
    tokenised = _Tokenised(
        rows, {key: fill[key] for key in rows[0]} if rows else {}, tokenizer.padding_side == "left", extra
    )
    tokenised.truncated = _truncated(pipeline, texts, tokenised.lengths)
    return tokenised


def _truncated(pipeline: Pipeline, texts: Sequence[str], lengths: NDArray[np.int64]) -> int:
    """How many texts have more tokens than the model takes: only full ones are tokenised again, uncut."""
    limit = pipeline.model.max_seq_length
    full = np.flatnonzero(lengths >= limit) if limit is not None else np.empty(0, dtype=np.int64)
    cut = 0
    for start in range(0, len(full), CHUNK):
        chosen = [texts[i] for i in full[start : start + CHUNK]]
        uncut = pipeline.model[0].preprocess(chosen, prompt=pipeline.prompt, processing_kwargs=UNCUT)
        cut += sum(len(tokens) > limit for tokens in uncut["input_ids"])
    return cut
