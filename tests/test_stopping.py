"""A sweep that is stopped: under every launcher its jobs end with it, and the same command goes on."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from launcher_fixtures import Sweep, left_over, needs_extra, runs_in

SWEEP = ("-m", "model=random", "projection=pca", "seed=range(0,8)", "evaluators=[neighbours]", "hydra.sweep.dir=sweep")
STOPPED = 130
STOPS = {
    "SIGTERM to the sweep alone": (os.kill, signal.SIGTERM),
    "Ctrl-C, which reaches the whole group": (os.killpg, signal.SIGINT),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def wait_for(what, seconds: float = 240.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "nothing came of it"
        time.sleep(0.2)


def done_in(folder: Path) -> int:
    return len(list(folder.glob("sweep/*/record.json")))


@pytest.mark.parametrize("how", STOPS)
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_stopped_sweep_ends_its_jobs_and_goes_on_later(tmp_path, launcher, how, reliability):
    needs_extra(launcher)
    send, which = STOPS[how]
    command = (*SWEEP, f"hydra/launcher={launcher}")
    sweep = Sweep(tmp_path, *command, group=True)
    wait_for(lambda: done_in(tmp_path) >= 1 or sweep.process.poll() is not None)
    assert sweep.process.poll() is None, sweep.end().err
    send(sweep.process.pid, which)
    sweep.end()
    assert sweep.status == STOPPED, sweep.err
    assert "Traceback" not in sweep.err
    assert "what is done is kept" in sweep.err
    wait_for(lambda: left_over(tmp_path) == set(), 20.0)
    again = Sweep(tmp_path, *command).end()
    assert again.status == 0, again.err
    assert done_in(tmp_path) == 8
    found = Counter(runs_in(tmp_path / "mlflow.db"))
    assert {status for _, status in found} <= {"FINISHED", "KILLED", "FAILED"}
    finished = Counter(
        identity for (identity, status), times in found.items() if status == "FINISHED" for _ in range(times)
    )
    assert set(finished.values()) == {1}
    assert len(finished) == 9  # and the sweep's own
    reliability(
        "launchers",
        f"a sweep is stopped under {launcher}: {how}",
        made="after its first record, eight jobs planned",
        tried=1,
        found="exit status 130, one sentence, no process left; the same command again: each identity FINISHED once",
    )
