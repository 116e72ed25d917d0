"""Sweeps under Hydra's launchers, each a process of its own as a user starts it, and what they left."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect

import psutil
import pytest
from slurm import one_node

from evalkit.cli.study import _lasting
from evalkit.config.launchers import EXTRAS

TIMED = ("texts_per_second",)

SLURM = ("hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=4", "hydra.launcher.timeout_min=10")
"""What a job may ask of the cluster of one node."""


def needs_extra(launcher: str) -> None:
    module = {"joblib": "joblib", "ray": "ray"}.get(launcher, "submitit")
    if not importlib.util.find_spec("hydra_plugins") or not importlib.util.find_spec(
        f"hydra_plugins.hydra_{module}_launcher"
    ):
        pytest.skip(f"needs evalkit[{EXTRAS[launcher]}]")


def left_over(folder: Path) -> set[str]:
    """Commands of processes that still work in `folder` or below: no launcher may leave any behind."""
    found = set()
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            within = Path(process.cwd()).is_relative_to(folder)
        except (psutil.Error, OSError):
            continue
        if within and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.add(f"{process.pid} {' '.join(process.info['cmdline'] or [])[:80]}")
    return found


def assert_nothing_is_left_over(folder: Path, seconds: float = 30.0) -> None:
    """Soon: Ray's dashboard ends a second or two after the sweep that started it."""
    wait_for(lambda: left_over(folder) == set(), seconds, lambda: str(left_over(folder)))


def wait_for(
    what: Callable[[], object], seconds: float = 240.0, instead: Callable[[], str] = lambda: "nothing came of it"
) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, instead()
        time.sleep(0.2)


class Sweep:
    """One sweep in a folder of its own, as a user runs it."""

    def __init__(
        self, folder: Path, *arguments: str, environment: dict[str, str] | None = None, group: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evalkit.run", *arguments],
            cwd=folder,
            # Ray's workers are polite (nice 15): beside other tests they would get next to nothing. joblib gives each
            # process its share of the threads, and the last bits of a float32 product depend on their number.
            env=os.environ
            | {"COLUMNS": "160", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
            | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=group,  # as a shell's job has: Ctrl-C goes to all of it
        )

    def end(self, status: int = 0) -> Sweep:
        """Wait for the end, which is to be in order."""
        try:
            self.out, self.err = self.process.communicate(timeout=900)
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise
        assert self.process.returncode == status, self.err
        assert "Traceback" not in self.err
        return self

    @property
    def records(self) -> dict[str, dict]:
        """Job number → its record, without times and machine, figures to ten decimals."""
        files = (self.folder / "sweep").glob("*/record.json")
        return {file.parent.name: _lasting(json.loads(file.read_text(encoding="utf-8"))) for file in files}

    @property
    def by_identity(self) -> dict[str, dict]:
        """The same by identity; jobs that come to one identity hold one record."""
        files = {file.parent.name: file for file in (self.folder / "sweep").glob("*/record.json")}
        return {json.loads(files[job].read_text(encoding="utf-8"))["identity"]: self.records[job] for job in files}

    @property
    def identities(self) -> set[str]:
        return set(json.loads((self.folder / "sweep" / "sweep.json").read_text())["identities"])

    @property
    def board(self) -> str:
        """leaderboard.csv as it stands, without the column of times."""
        lines = (self.folder / "sweep" / "leaderboard.csv").read_text(encoding="utf-8").splitlines()
        heads = lines[0].split(",")
        kept = [number for number, head in enumerate(heads) if head not in TIMED]
        return "\n".join(",".join(line.split(",")[number] for number in kept) for line in lines)


def runs_in(database: Path) -> list[tuple[str, str]]:
    """(identity, or "sweep"; status) of every run that is not deleted."""
    query = """
        select coalesce((select value from tags where tags.run_uuid = runs.run_uuid and key = 'evalkit.identity'),
                        name), status from runs where lifecycle_stage = 'active'"""
    with closing(connect(database)) as connection:
        return [(str(identity), str(status)) for identity, status in connection.execute(query)]


def assert_every_identity_is_finished_once(database: Path, identities: set[str]) -> None:
    assert sorted(runs_in(database)) == sorted([*((name, "FINISHED") for name in identities), ("sweep", "FINISHED")])


@contextmanager
def short_room(name: str) -> Iterator[Path]:
    """A folder for sockets, whose paths may have 107 characters: pytest's folders are too deep."""
    room = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def needs_slurm() -> None:
    needs_extra("submitit_slurm")
    if one_node.absent():
        pytest.skip("Slurm is not installed: apt-get install slurm-wlm munge")
