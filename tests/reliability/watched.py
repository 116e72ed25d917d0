"""`python watched.py SPEC OVERRIDE…`: the command `evalkit`, watched by a thread that can strike in a given phase.

SPEC is JSON: ``file`` gets the phase seen last; ``signal`` is sent at the look after ``looks`` others into ``phase``.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

LOOK_SECONDS = 0.02

RULES = (
    ("logging", r"evalkit/tracking/mlflow_runs\.py"),
    ("opening MLflow", r"evalkit/tracking/"),
    ("closing", r"evalkit/(cli/sweep_summary|report/(__main__|leaderboard\w*|gallery/\w+))\.py"),
    ("downloading", r"huggingface_hub/|evalkit/encoders/hub_client\.py"),
    ("writing", r"evalkit/(report/run_folder|records|plots/\w+)\.py|evalkit/store/"),
    ("encoding", r"evalkit/encoders/(batching|pooling)\.py"),
    ("loading", r"evalkit/encoders/|sentence_transformers/|transformers/"),
    ("projecting", r"evalkit/(projections/|pipeline/project\.py)"),
    ("scoring", r"evalkit/(metrics|stats|neighbours|pipeline)/"),
    ("planning", r"evalkit/(cli/(sweep_plan|jobs)|config/|datasets/)"),
)
"""What the process is at, by the files in its stack: the first rule that fits any of them."""


def phase_of(frame: FrameType | None) -> str:
    """What the main thread is at; "starting" before, and between, anything of evalkit's own."""
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    stack = "\n".join(files)
    return next((name for name, pattern in RULES if re.search(pattern, stack)), "starting")


def watch(spec: dict[str, object], main: int) -> None:
    """Look, note, strike."""
    seen: Counter[str] = Counter()
    file = Path(str(spec["file"]))
    beside = file.with_name(f"{file.name}.new")
    while True:
        here = phase_of(sys._current_frames().get(main))
        seen[here] += 1
        beside.write_text(json.dumps({"here": here, "seen": seen}), encoding="ascii")
        beside.replace(file)
        if here == spec.get("phase") and seen[here] > int(str(spec["looks"])):
            file.with_suffix(".struck").touch()
            os.killpg(0, int(str(spec["signal"])))
            return
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.path[0] = ""
    # A shell that starts this in the background has SIGINT ignored, which is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = json.loads(sys.argv[1])
    threading.Thread(target=watch, args=(asked, threading.main_thread().ident), daemon=True).start()
    sys.argv = ["evalkit", *sys.argv[2:]]
    runpy.run_module("evalkit.run", run_name="__main__", alter_sys=True)
