"""What a test or script tried and what was lost: a JSON line each, from which `reliability.table` writes the page."""

from __future__ import annotations

import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path

__all__ = ["ENVIRONMENT", "NOTHING", "commit", "note"]

ENVIRONMENT = "EVALKIT_RELIABILITY"
"""Names the file that lines are appended to; where it is not set, nothing is written."""

NOTHING = "nothing"

REPOSITORY = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def commit() -> str:
    """Short hash of the checkout, with + where its files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(REPOSITORY), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "evalkit", "conf", "tests")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def note(
    part: str,
    fault: str,
    *,
    made: str,
    by: str,
    tried: int = 1,
    lost: str = NOTHING,
    found: str = "",
    seconds: float = 0,
) -> None:
    """Append a line.

    Parameters
    ----------
    part
        Section of the page: launchers, resuming, tracker, store, input, security or endurance.
    fault, made
        What goes wrong, and how that is brought about.
    by
        The test or script.
    tried
        How often.
    lost
        What was lost; `NOTHING`, or a complaint.
    found
        What else was measured, in a few words.
    """
    file = os.environ.get(ENVIRONMENT)
    if not file:
        return
    line = {
        "part": part,
        "fault": fault,
        "made": made,
        "tried": tried,
        "lost": lost,
        "found": found,
        "by": by,
        "seconds": round(seconds, 1),
        "commit": commit(),
    }
    with Path(file).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")
