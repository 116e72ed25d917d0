"""Assemble the gallery: one template, one style sheet, five scripts and the data in a single file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evalkit.report.gallery.data import payload
from evalkit.report.load_runs import LoadedRun
from evalkit.report.run_folder import write_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["embedded", "write"]

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})

_SCRIPTS = ("state.js", "maps.js", "tables.js", "lists.js", "controls.js")


def write(
    runs: Sequence[LoadedRun],
    leaderboard: pd.DataFrame,
    comparisons: pd.DataFrame,
    agreement: pd.DataFrame,
    topics: pd.DataFrame,
    *,
    out: Path,
    theme: Literal["auto", "light", "dark"] = "auto",
    rank_by: str | None = None,
) -> None:
    """Write the gallery of a sweep to `out`, whole or not at all.

    Parameters
    ----------
    runs
        At least one run; all of the same texts in the same order.
    leaderboard, comparisons, agreement, topics
        As the functions of `evalkit.report.leaderboard` return them. Any may be empty, and columns may be missing:
        what is missing is not shown, and the page notes it.
    theme
        The page's first look: ``auto`` follows the reader's system.
    rank_by
        The score shown first; by default the first score of the leaderboard.

    Raises
    ------
    EvaluationError
        There is no run, or the runs are not of the same texts.
    """
    data = payload(runs, leaderboard, comparisons, agreement, topics, theme=theme, rank_by=rank_by)
    assets = files("evalkit.report.gallery") / "assets"
    style = (assets / "page.css").read_text(encoding="utf-8")
    parts = [(assets / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"
    template = (assets / "page.html").read_text(encoding="utf-8")
    filled = {"POLICY": _policy(script, style), "STYLE": style, "SCRIPT": script, "DATA": embedded(data)}
    # The template is split before anything is filled in: the data are never searched for place holders.
    write_text("".join(filled.get(piece, piece) for piece in template.split("%%")), out)


def embedded(value: Any) -> str:
    r"""Return JSON for the inside of a script element: ``<`` stands as ``\u003c``, so nothing in it is markup."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _policy(script: str, style: str) -> str:
    """Return a content security policy that lets only this very script and style run, and nothing be fetched."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    allowed = f"script-src {digest(script)}; style-src {digest(style)}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
