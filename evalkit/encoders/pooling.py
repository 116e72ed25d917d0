"""From token vectors to one vector a text: names, and sentence-transformers' own pooling modules.

`native` is the model's own pooling; the other six replace it, and keep whatever stands behind it in the
model's pipeline (a dense layer, the scaling to length 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["MODES", "POOLINGS", "module", "native_name"]

MODES: Mapping[str, str] = {
    "mean": "mean",
    "cls": "cls",
    "max": "max",
    "mean_sqrt_len": "mean_sqrt_len_tokens",
    "weighted_mean": "weightedmean",
    "last_token": "lasttoken",
}
"""Our name → sentence-transformers' name, for the poolings that can be asked of any model with tokens."""

POOLINGS: tuple[str, ...] = ("native", *MODES)
"""All that `pooling=` takes."""

# The order in which sentence-transformers concatenates several poolings of an older configuration.
_LEGACY = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def native_name(config: Mapping[str, Any]) -> str:
    """Our name of the pooling that a pooling module's config.json describes.

    Parameters
    ----------
    config
        Content of the module's config.json, of any sentence-transformers version.

    Returns
    -------
    str
        One of `MODES`, or several joined by ``+`` where the model concatenates them.

    Examples
    --------
    >>> native_name({"word_embedding_dimension": 384, "pooling_mode_cls_token": True})
    'cls'
    >>> native_name({"pooling_mode": ["mean", "max"]})
    'mean+max'
    """
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _LEGACY.items() if config.get(key, False)] or ["mean"]
    if isinstance(modes, str):
        modes = [modes]
    ours = {theirs: name for name, theirs in MODES.items()}
    return "+".join(ours.get(mode, mode) for mode in modes)


def module(pooling: str, dimension: int, *, include_prompt: bool = True) -> Any:
    """sentence-transformers' pooling module for one of `MODES`, or several joined by ``+``.

    Parameters
    ----------
    dimension
        Length of a token vector.
    include_prompt
        False leaves the tokens of the prompt out of the pooled vector.

    Raises
    ------
    ValueError
        `pooling` is not one of `MODES`.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling

    names: Sequence[str] = pooling.split("+")
    unknown = [name for name in names if name not in MODES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no pooling: choose one of {', '.join(MODES)}")
    modes = [MODES[name] for name in names]
    return Pooling(dimension, modes[0] if len(modes) == 1 else tuple(modes), include_prompt)
