"""Puts the gallery together: one template, one style sheet, five scripts and the data in a single file."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evalkit.report.gallery.data import payload
from evalkit.report.gallery.json_packing import embedded
from evalkit.report.load_runs import RunView

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write"]

_SCRIPTS = ("state.js", "maps.js", "tables.js", "lists.js", "controls.js")


def write(
    runs: Sequence[RunView],
    leaderboard: pd.DataFrame,
    comparisons: pd.DataFrame,
    agreement: pd.DataFrame,
    topics: pd.DataFrame,
    *,
    out: Path,
    theme: Literal["auto", "light", "dark"] = "auto",
    rank_by: str | None = None,
) -> None:
    """Write the gallery of a sweep to `out`.

    Any of the four tables may be empty, and columns may be missing: what is not there is not shown, and the page
    says so.

    Parameters
    ----------
    runs
        At least one run; all of the same texts in the same order.
    leaderboard
        A row a model × pooling: ``rank``, ``tied_with`` (names, comma-separated), ``model``, ``pooling``, and for each
        score ``<name>`` with ``<name>.chance``, ``.ci_low``, ``.ci_high``, ``.adjusted``;
        ``texts_per_second``, ``dimension``, ``parameters``, ``bytes_per_text``.
    comparisons
        A row a pair of models within a score and pooling: ``score``, ``pooling``, ``model_a``, ``model_b``,
        ``difference`` (a − b), ``ci_low``, ``ci_high``, ``p_value``, ``p_holm``, ``verdict``.
    agreement
        A row a pair of embeddings: ``model_a``, ``pooling_a``, ``model_b``, ``pooling_b``, ``cka``, ``cka_chance``,
        ``cka_p``, ``overlap``, ``overlap_chance``, ``overlap_p``.
    topics
        A row a topic and one that was its nearest: ``topic``, ``nearest``, ``share`` (of runs), ``mutual_share``,
        ``p_value``.
    out
        The file to write; replaced whole or not at all.
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
    pieces = []
    for piece in template.split("%%"):  # the data are never searched for place holders
        pieces.append(filled.get(piece, piece))
    _replace(out, "".join(pieces))


def _policy(script: str, style: str) -> str:
    """Return a content security policy that lets only this very script and style run, and nothing be fetched."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    allowed = f"script-src {digest(script)}; style-src {digest(style)}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _replace(out: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
