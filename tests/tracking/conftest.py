from __future__ import annotations

import pytest
from tracker_fixtures import disk_store, ended, plain_tracking, run_folder, serve, small_disk, store, template_store

__all__ = ["disk_store", "ended", "plain_tracking", "run_folder", "serve", "small_disk", "store", "template_store"]


@pytest.fixture(autouse=True)
def _plain(plain_tracking: None) -> None:
    """Every test begins without tracking settings and without troubles remembered."""
