"""Assemble the gallery: one template, one style sheet, five scripts and the data in a single file.

It needs no network, no other file and no storage, so that MLflow's sandboxed viewer shows it too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit.report.gallery.data import payload
from evalkit.report.load_runs import LoadedRun
from evalkit.report.run_folder import write_text

ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})

SCRIPTS = ("state.js", "maps.js", "tables.js", "lists.js", "controls.js")


def write_gallery(
    runs: Sequence[LoadedRun], tables: Mapping[str, pd.DataFrame], *, out: Path, rank_by: str, theme: str = "auto"
) -> None:
    """Write the gallery of runs of the same texts to `out`, whole or not at all.

    The tables are those of `evalkit.report.build_report.compare`; the page notes which of them are empty. The theme is
    the page's first look: ``light``, ``dark``, or ``auto``, which follows the reader's system.
    """
    data = payload(runs, tables, theme=theme, rank_by=rank_by)
    assets = files("evalkit.report.gallery") / "assets"
    style = (assets / "page.css").read_text(encoding="utf-8")
    parts = [(assets / name).read_text(encoding="utf-8") for name in SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"
    template = (assets / "page.html").read_text(encoding="utf-8")
    filled = {"POLICY": _policy(script, style), "STYLE": style, "SCRIPT": script, "DATA": embedded(data)}
    # The template is split before anything is filled in: the data are never searched for place holders.
    write_text("".join(filled.get(piece, piece) for piece in template.split("%%")), out)


def embedded(value: Any) -> str:
    r"""Return JSON for the inside of a script element: ``<`` stands as ``\u003c``, so nothing in it is markup."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(ESCAPES)


def _policy(script: str, style: str) -> str:
    """A content security policy that lets only this very script and style run, and nothing be fetched."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    allowed = f"script-src {digest(script)}; style-src {digest(style)}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
