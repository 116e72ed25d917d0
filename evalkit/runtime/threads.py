"""Number of threads of the linear algebra: one for small products."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

FEW_VALUES = 200_000
"""Numbers up to which a second thread costs more than it helps. It waits in a loop for its share of each small product,
and on a busy machine the first one waits for it: a factorisation of 30 × 768 took 170 ms instead of 0.5."""


def suitable_threads(values: int) -> AbstractContextManager[Any]:
    """Context in which products of up to `FEW_VALUES` numbers run on one thread; larger ones as the process has it."""
    if values > FEW_VALUES:
        return nullcontext()
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return cast(AbstractContextManager[Any], threadpool_limits(limits=1, user_api="blas"))
