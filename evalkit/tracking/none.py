"""The tracker that logs nothing: `tracker=none`."""

from __future__ import annotations

from typing import Any

__all__ = ["NoTracker"]


class NoTracker:
    """Leaves results in their folders; `python -m evalkit.sync` can log them later."""

    def log_run(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    def log_sweep(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    def address(self) -> str:
        """Return no address."""
        return ""

    def command(self) -> str:
        """Return no command."""
        return ""

    def link(self, *_: Any, **__: Any) -> str:
        """Return no address."""
        return ""
