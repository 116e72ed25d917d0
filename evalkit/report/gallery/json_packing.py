"""Values as JSON that can stand inside a page: packed integers, and no character that ends a script."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.records import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["embedded", "json_rows", "packed"]

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def embedded(value: Any) -> str:
    r"""Return JSON for the inside of a script element: ``<`` stands as ``\u003c``, so nothing in it is markup."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def packed(values: NDArray[Any], kind: type[np.unsignedinteger[Any]]) -> str:
    """Return integers as base64 of little-endian unsigned ones; the page reads them into a typed array."""
    limits = np.iinfo(kind)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        raise ValueError(f"values {values.min()} … {values.max()} do not fit {np.dtype(kind).name}")
    return base64.b64encode(values.astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode("ascii")


def json_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as a list of rows, missing and non-finite cells as None."""
    rows: list[dict[str, Any]] = plain(frame.astype(object).where(frame.notna(), None).to_dict("records"))
    return rows
