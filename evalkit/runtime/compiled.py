"""Compile loops with numba, cached on disk: once a machine, not once a process."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` at its first call, without the interpreter's lock; floating-point sums may be re-ordered.

    The machine code is cached beside the module or, where that is read-only, in the user's cache folder
    (NUMBA_CACHE_DIR overrides both).
    """
    return _compile(function, fastmath=True)


def compiled_exactly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` as `compiled` does, but with every sum in its written order and numpy's division by zero."""
    return _compile(function, error_model="numpy")


def _compile(function: Function, **options: Any) -> Function:
    try:
        return cast(Function, numba.njit(cache=True, nogil=True, **options)(function))
    except RuntimeError:  # numba: no locator available, that is, neither place can be written to
        return cast(Function, numba.njit(nogil=True, **options)(function))
