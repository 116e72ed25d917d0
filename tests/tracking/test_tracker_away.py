"""MLflow away during a whole sweep: it finishes in seconds, says so once, and `evalkit.sync` brings all in once."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from tracker_fixtures import fill_disk, free_port, hanging_server, refusing_server

from evalkit.cli import sync
from evalkit.records import read_record
from evalkit.tracking import reachability
from evalkit.tracking.mlflow_store import sqlite_path

pytestmark = pytest.mark.slow

RUNS = 4
SWEEP = ("-m", "model=random", "seed=range(0,4)", "projection=pca", "evaluators=[neighbours]", "hydra.sweep.dir=sweep")

SECONDS = 30
"""What a fault may cost a whole sweep beyond the same sweep without a tracker, on a machine that is busy."""


@contextlib.contextmanager
def no_server():
    yield f"http://127.0.0.1:{free_port()}"


def finished_in(uri: str) -> Counter[str]:
    """How often each identity, and the sweep's own run, stands FINISHED."""
    with contextlib.closing(sqlite3.connect(sqlite_path(uri))) as base:
        query = (
            "select coalesce(i.value, 'sweep'), r.status from runs r "
            "left join tags i on i.run_uuid = r.run_uuid and i.key = 'evalkit.identity' "
            "where lifecycle_stage = 'active'"
        )
        rows = base.execute(query).fetchall()
    assert {status for _, status in rows} <= {"FINISHED"}
    return Counter(who for who, _ in rows)


def sync_twice(folder: Path, uri: str, store: str | None = None) -> None:
    """Sync, and again: afterwards every record stands once in the store (behind `uri`), and so does the sweep."""
    for _ in range(2):
        reachability.known(uri).recover()
        with pytest.raises(SystemExit) as ended:
            sync.main([str(folder), "--tracking-uri", uri])
        assert ended.value.code == 0
    identities = [read_record(run.parent).identity for run in folder.glob("*/record.json")]
    assert len(identities) == RUNS
    assert finished_in(store or uri) == Counter({**dict.fromkeys(identities, 1), "sweep": 1})


@pytest.fixture
def away(evalkit):
    """Runs the sweep while its tracker is away: it is whole, takes its time and no more, and says once what to do."""
    start = time.monotonic()
    assert evalkit(*SWEEP[:-1], "hydra.sweep.dir=plain", "store=plain-store").status == 0
    undisturbed = time.monotonic() - start
    for folder in ("plain", "plain-store"):
        shutil.rmtree(folder)

    def run(uri: str, words: str) -> Path:
        start = time.monotonic()
        done = evalkit(*SWEEP, "store=own", f"tracker.uri='{uri}'", tracked=True)
        seconds = time.monotonic() - start
        assert done.status == 0, done.err
        assert len(done.runs) == RUNS
        assert (done.folder / "sweep" / "gallery.html").is_file()
        assert seconds < undisturbed + SECONDS, (seconds, undisturbed)
        assert words in done.err, done.err
        assert done.err.count("python -m evalkit.sync") == 1, done.err
        assert "Traceback" not in done.err
        assert "geheim" not in done.err + done.out
        return done.folder / "sweep"

    return run


FAULTS = {
    no_server: ("no server answers", "no server", "a port of 127.0.0.1 that nobody holds"),
    hanging_server: ("did not answer within 5 seconds", "a server that hangs", "takes every connection, never answers"),
    refusing_server: ("refused the credentials (401)", "wrong credentials", "a server that answers 401"),
}


@pytest.mark.parametrize(
    ("server", "words"),
    [
        pytest.param(server, words, marks=pytest.mark.fault("tracker", *made))
        for server, (words, *made) in FAULTS.items()
    ],
)
def test_a_sweep_without_its_server(away, store, server, words):
    with server() as uri:
        folder = away(uri, words)
        assert not finished_in(store)
    sync_twice(folder, store)


@pytest.mark.fault("tracker", "a read-only disk under sqlite", "a tmpfs mounted read-only")
def test_a_sweep_on_a_read_only_store(away, small_disk, disk_store):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    folder = away(disk_store, "cannot be written")
    subprocess.run(["mount", "-o", "remount,rw,size=30m", str(small_disk)], check=True)
    sync_twice(folder, disk_store)


@pytest.mark.fault("tracker", "a full disk under sqlite", "a tmpfs of 3 MB, filled but for 150 kB before the sweep")
def test_a_sweep_on_a_full_disk(away, small_disk, disk_store):
    fill_disk(small_disk, 150_000)
    folder = away(disk_store, "MLflow has not got these results")
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    sync_twice(folder, disk_store)


@pytest.mark.fault("tracker", "a server that dies midway", "kill -9 of `mlflow server` after the sweep's first run")
def test_a_sweep_whose_server_dies_midway(away, store, serve):
    server = serve(store)

    def kill() -> None:
        deadline = time.monotonic() + 120
        while not finished_in_passing(store) and time.monotonic() < deadline:
            time.sleep(0.05)
        server.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    folder = away(server.uri, "MLflow has not got these results")
    killer.join()
    assert 1 <= finished_in_passing(store) < RUNS
    sync_twice(folder, serve(store).uri, store)


def finished_in_passing(uri: str) -> int:
    """FINISHED runs, while others write there."""
    with contextlib.closing(sqlite3.connect(sqlite_path(uri), timeout=10)) as base:
        return int(base.execute("select count(*) from runs where status = 'FINISHED'").fetchone()[0])
