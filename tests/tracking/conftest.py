from __future__ import annotations

import pytest
from tracker_fixtures import plain_tracking, run_folder, serve, store, template_store

__all__ = ["plain_tracking", "run_folder", "serve", "store", "template_store"]


@pytest.fixture(autouse=True)
def _plain(plain_tracking: None) -> None:
    """Every test begins without tracking settings and without troubles remembered."""
