"""One browser for all tests: playwright allows one driver a process."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed, so no page can be opened"
    )
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(chromium).exists():
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium), so the page cannot be looked at")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()
