"""How often Python looks for reference cycles: seldom, for the libraries alone are a million objects to look at."""

from __future__ import annotations

import gc

__all__ = ["collect_seldom"]

THRESHOLDS = (10_000, 10, 10)
"""Python's own are (700, 10, 10): with torch and transformers loaded, a sweep of 24 small runs spent 2.1 s of 17 in ten
whole collections, and spends 1.0 s so. What is in no cycle is freed at once all the same."""


def collect_seldom() -> None:
    """Let this process, which is one of evalkit's own, look for cycles less often."""
    gc.set_threshold(*THRESHOLDS)
