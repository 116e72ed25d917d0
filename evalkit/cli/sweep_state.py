"""State of the command that this process carries out: one object, between `begin` and its end."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from evalkit.report import terminal


@dataclass(slots=True)
class SweepState:
    """What Hydra's callbacks, its sweeper, the jobs and `main` know of one command."""

    full_error: bool = False  # whether unexpected errors show their traceback (HYDRA_FULL_ERROR=1)
    environment: dict[str, str] = field(default_factory=dict)  # for jobs whose launcher does not hand it on
    running: DictConfig | None = None  # the sweep that a launcher is running: Hydra ends none whose launcher fails
    new_folder: Path | None = None  # topmost folder that Hydra makes for a single run
    error: Exception | None = None  # what a single run failed with
    _warned: set[str] = field(default_factory=set)

    def warn_once(self, sentence: str) -> None:
        """Print a warning that this command has not printed yet: all jobs of a sweep meet the same trouble."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            terminal.warn(sentence)


_STATE: ContextVar[SweepState | None] = ContextVar("evalkit_sweep_state", default=None)


@contextlib.contextmanager
def begin(state: SweepState) -> Iterator[None]:
    """Make `state` the current one while a command is carried out."""
    token = _STATE.set(state)
    try:
        yield
    finally:
        _STATE.reset(token)


def current() -> SweepState | None:
    """The command's state; None in a process that a launcher started for a job."""
    return _STATE.get()
