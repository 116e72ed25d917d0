"""Finish a sweep's runs while the next is evaluated: draw, write and log them in a second process, or log in a thread.

A small run is evaluated in less time than its pictures, files and log take, none of which the next run waits for. So a
sweep of many runs has one process beside its own that does all that; a shorter one, or a sweep whose tasks cannot be
sent to another process, has a thread that logs (a database waits some 20 ms a commit for its disk).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from evalkit.runtime.collecting import collect_seldom
from evalkit.runtime.signals import answered

__all__ = ["Behind", "Task", "behind"]

MOST = 4
"""Runs that may wait to be finished: where that is slower than the work, the work waits for it."""

WORTHWHILE = 8
"""Jobs from which on a second process is started: it loads matplotlib and MLflow, which takes some seconds."""

Task = Callable[[], Any]
Tell = Callable[[Callable[[], Any]], object]
"""Is given a function that returns a task's outcome, or raises what went wrong in it."""


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    future: Future[Any]
    task: Task
    tell: Tell
    name: str | None


class Behind:
    """One thread or process that does tasks in the order in which they were given.

    What comes of each is told in the caller's thread: some at the next `do`, the rest at `settle`.
    """

    def __init__(self) -> None:
        self._executor: Executor | None = None
        self._under_way: deque[_UnderWay] = deque()
        self._prepared: set[str] = set()

    @property
    def apart(self) -> bool:
        """Whether tasks are done in another process: they and their outcomes must then be picklable."""
        return isinstance(self._executor, ProcessPoolExecutor)

    @property
    def waiting(self) -> int:
        """Tasks that are not done yet."""
        return sum(not each.future.done() for each in self._under_way)

    def begin(self, jobs: int) -> None:
        """Start a process for a sweep of so many jobs, where that is worthwhile."""
        self.end()
        if jobs < WORTHWHILE or _cores() < 2 or threading.current_thread() is not threading.main_thread():
            return
        import multiprocessing

        # Not forked: torch and numba have threads here, and locks that a copy would find held.
        context = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(1, mp_context=context, initializer=_arrive)
        # It ignores what stops the sweep: it is told to stop by the sweep's own process.
        with answered(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):
            self._executor.submit(os.getpid)

    def prepare(self, load: Task, name: str) -> None:
        """Let the process do `load` (of a function at the top of a module) before what comes next; once a process.

        Parameters
        ----------
        name
            By which it is known that it was asked for.
        """
        if self.apart and self._executor is not None and name not in self._prepared:
            self._prepared.add(name)
            with contextlib.suppress(BrokenProcessPool):
                self._executor.submit(load)

    def do(self, task: Task, tell: Tell, *, name: str | None = None, most: int = MOST) -> None:
        """Do `task` behind and let `tell` have its result, by a function that returns or raises it.

        In a thread the first is done at once: it imports the tracking library, which two threads must not do between
        them, and whoever has no tracker in reach hears of it with the first run.

        Parameters
        ----------
        name
            By which `wait_for` knows it.
        most
            Tasks that may be under way besides it; else it waits for the first of them.
        """
        if self._executor is None:
            tell(task)
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="evalkit-behind")
            return
        while self._under_way and (len(self._under_way) >= most or self._under_way[0].future.done()):
            self._tell()
        try:
            future = self._executor.submit(task)
        except BrokenProcessPool:
            self._lose()
            tell(task)
            return
        self._under_way.append(_UnderWay(future, task, tell, name))

    def wait_for(self, name: str) -> None:
        """Wait until the task of that name, if it is under way, is done and told."""
        while any(each.name == name for each in self._under_way):
            self._tell()

    def ask(self, task: Task) -> Any:
        """Do `task` after all others and return its result: in the process, where there is one, else here."""
        self.settle()
        if not self.apart:
            return task()
        assert self._executor is not None
        try:
            return self._executor.submit(task).result()
        except BrokenProcessPool:
            self._lose()
            return task()

    def settle(self) -> None:
        """Wait until everything is done and told."""
        while self._under_way:
            self._tell()

    def drop(self) -> None:
        """Do no more than what is being done now: somebody stopped the sweep."""
        while self._under_way:
            self._under_way.pop().future.cancel()
        self.end()

    def end(self) -> None:
        """Settle, and let the thread or process go."""
        self.settle()
        if self._executor is None:
            return
        if self.apart:
            with contextlib.suppress(BrokenProcessPool):
                self._executor.submit(_leave).exception()
        self._executor.shutdown(cancel_futures=True)
        self._forget()

    def abandon(self) -> None:
        """Let the process go at once: the sweep that it was started for is refused."""
        if isinstance(self._executor, ProcessPoolExecutor):
            for process in (self._executor._processes or {}).values():
                process.kill()
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._forget()

    def _forget(self) -> None:
        self._executor = None
        self._prepared.clear()

    def _tell(self) -> None:
        first = self._under_way.popleft()
        try:
            first.future.exception()
        except BaseException:
            self._under_way.appendleft(first)  # somebody stopped the wait, not the task
            raise
        if isinstance(first.future.exception(), BrokenProcessPool):
            # Killed, as by a machine out of memory: this process does what that one had left.
            self._lose()
            first.tell(first.task)
        else:
            first.tell(first.future.result)

    def _lose(self) -> None:
        """Go on in a thread."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="evalkit-behind")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _leave() -> None:
    """End this process, which has written everything: unloading its libraries would take another second."""
    os._exit(0)


def _arrive() -> None:
    """End with the sweep's process, however that ends: nobody else would tell this one."""
    from multiprocessing import connection, parent_process

    collect_seldom()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, name="evalkit-parent", daemon=True).start()


behind = Behind()
"""This process' own."""
