"""The tracker protocol, and what a tracker receives besides the record.

A tracker reads a `Record` and its folder's files; out of reach, it costs a warning and a later `evalkit.sync`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from evalkit.errors import EvaluationError
from evalkit.types import Record


class TrackerUnavailable(EvaluationError):
    """The tracker is out of reach or refused the request; the record on disk is complete."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """Properties of a run that do not determine its result."""

    sweep: str | None = None  # the sweep's id (`sweep_identity`); None outside a sweep
    sweep_name: str | None = None  # for people: the study's name, or its folder's
    dvc_experiment: str | None = None  # DVC_EXP_NAME, where DVC runs the evaluation
    git_commit: str | None = None  # around the run; None keeps the value of the record's environment
    git_dirty: bool | None = None  # likewise
    log_texts: bool = True  # False keeps texts out of the tracker (see `evalkit.tracking.artifacts`)
    sync_folder: Path | None = None  # named in the advice to run `python -m evalkit.sync`; None means the run's own


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A run that is FINISHED in the tracker; ``new`` is False where it was there before."""

    run_id: str
    link: str
    new: bool


@dataclass(frozen=True, slots=True)
class TrackerTrouble:
    """Why nothing was logged: one sentence for the terminal, with the command that logs it later."""

    sentence: str


class Tracker(Protocol):
    """Logs finished runs."""

    def log_run(self, record: Record, folder: Path, context: RunContext) -> LoggedRun | TrackerTrouble | None:
        """Log a finished run, unless its identity is FINISHED in the tracker.

        None where nothing is tracked; `TrackerTrouble` (never an exception) where the tracker is out of reach.
        """

    def log_sweep(
        self, sweep: str, folder: Path, summary: Mapping[str, Any], context: RunContext
    ) -> LoggedRun | TrackerTrouble | None:
        """Log or update the run `sweep` with the files of the sweep's folder."""

    def address(self) -> str:
        """Address to open in a browser; empty where there is none."""

    def command(self) -> str:
        """Command that starts the server behind `address`; empty where none is needed."""

    def link(self, run_id: str) -> str:
        """Address of one run."""


def sweep_identity(identities: Iterable[str]) -> str:
    """Hash of a sweep's distinct identities in any order (16 hex digits)."""
    return hashlib.sha256("\n".join(sorted(set(identities))).encode()).hexdigest()[:16]
