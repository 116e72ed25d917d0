"""Values as JSON that can stand inside a page: finite numbers, packed integers, no character that ends a script."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["embedded", "json_rows", "json_value", "packed"]

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def embedded(value: Any) -> str:
    r"""Return JSON for the inside of a script element: ``<`` stands as ``\u003c``, so nothing in it is markup."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def packed(values: NDArray[Any], kind: type[np.unsignedinteger[Any]]) -> str:
    """Return integers as base64 of little-endian unsigned ones; the page reads them into a typed array."""
    limits = np.iinfo(kind)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        raise ValueError(f"values {values.min()} … {values.max()} do not fit {np.dtype(kind).name}")
    return base64.b64encode(values.astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode("ascii")


def json_value(value: Any) -> Any:
    """Return `value` with numpy scalars as Python's and every missing or non-finite number as None."""
    kind = type(value)
    if kind is float:  # most of a gallery
        return value if math.isfinite(value) else None
    if value is None or kind is bool or kind is int:
        return value
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [json_value(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int):
        return value
    text = str(value).encode("utf-8", "replace").decode()
    return None if text in {"<NA>", "NaT"} and not isinstance(value, str) else text


def json_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as a list of rows."""
    columns = [str(column) for column in frame.columns]
    return [
        dict(zip(columns, (json_value(value) for value in row), strict=True))
        for row in frame.itertuples(index=False, name=None)
    ]
