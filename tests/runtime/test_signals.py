"""A sweep that is stopped: under every launcher its jobs end with it, and the same command goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launcher_fixtures import Sweep, assert_nothing_is_left_over, needs_extra, runs_in, wait_for
from tracker_fixtures import plain_tracking, serve, store, template_store

from evalkit.runtime.signals import KEPT, STOPPED, WAITING

SENTENCE = f"evalkit: stopped: {KEPT}"

__all__ = ["plain_tracking", "serve", "store", "template_store"]

SWEEP = ("-m", "model=random", "projection=pca", "seed=range(0,8)", "evaluators=[neighbours]", "hydra.sweep.dir=sweep")
STOPS = {
    "SIGTERM to the sweep alone": (os.kill, signal.SIGTERM),
    "Ctrl-C, which reaches the whole group": (os.killpg, signal.SIGINT),
}

pytestmark = pytest.mark.timeout(900)

CLOSING = """
import sys, time
from evalkit.runtime.signals import stoppable

def in_order():
    print("begun", flush=True)
    time.sleep(float(sys.argv[1]))
    print("ended", flush=True)

with stoppable(in_order=in_order, at_once=lambda: print("at once", flush=True)):
    print("ready", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def running(*arguments: str, **options):
    """A process of python's, killed in the end if need be."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def closing(seconds: float):
    """A process that takes so long to stop in order, seen ready."""
    with running("-c", CLOSING, str(seconds)) as process:
        assert process.stdout.readline() == "ready\n"
        yield process


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_requests_that_come_together_are_one(first, second):
    """Ctrl-C reaches a command from its terminal and from whatever started it."""
    with closing(0.5) as process:
        process.send_signal(first)
        assert process.stdout.readline() == "begun\n"
        process.send_signal(second)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (STOPPED, "ended\n", f"{SENTENCE}\n")


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_who_waits_is_told_why_and_who_asks_again_is_obeyed_at_once(second):
    with closing(60) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == f"{WAITING}\n"
        time.sleep(0.2)
        process.send_signal(second)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (STOPPED, "begun\nat once\n", f"{SENTENCE}\n")


UNTORN = """
import time
from evalkit.runtime.signals import stoppable, uninterrupted

with stoppable(in_order=lambda: print("in order", flush=True)):
    with uninterrupted():
        print("ready", flush=True)
        time.sleep(0.5)
        print("whole", flush=True)
    print("went on", flush=True)
"""


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_what_must_not_be_torn_is_finished_first(which):
    with running("-c", UNTORN) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(which)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (STOPPED, "whole\nin order\n", f"{SENTENCE}\n")


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_has_hardly_begun_says_so_too(tmp_path, which):
    """Stopped as soon as the first of its libraries is there, of which python tells."""
    with running("-X", "importtime", "-m", "evalkit.run", "tracker=none", cwd=tmp_path) as process:
        while "evalkit.errors" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(which)
        _, err = process.communicate(timeout=60)
        said = [line for line in err.splitlines() if not line.startswith("import time:")]
        assert (process.returncode, said) == (STOPPED, [SENTENCE])


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["sync", "report"])
def test_the_other_commands_answer_with_one_sentence(tmp_path, module, which):
    """Stopped while reading a record that does not end: a pipe that nobody writes to."""
    record = tmp_path / "record.json"
    os.mkfifo(record)
    where = ["--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"] if module == "sync" else []
    with running("-m", f"evalkit.{module}", str(tmp_path), *where, cwd=tmp_path) as process:
        writer = None
        while writer is None:
            assert process.poll() is None, process.communicate()
            with contextlib.suppress(OSError):  # until somebody reads
                writer = os.open(record, os.O_WRONLY | os.O_NONBLOCK)
            time.sleep(0.1)
        process.send_signal(which)
        _, err = process.communicate(timeout=60)
        os.close(writer)
        assert process.returncode == STOPPED, err
        assert err.startswith("evalkit: stopped: ")
        assert len(err.splitlines()) == 1


def done_in(folder: Path) -> int:
    return len(list(folder.glob("sweep/*/record.json")))


def unchanged(folder: Path, seconds: float) -> bool:
    """Whether no record has come for so long."""
    before = done_in(folder)
    time.sleep(seconds)
    return done_in(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("how", STOPS)
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_stopped_sweep_ends_its_jobs_and_goes_on_later(tmp_path, launcher, how, reliability):
    needs_extra(launcher)
    send, which = STOPS[how]
    command = (*SWEEP, f"hydra/launcher={launcher}")
    sweep = Sweep(tmp_path, *command, group=True)
    wait_for(lambda: done_in(tmp_path) >= 1 or sweep.process.poll() is not None)
    send(sweep.process.pid, which)
    assert "what is done is kept" in sweep.end(STOPPED).err
    assert_nothing_is_left_over(tmp_path)
    Sweep(tmp_path, *command).end()
    assert done_in(tmp_path) == 8
    runs = runs_in(tmp_path / "mlflow.db")
    assert {status for _, status in runs} <= {"FINISHED", "KILLED", "FAILED"}
    finished = [identity for identity, status in runs if status == "FINISHED"]
    assert len(finished) == len(set(finished)) == 9  # and the sweep's own
    reliability(
        "launchers",
        f"a sweep is stopped under {launcher}: {how}",
        made="after its first record, eight jobs planned",
        tried=1,
        found="exit status 130, one sentence, no process left; the same command again: each identity FINISHED once",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("plain_tracking")
def test_a_sweep_whose_server_hangs_is_left_at_once_by_whoever_insists(tmp_path, serve, store, reliability):
    """A real server, halted in the middle: logging waits for it, and Ctrl-C for the run that is being logged."""
    server = serve(store)
    many = tuple(part.replace("range(0,8)", "range(0,200)") for part in SWEEP)
    sweep = Sweep(tmp_path / "work", *many, f"tracker.uri={server.uri}", group=True)
    wait_for(lambda: done_in(sweep.folder) >= 3 or sweep.process.poll() is not None)
    os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: unchanged(sweep.folder, seconds=5))  # a run is being logged, or the next one looked for
        os.killpg(sweep.process.pid, signal.SIGINT)
        time.sleep(3)
        assert sweep.process.poll() is None, "it did not wait: this tests nothing"
        os.killpg(sweep.process.pid, signal.SIGINT)
        began = time.monotonic()
        sweep.end(STOPPED)
        seconds = time.monotonic() - began
    finally:
        os.killpg(server.process.pid, signal.SIGCONT)
    assert sweep.err.splitlines()[-2:] == [WAITING, SENTENCE]
    assert seconds < 10
    assert_nothing_is_left_over(sweep.folder)
    reliability(
        "launchers",
        "a sweep is stopped while its tracking server hangs",
        made="a real MLflow server halted (SIGSTOP) in the middle; Ctrl-C, and again after three seconds",
        tried=1,
        found="said what it waits for; left at once when asked again: exit status 130, no traceback, no process left",
    )
