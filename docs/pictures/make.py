"""Make the README's pictures and leaderboard: python docs/pictures/make.py (needs a Chromium for the gallery's)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parent.parent / "README.md"
START, END = "<!-- leaderboard: written by docs/pictures/make.py -->", "<!-- end of the leaderboard -->"


def main() -> None:
    with tempfile.TemporaryDirectory() as room:
        command = [sys.executable, "-m", "evalkit.run", "-m", "model=minilm,tfidf,random", "hydra.sweep.dir=sweep"]
        done = subprocess.run([*command, "tracker=none"], cwd=room, check=True, capture_output=True, text=True)
        sweep = Path(room, "sweep")
        shutil.copyfile(sweep / "0" / "map.png", HERE / "map.png")
        shoot(sweep / "gallery.html", HERE / "gallery.png")
    table = re.search(r"\n(topics: .*?)\ngallery: ", done.stdout, re.DOTALL)
    assert table is not None, done.stdout
    shown = "\n".join(line.rstrip() for line in table.group(1).splitlines())
    text = README.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    README.write_text(f"{before}{START}\n```text\n{shown}\n```\n{END}{after}", encoding="utf-8")


def shoot(page: Path, picture: Path) -> None:
    """A screenshot of the gallery's upper part."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        view = browser.new_page(viewport={"width": 1400, "height": 1180}, color_scheme="light")
        view.goto(page.as_uri())
        view.wait_for_selector("#maps figure")
        view.wait_for_timeout(500)
        view.screenshot(path=str(picture))
        browser.close()


if __name__ == "__main__":
    main()
