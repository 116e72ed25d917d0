"""Silence for libraries that report their loading, downloading and guessing on the terminal."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_telemetry", "quiet"]

NOISY = ("huggingface_hub", "sentence_transformers", "transformers", "httpx", "httpx2", "filelock")


def no_telemetry() -> None:
    """Tell huggingface_hub not to report; must come before its first import, and mends a later one."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:
        constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block the libraries neither warn, nor log below an error, nor draw weight-loading bars.

    What they would have said about a broken checkpoint arrives as an exception; everything is set back after.
    """
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bars = _loading_bars_off()
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if bars:
                _loading_bars_on()


def _loading_bars_off() -> bool:
    """Switch transformers' bars off where it is imported already; whether they were on."""
    if "transformers.utils.logging" not in sys.modules:
        return False
    from transformers.utils import logging as transformers_logging

    was_on = bool(transformers_logging.is_progress_bar_enabled())
    transformers_logging.disable_progress_bar()
    return was_on


def _loading_bars_on() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.enable_progress_bar()
