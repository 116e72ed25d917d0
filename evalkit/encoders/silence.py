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
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Within the block the libraries neither warn, nor log below an error, nor draw bars of their own.

    What they would have said about a broken checkpoint arrives as an exception; everything is set back after.

    Parameters
    ----------
    bars
        True leaves their bars as they are: those of large downloads are worth seeing.
    """
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawing = not bars and _bars_off()
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if drawing:
                _bars_on()


def _bars_off() -> bool:
    """Switch the bars of huggingface_hub and transformers off, where imported; whether any was on."""
    was_on = False
    if "huggingface_hub" in sys.modules:
        from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars

        was_on = not are_progress_bars_disabled()
        disable_progress_bars()
    if "transformers.utils.logging" in sys.modules:
        from transformers.utils import logging as transformers_logging

        was_on = was_on or bool(transformers_logging.is_progress_bar_enabled())
        transformers_logging.disable_progress_bar()
    return was_on


def _bars_on() -> None:
    if "huggingface_hub" in sys.modules:
        from huggingface_hub.utils.tqdm import enable_progress_bars

        enable_progress_bars()
    if "transformers.utils.logging" in sys.modules:
        from transformers.utils import logging as transformers_logging

        transformers_logging.enable_progress_bar()
