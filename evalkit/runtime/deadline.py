"""A call that is given up after a while."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def call_within(seconds: float, function: Callable[[], Result]) -> Result:
    """Result of `function()`, which runs in a daemon thread; what it raises is raised here.

    For calls whose own timeouts are not enough: the resolution of a host name has none. After `seconds` TimeoutError is
    raised; the thread is left to itself and ends with the process at the latest.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001  # raised in the waiting thread
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(seconds)
