"""A real sweep in a process of its own, ended by a signal at a moment or in a phase."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

WATCHED = Path(__file__).with_name("watched.py")


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int  # minus the signal's number where that ended it
    out: str
    err: str
    struck: str | None  # what it was at when the signal hit; None where it came to its end before
    seconds: float
    seen: dict[str, int]  # how often it was seen in each phase


def strike(
    folder: Path,
    arguments: list[str],
    environment: dict[str, str],
    how: signal.Signals | None = None,
    *,
    phase: str | None = None,
    looks: int = 0,
    after: float | None = None,
    within: float = 400.0,
) -> Ended:
    """Start the command; send its process group the signal after `looks` looks into `phase`, or `after` seconds."""
    looking, struck_file = folder / "looking.json", folder / "looking.struck"
    for stale in (looking, struck_file):
        stale.unlink(missing_ok=True)
    spec = {"file": str(looking), "phase": phase, "looks": looks, "signal": int(how or 0)}
    with (folder / ".out").open("w+b") as out, (folder / ".err").open("w+b") as err:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(WATCHED), json.dumps(spec), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        struck = None
        try:
            process.wait(timeout=within if after is None else after)
        except subprocess.TimeoutExpired:
            if after is None:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            struck = _here(looking)[0]
            os.killpg(process.pid, how or signal.SIGKILL)
        try:
            status = process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        seconds = time.monotonic() - began
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode("utf-8", "replace"))
    if struck_file.is_file():
        struck = phase
    return Ended(status, said[0], said[1], struck, seconds, _here(looking)[1])


def _here(file: Path) -> tuple[str, dict[str, int]]:
    """What the process was at when it was looked at last, and how often it was seen where."""
    if not file.is_file():
        return "starting", {}
    looked = json.loads(file.read_text(encoding="ascii"))
    return looked["here"], looked["seen"]
