"""Stop a sweep that somebody asked to stop: in order at first, at once where they insist."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

__all__ = ["KEPT", "STOPPED", "Stops", "answered", "leave_at_once", "listen_early", "outlast", "plainly"]

STOPPED = 130
"""Exit status, as a shell gives a command that Ctrl-C ended."""

KEPT = "evalkit: stopped: what is done is kept, and the same command goes on from there."

WAITING = (
    "evalkit: stopping: what is being written or logged is finished first (asked once more, evalkit leaves at once)."
)

TOGETHER = 1.0
"""Seconds in which requests count as one: a terminal, a shell and a scheduler each pass on the same one."""

PATIENCE = 1.0
"""Seconds after which whoever waits for the end is told why."""


def _say(sentence: str) -> None:
    """Also from a signal's handler, which may have interrupted a print."""
    os.write(2, f"{sentence}\n".encode())


def leave_at_once(*_: object) -> None:
    """Handle a signal while libraries load: nothing has begun yet, and a traceback would only frighten."""
    _say(KEPT)
    os._exit(STOPPED)


def listen_early() -> None:
    """Leave with one sentence on Ctrl-C and SIGTERM from now on; signals that are ignored or handled stay so."""
    for number, untouched in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is untouched:
            signal.signal(number, leave_at_once)


class Stops:
    """Handles SIGINT and SIGTERM: raises KeyboardInterrupt, once for all requests that come together."""

    def __init__(self) -> None:
        self._asked = float("-inf")

    def listen(self) -> None:
        """Handle both from now on; SIGINT not where a shell in the background has it ignored."""
        signal.signal(signal.SIGTERM, self.ask)
        if callable(signal.getsignal(signal.SIGINT)):
            signal.signal(signal.SIGINT, self.ask)

    def ask(self, *_: object) -> None:
        """Stop what the main thread does.

        Raises
        ------
        KeyboardInterrupt
            Unless that was asked for a moment ago.
        """
        now = time.monotonic()
        if now - self._asked < TOGETHER:
            return
        self._asked = now
        raise KeyboardInterrupt

    def close(self, in_order: Callable[[], None], at_once: Callable[[], None]) -> None:
        """Do `in_order` what is left to do after a stop; where somebody asks again meanwhile, `at_once`, and leave."""
        waiting = threading.Timer(PATIENCE, _say, [WAITING])
        waiting.daemon = True
        try:
            waiting.start()
            in_order()
        except KeyboardInterrupt:
            at_once()
            leave_at_once()
        waiting.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)  # the libraries' own leave-taking would answer with a traceback


def _end(*_: object) -> None:
    os._exit(STOPPED)


@contextmanager
def answered(handler: Callable[..., None] | signal.Handlers, *numbers: signal.Signals) -> Iterator[None]:
    """Let signals be answered by `handler` for a while; processes started meanwhile inherit SIG_IGN, and no other."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def plainly(sentence: str) -> Iterator[None]:
    """Answer Ctrl-C with one sentence and status 130."""
    try:
        yield
    except KeyboardInterrupt:
        _say(f"evalkit: stopped: {sentence}")
        sys.exit(STOPPED)


def outlast(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command that stops in order by itself, and wait for it even where this process is asked to stop.

    Returns
    -------
    int
        Its exit status.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _: object) -> None:
        # Ctrl-C reaches the command as well: it is in the same group. `subprocess.run` would kill it 0.25 s later.
        if number == signal.SIGINT:
            return
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    with answered(pass_on, *heard):
        process = subprocess.Popen(command, env=environment)
        for number in early:  # it came while the command was being started
            process.send_signal(number)
        return process.wait()
