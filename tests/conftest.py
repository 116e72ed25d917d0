"""Fixtures that every test may use."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # a busy machine is not a fault
settings.load_profile("no deadline")
pytest_plugins = ["browser_fixtures", "command_fixtures", "hub_fixtures", "reliability_fixtures"]

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Hear Ctrl-C, and let what tests start hear it, even where a shell in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """../shared/data (or EVALKIT_SHARED/data); tests that need it skip where it is missing."""
    folder = Path(os.environ.get("EVALKIT_SHARED", REPOSITORY.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"the real texts are not here: {folder} is no folder (set EVALKIT_SHARED)")
    return folder
