import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import time

import pytest

from evalkit.errors import RequestError
from evalkit.tracking import TrackerUnavailable, mlflow_store
from evalkit.tracking.mlflow_store import (
    ensure_sqlite,
    exclusive,
    prepare_environment,
    resolve_experiment,
    resolve_uri,
    sqlite_path,
)
from evalkit.tracking.mlflow_tracker import MlflowTracker


def test_the_setting_stands_before_the_environment(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000/")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "team")
    assert resolve_uri(None) == "http://server:5000"
    assert resolve_uri("https://other") == "https://other"
    assert (resolve_experiment(None), resolve_experiment("mine")) == ("team", "mine")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    assert resolve_experiment(None) == "evalkit"


def test_a_relative_store_does_not_move_with_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_uri(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert resolve_uri("sqlite:///a/b.db") == f"sqlite:///{tmp_path}/a/b.db"
    assert resolve_uri("sqlite:////a/b.db") == "sqlite:////a/b.db"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("./mlruns", "is a folder.*migrate-filestore"),
        ("file:./mlruns", "is a folder.*migrate-filestore"),
        ("file:///tmp/mlruns", "is a folder.*migrate-filestore"),
        ("sqlite:////tmp/a%20b/mlflow.db", "has a % in it"),
        ("ftp://u:geheim@host", "no tracking address"),
        ("mlflow.db", "no tracking address"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_that_cannot_be_is_refused(uri, words):
    with pytest.raises(RequestError, match=words) as caught:
        resolve_uri(uri)
    assert "geheim" not in str(caught.value)
    assert "sqlite:///" in str(caught.value)


def test_servers_that_we_name_listen_on_loopback(tmp_path):
    command = MlflowTracker(f"sqlite:///{tmp_path}/a b.db").command()
    assert "--host 127.0.0.1" in command
    assert f"'sqlite:///{tmp_path}/a b.db'" in command
    assert "geheim" not in MlflowTracker("postgresql://u:geheim@h/m").command()
    assert MlflowTracker("https://server").command() == ""


def test_what_the_user_has_set_of_mlflow_stays(monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    prepare_environment()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "7"
    assert int(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 10


def make(path):
    with exclusive(path):
        ensure_sqlite(path)


PENDING = f".{'[0-9a-f]' * 32}.mlflow.db*"

CREATE = """
import sys, time
from pathlib import Path
from evalkit.tracking import mlflow_store
mlflow_store.prepare_environment()
path = Path(sys.argv[1])
with mlflow_store.exclusive(path):
    print("begin", flush=True)
    mlflow_store.ensure_sqlite(path)
"""


@pytest.mark.slow
def test_making_a_store_says_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CREATE, str(tmp_path / "new" / "mlflow.db")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "begin\n")
    assert {entry.name for entry in (tmp_path / "new").iterdir()} == {"mlflow.db", ".mlflow.db.lock"}


@pytest.mark.slow
@pytest.mark.fault("resuming", "kill -9 while MLflow's store is made", "during its migration")
def test_a_process_killed_while_it_makes_the_store_leaves_no_ruin(tmp_path):
    path = tmp_path / "mlflow.db"
    process = subprocess.Popen([sys.executable, "-c", CREATE, str(path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    while not list(tmp_path.glob(PENDING)):
        time.sleep(0.01)
    time.sleep(0.3)  # in the midst of the migration
    process.kill()
    process.wait()
    process.stdout.close()
    assert not path.exists()
    make(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from experiments").fetchone() == (1,)
    assert not list(tmp_path.glob(PENDING))


def test_an_empty_file_is_no_store_yet_and_a_whole_one_is_left_as_it_is(tmp_path, store):
    path = tmp_path / "mlflow.db"
    path.touch()
    make(path)
    assert path.stat().st_size > 0
    before = sqlite_path(store).read_bytes()
    make(sqlite_path(store))
    assert sqlite_path(store).read_bytes() == before


def test_what_stands_in_place_of_the_store_is_said_and_kept(tmp_path):
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(TrackerUnavailable, match=r"folder\.db cannot be written"):
        make(tmp_path / "folder.db")
    notes = "these are somebody's notes, not a database" * 50
    (tmp_path / "notes.db").write_text(notes)
    with pytest.raises(TrackerUnavailable, match="not a database"):
        make(tmp_path / "notes.db")
    assert (tmp_path / "notes.db").read_text() == notes
    with pytest.raises(TrackerUnavailable, match="cannot be written"):
        make(tmp_path / "notes.db" / "mlflow.db")


@pytest.mark.fault("tracker", "a sqlite store that stays locked", "an exclusive transaction of another connection")
def test_a_store_that_is_locked_is_said_in_seconds(store, monkeypatch):
    monkeypatch.setattr(mlflow_store, "BUSY_SECONDS", 0.2)
    with contextlib.closing(sqlite3.connect(sqlite_path(store))) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackerUnavailable, match="locked"):
            make(sqlite_path(store))


def test_one_process_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(mlflow_store, "LOCK_SECONDS", 0.2)
    path = tmp_path / "mlflow.db"
    with exclusive(path), pytest.raises(TrackerUnavailable, match="another process"), exclusive(path):
        pytest.fail("two processes hold one lock")


def test_quiet_libraries_stay_quiet(monkeypatch):
    monkeypatch.delenv("MLFLOW_LOGGING_LEVEL", raising=False)
    prepare_environment()  # MLflow reads the level when it is imported, which another test may have done
    assert os.environ["MLFLOW_LOGGING_LEVEL"] == "CRITICAL"
    assert not logging.getLogger("alembic.runtime.migration").isEnabledFor(logging.INFO)
