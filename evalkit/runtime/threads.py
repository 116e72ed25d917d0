"""How many threads the linear algebra may use: one, where the work is too little to share."""

from __future__ import annotations

import functools
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

__all__ = ["FEW_VALUES", "suitable_threads"]

FEW_VALUES = 200_000
"""Of so few numbers a second thread costs more than it helps: it waits in a loop for its share of each small product,
and on a busy machine the first one waits for it (a factorisation of 30 × 768 took 170 ms instead of 0.5)."""

LIBRARIES = ("numpy", "scipy.linalg", "faiss", "torch")
"""What brings linear algebra of its own."""


def suitable_threads(values: int) -> AbstractContextManager[Any]:
    """Within, products of few `values` run on one thread; those of many, as the process has it.

    Parameters
    ----------
    values
        Numbers in all vectors.
    """
    if values > FEW_VALUES:
        return nullcontext()
    loaded = tuple(name for name in LIBRARIES if name in sys.modules)
    return cast(AbstractContextManager[Any], _controller(loaded).limit(limits=1, user_api="blas"))


@functools.lru_cache(maxsize=4)
def _controller(loaded: tuple[str, ...]) -> Any:  # noqa: ARG001 (a library loaded since is looked for anew)
    """Knows the loaded libraries: looking for them takes 2.5 ms, setting them 0.02."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
