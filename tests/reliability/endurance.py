"""Many runs in one sweep over seeds: memory, open files and figures, sampled by a Hydra callback as the runs go by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

JITTER = 16.0
"""Megabytes that come and go with the allocator's arenas, however many runs there were: 387 to 397 in 60 runs here."""

MEMORY_BOUND = 0.1
"""Megabytes a run that memory may grow by after the first runs, which load libraries and fill caches."""

OBJECTS_BOUND = 50
"""Objects a run that the garbage collector may have more to look after."""

WARM = 0.2
"""Share of the runs that counts as the first."""


class Sampler(Callback):
    """Writes a line about this process after every `every` runs."""

    def __init__(self, out: str, every: int) -> None:
        self.out, self.every, self.runs = Path(out), every, 0

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        import gc

        import matplotlib.pyplot
        import psutil

        self.runs += 1
        if self.runs % self.every:
            return
        gc.collect()  # else up to 20 MB more or less from one sample to the next
        own = psutil.Process()
        line = {
            "runs": self.runs,
            "megabytes": own.memory_info().rss / 2**20,
            "handles": own.num_fds(),
            "threads": own.num_threads(),
            "figures": len(matplotlib.pyplot.get_fignums()),
            "objects": len(gc.get_objects()),
        }
        with self.out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class Outcome:
    """The samples of one process, oldest first, and how the command ended."""

    samples: list[dict[str, float]]
    status: int
    records: int

    @property
    def warm(self) -> dict[str, float]:
        """The first sample after the first runs."""
        last = self.samples[-1]["runs"]
        return next(sample for sample in self.samples if sample["runs"] >= WARM * last)

    def growth(self, what: str) -> float:
        """How much more there is at the end than after the first runs."""
        return self.samples[-1][what] - self.warm[what]

    @property
    def megabytes_a_run(self) -> float:
        return self.growth("megabytes") / (self.samples[-1]["runs"] - self.warm["runs"])

    def seen(self) -> str:
        """The figures after the first runs and at the end."""
        last = self.samples[-1]
        return f"from run {self.warm['runs']:.0f} to {last['runs']:.0f}: " + ", ".join(
            f"{name} {self.warm[name]:.0f} → {last[name]:.0f}" for name in last if name != "runs"
        )

    def complaints(self) -> list[str]:
        """What is not as it should be."""
        found = []
        if self.status != 0 or self.records != self.samples[-1]["runs"]:
            found.append(f"status {self.status}, {self.records} records")
        if self.growth("megabytes") > JITTER + MEMORY_BOUND * (self.samples[-1]["runs"] - self.warm["runs"]):
            found.append(f"memory grew by {self.megabytes_a_run:.2f} MB a run")
        if self.growth("objects") > OBJECTS_BOUND * (self.samples[-1]["runs"] - self.warm["runs"]):
            found.append(f"{self.growth('objects'):+.0f} objects")
        grown = [name for name in ("handles", "threads", "figures") if self.growth(name) > 0]
        return found + [f"{self.growth(name):+.0f} {name}" for name in grown]


def run(folder: Path, runs: int, *options: str, every: int = 25) -> Outcome:
    """Sweep over `runs` seeds in a process of its own."""
    out = folder / "samples.jsonl"
    command = [
        sys.executable, "-m", "evalkit.run", "-m", "model=random", "projection=pca", f"seed=range(0,{runs})",
        "evaluators=[neighbours,map,hulls]", "hydra.sweep.dir=sweep", "store=store", *options,
        "+hydra.callbacks.endurance._target_=reliability.endurance.Sampler",
        f"+hydra.callbacks.endurance.out={out}", f"+hydra.callbacks.endurance.every={every}",
    ]  # fmt: skip
    tests = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "MPLBACKEND": "agg"}
    environment.pop("PYTEST_CURRENT_TEST", None)
    done = subprocess.run(command, check=False, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    samples = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    records = len(list((folder / "sweep").glob("*/record.json")))
    return Outcome(samples, done.returncode, records)
