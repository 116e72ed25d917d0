"""Keys: the SHA-256 of canonical JSON."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["canonical", "digest"]


def digest(mapping: Mapping[str, Any]) -> str:
    """Hex SHA-256 of the canonical JSON of `mapping`: equal exactly when the values are equal.

    The order of keys does not matter; 1 and 1.0 differ; a tuple is a list.

    Raises
    ------
    TypeError
        Where a value is no JSON value (a path, an array, a key that is not text).
    ValueError
        Where a number is NaN or infinite.
    """
    return hashlib.sha256(canonical(mapping).encode("ascii")).hexdigest()


def canonical(mapping: Mapping[str, Any]) -> str:
    """`mapping` as JSON in ASCII with sorted keys and no spaces; raises as `digest` does."""
    _check(mapping, "value")
    return json.dumps(mapping, sort_keys=True, separators=(",", ":"), allow_nan=False, default=dict)


def _check(value: Any, where: str) -> None:
    """Refuse what JSON cannot hold: json.dumps silently turns keys such as 1 or None into text."""
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which JSON cannot hold")
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}, and keys must be text")
            _check(entry, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for position, entry in enumerate(value):
            _check(entry, f"{where}[{position}]")
    else:
        raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold")
