"""evalkit: which embedding model to use for one's own texts, and how sure one can be."""

from typing import TYPE_CHECKING, Any

from evalkit.version import __version__

if TYPE_CHECKING:
    from evalkit.api import Scores, evaluate

__all__ = ["Scores", "__version__", "evaluate"]


def __getattr__(name: str) -> Any:
    # Late, because `python -m evalkit.run --help` should not wait for numpy.
    if name in {"Scores", "evaluate"}:
        from evalkit import api as arrays

        return getattr(arrays, name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
