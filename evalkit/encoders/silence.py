"""Keep the libraries that load models from writing to the terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("huggingface_hub", "sentence_transformers", "transformers", "httpx", "httpx2", "filelock")


@contextmanager
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Suppress warnings, log lines below ERROR and, without `bars`, huggingface_hub's progress bars; restore them."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    hide = not bars and not are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for name in LOGGERS:
                logging.getLogger(name).setLevel(logging.ERROR)
            if hide:
                disable_progress_bars()
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            if hide:
                enable_progress_bars()
