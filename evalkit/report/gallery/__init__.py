"""gallery.html: all maps, scores and neighbour lists of a sweep in one file that works anywhere.

`write` takes what the report has (records, texts, and the four tables) and makes one self-contained page:
no network, no sibling file, no storage, so that it opens from disk and in MLflow's sandboxed viewer alike.
"""

from __future__ import annotations

from evalkit.report.gallery.page import write

__all__ = ["write"]
