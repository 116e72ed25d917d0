"""Log a sweep's finished runs while the next is evaluated: a database waits some 20 ms a commit for its disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from evalkit.trackers import LoggedRun, TrackerTrouble

__all__ = ["Behind", "behind"]

MOST = 4
"""Runs that may wait to be logged: where the tracker is slower than the work, the work waits for it."""

Outcome = LoggedRun | TrackerTrouble | None


class Behind:
    """One thread that logs runs in the order in which they finished.

    What comes of each is told in the caller's thread: some at the next `log`, the rest at `settle`.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: deque[tuple[Future[Outcome], Callable[[Callable[[], Outcome]], None]]] = deque()

    def log(self, work: Callable[[], Outcome], tell: Callable[[Callable[[], Outcome]], None]) -> None:
        """Do `work` in the thread and let `tell` have its result, by a function that returns or raises it.

        The first is done at once: it imports the tracking library, which two threads must not do between them,
        and whoever has no tracker in reach hears of it with the first run.
        """
        if self._thread is None:
            tell(work)
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="evalkit-tracker")
            return
        while self._under_way and (len(self._under_way) >= MOST or self._under_way[0][0].done()):
            self._tell()
        self._under_way.append((self._thread.submit(work), tell))

    def settle(self) -> None:
        """Wait until everything is logged and told."""
        while self._under_way:
            self._tell()

    def drop(self) -> None:
        """Log no more than what is being logged now: somebody stopped the process."""
        while self._under_way:
            self._under_way.pop()[0].cancel()

    def _tell(self) -> None:
        logged, tell = self._under_way.popleft()
        tell(logged.result)


behind = Behind()
"""This process' own."""
