"""Keys: the SHA-256 of canonical JSON."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def digest(mapping: Mapping[str, Any]) -> str:
    """Hex SHA-256 of the canonical JSON of `mapping`: keys in any order; 1 and 1.0 differ; a tuple is a list."""
    return hashlib.sha256(canonical(mapping).encode("ascii")).hexdigest()


def canonical(mapping: Mapping[str, Any]) -> str:
    """`mapping` as JSON in ASCII with sorted keys and no spaces; TypeError or ValueError for what JSON cannot hold."""
    _check(mapping, "value")
    return json.dumps(mapping, sort_keys=True, separators=(",", ":"), allow_nan=False, default=dict)


def _check(value: Any, where: str) -> None:
    """Refuse what JSON cannot hold: json.dumps silently turns keys such as 1 or None into text."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}, which JSON cannot hold")
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}, and keys must be text")
            _check(entry, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for position, entry in enumerate(value):
            _check(entry, f"{where}[{position}]")
    elif value is not None and not isinstance(value, str | int | float):
        raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold")
