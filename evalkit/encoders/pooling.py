"""From token vectors to one vector a text: names of poolings, ours and sentence-transformers'.

`native` is the model's own pooling; the other six replace it, and keep what follows it in the model's pipeline (a
dense layer, the scaling to length 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODES: Mapping[str, str] = {
    "mean": "mean",
    "cls": "cls",
    "max": "max",
    "mean_sqrt_len": "mean_sqrt_len_tokens",
    "weighted_mean": "weightedmean",
    "last_token": "lasttoken",
}
"""Our name → sentence-transformers' name, for the poolings that any model with tokens can have."""
POOLINGS: tuple[str, ...] = ("native", *MODES)
"""The choices of `pooling`."""
LEGACY = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
"""Keys of older configurations, in the order in which sentence-transformers concatenates them."""


def native_name(config: Mapping[str, Any]) -> str:
    """One of `MODES`, or several joined by ``+``, for the config.json of a pooling module of any version.

    >>> native_name({"word_embedding_dimension": 384, "pooling_mode_cls_token": True})
    'cls'
    >>> native_name({"pooling_mode": ["mean", "max"]})
    'mean+max'
    """
    modes = config.get("pooling_mode")
    if modes is None:
        legacy = [key for key in LEGACY if config.get(f"pooling_mode_{key}", False)] or ["mean_tokens"]
        modes = [key if key == "mean_sqrt_len_tokens" else key.partition("_")[0] for key in legacy]
    names = {theirs: name for name, theirs in MODES.items()}
    return "+".join(names.get(mode, mode) for mode in ([modes] if isinstance(modes, str) else modes))
