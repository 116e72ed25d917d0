"""evalkit: which embedding model to use for one's own texts, and how sure one can be."""

from evalkit.version import __version__

__all__ = ["__version__"]
