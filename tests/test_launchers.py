"""The same sweep under every launcher: same records, same leaderboard, nothing lost."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from evalkit.launchers import EXTRAS, Carried
from evalkit.study import _lasting

SWEEP = ("-m", "model=tfidf,random,minilm", "projection=pca", "seed=0,1", "hydra.sweep.dir=sweep")
QUICK = ("projection=pca", "evaluators=[neighbours]")
JOBS = 6
LAUNCHERS = ("joblib", "submitit_local", "ray")
TIMED = ("texts_per_second",)


def installed(launcher: str) -> bool:
    package = {"joblib": "joblib", "ray": "ray"}.get(launcher, "submitit")
    return importlib.util.find_spec(f"hydra_plugins.hydra_{package}_launcher") is not None


def left_over() -> set[str]:
    """Commands of processes below this one, of Ray and of submitit, wherever they were begun."""
    found = set()
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            name in command for name in ("raylet", "gcs_server", "ray::", "submitit.core", "loky")
        ):
            found.add(f"{process.pid} {command[:80]}")
    return found


class Sweep:
    """One sweep in a folder of its own, as a user runs it."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evalkit.run", *arguments],
            cwd=folder,
            env={**os.environ, "COLUMNS": "160", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> Sweep:
        self.out, self.err = self.process.communicate(timeout=550)
        self.status = self.process.returncode
        return self

    @property
    def records(self) -> dict[str, dict]:
        """Job number → its record, without times and machine, figures to ten decimals."""
        files = (self.folder / "sweep").glob("*/record.json")
        return {file.parent.name: _lasting(json.loads(file.read_text(encoding="utf-8"))) for file in files}

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
    from contextlib import closing
    from sqlite3 import connect

    query = """
        select coalesce((select value from tags where tags.run_uuid = runs.run_uuid and key = 'evalkit.identity'),
                        name), status from runs where lifecycle_stage = 'active'"""
    with closing(connect(database)) as connection:
        return [(str(identity), str(status)) for identity, status in connection.execute(query)]


def assert_every_identity_is_finished_once(database: Path, identities: set[str]) -> None:
    assert sorted(runs_in(database)) == sorted([*((name, "FINISHED") for name in identities), ("sweep", "FINISHED")])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The sweep under Hydra's own launcher, one job after the other."""
    done = Sweep(tmp_path_factory.mktemp("basic"), *SWEEP).end()
    assert done.status == 0, done.err
    assert len(done.records) == JOBS
    assert_every_identity_is_finished_once(done.folder / "mlflow.db", done.identities)
    return done


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_gives_the_same_records_and_the_same_leaderboard(reference, tmp_path, launcher):
    before = left_over()
    done = Sweep(tmp_path, *SWEEP, f"hydra/launcher={launcher}").end()
    assert done.status == 0, done.err
    assert "Traceback" not in done.err
    assert done.records == reference.records
    assert done.board == reference.board
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", reference.identities)
    assert left_over() <= before
