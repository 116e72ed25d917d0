"""gallery.html: all maps, scores and neighbour lists of a sweep in one self-contained file.

The page needs no network, no other file and no storage, so it opens from disk and in MLflow's sandboxed viewer.
"""

from evalkit.report.gallery.page import write

__all__ = ["write"]
