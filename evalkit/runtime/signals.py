"""Stop a command on Ctrl-C or SIGTERM: in order at first, at once when asked again."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPPED = 130
"""Exit status, as a shell gives a command that Ctrl-C ended."""

KEPT = "what is done is kept, and the same command goes on from there."

WAITING = (
    "evalkit: stopping: what is being written or logged is finished first (asked once more, evalkit leaves at once)."
)
TOGETHER = 1.0  # seconds in which requests count as one: a terminal, a shell and a scheduler pass on the same one
PATIENCE = 1.0  # seconds after which the user reads what the command waits for

BOTH = (signal.SIGINT, signal.SIGTERM)


class _Postponed:
    """How many blocks that must not be torn are being carried out, and whether a stop waits for their end."""

    depth = 0
    asked = False


def _say(sentence: str) -> None:
    """Write without Python's streams: a signal's handler may have interrupted a print."""
    os.write(2, f"{sentence}\n".encode())


def leave_at_once(*_: object, sentence: str = KEPT) -> None:
    """End the process with one sentence; the handler of signals while libraries load."""
    _say(f"evalkit: stopped: {sentence}")
    os._exit(STOPPED)


def listen_early() -> None:
    """Leave with one sentence on Ctrl-C and SIGTERM from now on; signals that are ignored or handled stay so."""
    for number, untouched in zip(BOTH, (signal.default_int_handler, signal.SIG_DFL), strict=True):
        if signal.getsignal(number) is untouched:
            signal.signal(number, leave_at_once)


@contextmanager
def stoppable(
    sentence: str = KEPT, *, in_order: Callable[[], None] = lambda: None, at_once: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Answer SIGINT and SIGTERM with KeyboardInterrupt, then `in_order()`, one sentence and exit status 130.

    Where a signal comes again, more than a second later, `at_once()` is called and the process ends.
    """
    began: list[float] = []
    waiting = threading.Timer(PATIENCE, _say, [WAITING])
    waiting.daemon = True

    def stop(*_: object) -> None:
        if not began:
            began.append(time.monotonic())
            waiting.start()
            _Postponed.asked = bool(_Postponed.depth)
            if not _Postponed.asked:
                raise KeyboardInterrupt
        elif time.monotonic() - began[0] >= TOGETHER:
            at_once()
            leave_at_once(sentence=sentence)

    # A shell that starts a command in the background has SIGINT ignored: it stays so.
    heard = [number for number in BOTH if signal.getsignal(number) is not signal.SIG_IGN]
    try:
        with answered(stop, *heard):
            try:
                yield
            except KeyboardInterrupt:
                in_order()
                raise
    except KeyboardInterrupt:
        waiting.cancel()
        for number in heard:  # while the libraries end their threads, which would answer with a traceback
            signal.signal(number, lambda *_: os._exit(STOPPED))
        _say(f"evalkit: stopped: {sentence}")
        sys.exit(STOPPED)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a first Ctrl-C or SIGTERM wait for the end of the block; a second one still leaves at once."""
    _Postponed.depth += 1
    try:
        yield
    finally:
        _Postponed.depth -= 1
        if _Postponed.asked and not _Postponed.depth:
            _Postponed.asked = False
            raise KeyboardInterrupt


@contextmanager
def answered(handler: Callable[..., None] | signal.Handlers, *numbers: signal.Signals) -> Iterator[None]:
    """Let signals be answered by `handler` for a while; processes started meanwhile inherit SIG_IGN, and no other."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
