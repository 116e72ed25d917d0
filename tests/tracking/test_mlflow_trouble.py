"""MLflow away: each fault is made for real, costs seconds, says how to make up for it, and loses nothing."""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tracker_fixtures import (
    answering_server,
    client_of,
    fill_disk,
    fill_folder,
    free_port,
    hanging_server,
    make_record,
    refusing_server,
    runs_in,
    start_writers,
)

from evalkit.tracking import LoggedRun, RunContext, TrackerTrouble, mlflow_runs, reachability
from evalkit.tracking.mlflow_store import sqlite_path
from evalkit.tracking.mlflow_tracker import MlflowTracker

SECONDS = 30  # no fault may cost one run more, on a machine that does much else at the same time


def trouble_of(tracker, folder, record=None, *, seconds=SECONDS, **context) -> TrackerTrouble:
    start = time.monotonic()
    answer = tracker.log_run(record or make_record(), folder, RunContext(**context))
    assert isinstance(answer, TrackerTrouble), answer
    assert time.monotonic() - start < seconds
    return answer


def finished_in(uri):
    return [run for run in runs_in(uri) if run.info.status == "FINISHED"]


def test_no_server(run_folder):
    uri = f"http://127.0.0.1:{free_port()}"
    sentence = trouble_of(MlflowTracker(uri), run_folder, seconds=5).sentence
    assert f"no server answers at {uri}" in sentence
    assert f"`python -m evalkit.sync {run_folder} --tracking-uri {uri}`" in sentence


def test_the_advised_command_is_whole(tmp_path, monkeypatch):
    folder, uri = fill_folder(tmp_path / "my runs" / "1", make_record()), f"http://127.0.0.1:{free_port()}"
    trouble = trouble_of(MlflowTracker(uri, "my tests"), folder, sync_folder=tmp_path / "my runs")
    command = trouble.sentence.split("`")[1]
    assert shlex.split(command)[3:] == [str(tmp_path / "my runs"), "--tracking-uri", uri, "--experiment", "my tests"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert trouble_of(MlflowTracker(), folder).sentence.split("`")[1] == f"python -m evalkit.sync '{folder}'"


@pytest.mark.slow
def test_the_next_runs_do_not_wait_again(run_folder):
    with hanging_server() as uri:
        first = trouble_of(MlflowTracker(uri), run_folder)
        assert "did not answer within 5 seconds" in first.sentence
        start = time.monotonic()
        for number in range(20):
            again = trouble_of(MlflowTracker(uri), run_folder, make_record(f"{number:064x}"))
            assert again == first
        assert time.monotonic() - start < 2


def test_after_a_minute_it_is_tried_again(run_folder, monkeypatch):
    uri = f"http://127.0.0.1:{free_port()}"
    for memory, tried_again in ((60.0, False), (0.0, True)):
        trouble_of(MlflowTracker(uri), run_folder)
        monkeypatch.setattr(reachability, "MEMORY_SECONDS", memory)
        failed_at = reachability.known(uri).failed_at
        trouble_of(MlflowTracker(uri), run_folder)
        assert (reachability.known(uri).failed_at > failed_at) == tried_again


@pytest.mark.slow
@pytest.mark.fault("tracker", "a server that hangs later", "answers /health and holds every other request")
def test_a_server_that_answers_once_and_then_hangs(run_folder):
    release = threading.Event()

    def answer(path):
        if path != "/health":
            release.wait(60)
        return 200, b"OK"

    with answering_server(answer) as uri:
        try:
            trouble = trouble_of(MlflowTracker(uri), run_folder)
        finally:
            release.set()
    assert "did not answer in time" in trouble.sentence


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials(run_folder, status):
    with refusing_server(status) as uri:
        trouble = trouble_of(MlflowTracker(uri), run_folder)
    assert f"refused the credentials ({status})" in trouble.sentence
    assert "MLFLOW_TRACKING_PASSWORD" in trouble.sentence
    assert "geheim" not in trouble.sentence


@pytest.mark.parametrize(("status", "body"), [(404, b"Not Found"), (500, b"{}"), (200, b"<html>not mlflow</html>")])
@pytest.mark.fault("tracker", "another server there", "answers 404, 500 or a page that is none of MLflow's")
def test_another_server_at_that_address(run_folder, status, body):
    with answering_server(lambda _: (status, body)) as uri:
        trouble = trouble_of(MlflowTracker(uri), run_folder)
    assert uri in trouble.sentence


@pytest.mark.fault("tracker", "no database server", "postgresql and mysql on a port that nobody holds")
def test_a_database_that_is_not_there(run_folder):
    for scheme in ("postgresql", "mysql+pymysql"):
        trouble = trouble_of(MlflowTracker(f"{scheme}://anna:geheim@127.0.0.1:{free_port()}/m"), run_folder)
        assert "cannot be used" in trouble.sentence
        assert "geheim" not in trouble.sentence


def test_a_read_only_store(run_folder, small_disk, disk_store):
    tracker = MlflowTracker(disk_store)
    assert isinstance(tracker.log_run(make_record(), run_folder, RunContext()), LoggedRun)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    trouble = trouble_of(tracker, run_folder, make_record("cd" * 32))
    assert "cannot be written" in trouble.sentence or "readonly" in trouble.sentence
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    reachability.known(disk_store).recover()
    assert tracker.log_run(make_record("cd" * 32), run_folder, RunContext()).new
    assert len(finished_in(disk_store)) == 2


@pytest.mark.parametrize("free", [0, 24, 150])
@pytest.mark.fault("tracker", "a full disk under sqlite, run by run", "a tmpfs of 3 MB with 0, 24 or 150 kB free")
def test_a_full_disk(run_folder, small_disk, disk_store, free):
    """With so many kB free the store, the run's rows or its files find no room."""
    tracker = MlflowTracker(disk_store)
    assert tracker.log_run(make_record(), run_folder, RunContext()).new
    (run_folder / "texts.parquet").write_bytes(b"x" * 200_000)
    fill_disk(small_disk, free * 1024)
    trouble = trouble_of(tracker, run_folder, make_record("cd" * 32))
    assert "No space left" in trouble.sentence or "full" in trouble.sentence or "disk" in trouble.sentence
    (small_disk / "ballast").unlink()
    reachability.known(disk_store).recover()
    assert tracker.log_run(make_record("cd" * 32), run_folder, RunContext()).new
    assert sorted(run.data.tags["evalkit.identity"][:2] for run in finished_in(disk_store)) == ["ab", "cd"]
    assert len(runs_in(disk_store)) == 2


@pytest.mark.fault("tracker", "artifacts that cannot be written", "a file in place of mlruns/")
def test_files_that_cannot_be_copied_leave_no_finished_run(store, run_folder):
    tracker = MlflowTracker(store)
    folder = sqlite_path(store).parent
    (folder / "mlruns").write_text("in the way")
    trouble = trouble_of(tracker, run_folder)
    assert "the files could not be logged" in trouble.sentence
    assert finished_in(store) == []
    (folder / "mlruns").unlink()
    reachability.known(store).recover()
    assert tracker.log_run(make_record(), run_folder, RunContext()).new
    assert len(finished_in(store)) == 1


@pytest.mark.slow
def test_an_experiment_behind_a_server_is_said_on_one_line_without_it(store, serve, run_folder):
    """Its artifacts go through the server, which MLflow explains in three lines."""
    server = serve(store)
    assert MlflowTracker(server.uri).log_run(make_record(), run_folder, RunContext()).new
    server.kill()
    trouble = trouble_of(MlflowTracker(store), run_folder, make_record("cd" * 32))
    assert "mlflow-artifacts" in trouble.sentence
    assert "\n" not in trouble.sentence


@pytest.mark.fault("tracker", "a store of an older or newer MLflow", "its schema's version changed")
@pytest.mark.parametrize(
    ("version", "cure"),
    [("bd07f7e963c5", "mlflow db upgrade"), ("ffffffffffff", "newer MLflow: bring MLflow up to date")],
)
def test_a_store_of_another_mlflow_names_its_cure(store, run_folder, version, cure):
    with contextlib.closing(sqlite3.connect(sqlite_path(store))) as connection:
        connection.execute("update alembic_version set version_num = ?", (version,))
        connection.commit()
    assert cure in trouble_of(MlflowTracker(store), run_folder).sentence


@pytest.mark.fault("tracker", "Ctrl-C while a run is logged", "KeyboardInterrupt between metrics and files")
def test_an_interrupt_goes_through_and_leaves_no_running_run(store, run_folder, monkeypatch):
    tracker = MlflowTracker(store)
    tracker.log_run(make_record("cd" * 32), run_folder, RunContext())

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mlflow_runs, "_log_files", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tracker.log_run(make_record(), run_folder, RunContext())
    assert sorted((run.info.status, run.info.lifecycle_stage) for run in runs_in(store, view=3)) == [
        ("FINISHED", "active"),
        ("KILLED", "deleted"),
    ]
    assert tracker.log_run(make_record(), run_folder, RunContext()).new


@pytest.mark.slow
@pytest.mark.fault("tracker", "a server that dies within a run", "kill -9 of `mlflow server` between create and log")
def test_a_server_that_dies_midway(store, serve, run_folder, monkeypatch):
    """The server is killed between the runs of a sweep and after a run was created; later all is there, once."""
    from mlflow import MlflowClient

    server = serve(store)
    tracker = MlflowTracker(server.uri)
    assert tracker.log_run(make_record("00" * 32), run_folder, RunContext()).new
    assert tracker.log_run(make_record("11" * 32), run_folder, RunContext()).new
    whole = MlflowClient.log_batch

    def dies(self, *arguments, **named):
        server.kill()
        return whole(self, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", dies)
        trouble = trouble_of(tracker, run_folder, make_record("22" * 32))
    assert "broke off" in trouble.sentence or "no server answers" in trouble.sentence
    failed_at = reachability.known(server.uri).failed_at
    trouble_of(tracker, run_folder, make_record("33" * 32))
    assert reachability.known(server.uri).failed_at == failed_at, "not tried again"
    back = MlflowTracker(serve(store).uri)
    for identity in ("00", "11", "22", "33"):
        logged = back.log_run(make_record(identity * 32), run_folder, RunContext())
        assert logged.new == (identity in {"22", "33"})
    finished = finished_in(store)
    assert sorted(run.data.tags["evalkit.identity"][:2] for run in finished) == ["00", "11", "22", "33"]


@pytest.mark.slow
def test_a_real_server_gets_whole_runs(store, serve, run_folder):
    server = serve(store)
    tracker = MlflowTracker(server.uri)
    logged = tracker.log_run(make_record(), run_folder, RunContext(sweep="5ee9"))
    assert isinstance(logged, LoggedRun)
    assert logged.new
    assert not tracker.log_run(make_record(), run_folder, RunContext()).new
    assert logged.link == f"{server.uri}/#/experiments/1/runs/{logged.run_id}?workflowType=machine_learning"
    assert tracker.command() == ""
    copied = Path(client_of(server.uri).download_artifacts(logged.run_id, "record.json"))
    assert copied.read_bytes() == (run_folder / "record.json").read_bytes()
    sweep = run_folder.parent
    assert tracker.log_sweep("5ee9", sweep, {"runs": 1}, RunContext(sweep="5ee9")).new
    assert not tracker.log_sweep("5ee9", sweep, {"runs": 1}, RunContext(sweep="5ee9")).new


@pytest.mark.slow
@pytest.mark.fault("tracker", "several machines log the same", "3 processes, 5 identities, through one server")
def test_machines_that_log_at_once_through_a_server_finish_each_identity_once(store, serve, run_folder):
    server = serve(store)
    identities = [f"{number:064x}" for number in range(5)]
    start_writers(server.uri, run_folder, [identities] * 3)
    finished = sorted(run.data.tags["evalkit.identity"] for run in finished_in(store))
    assert finished == identities
