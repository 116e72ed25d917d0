"""The tracker that tracks nothing: `tracker=none`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evalkit.tracking import RunContext
from evalkit.types import Record

__all__ = ["NoTracker"]


class NoTracker:
    """Results stay in their folders; `python -m evalkit.sync` can log them later."""

    def log_run(self, record: Record, folder: Path, context: RunContext) -> None:  # noqa: ARG002
        """Do nothing."""
        return

    def log_sweep(self, sweep: str, folder: Path, summary: Mapping[str, Any], context: RunContext) -> None:  # noqa: ARG002
        """Do nothing."""
        return

    def find_finished(self, identities: Iterable[str]) -> dict[str, str]:  # noqa: ARG002
        """Nothing stands anywhere."""
        return {}

    def address(self) -> str:
        """There is no page to open."""
        return ""

    def command(self) -> str:
        """There is no server to start."""
        return ""

    def link(self, run_id: str) -> str:  # noqa: ARG002
        """There is no page of a run."""
        return ""
