import time
from collections import Counter
from pathlib import Path

import pytest
from tracker_fixtures import WORDS, client_of, fill_folder, make_record, runs_in, start_writers, writer

from evalkit.errors import RequestError
from evalkit.records import read_record
from evalkit.tracking import RunContext, TrackerTrouble, reachability
from evalkit.tracking.mlflow_store import sqlite_path
from evalkit.tracking.mlflow_tracker import MlflowTracker
from evalkit.tracking.none import NoTracker
from evalkit.tracking.process_liveness import process_tags
from evalkit.types import Score


@pytest.fixture
def tracker(store):
    return MlflowTracker(store)


def test_a_run_is_whole(tracker, store, run_folder):
    logged = tracker.log_run(make_record(), run_folder, RunContext(sweep="5ee9"))
    assert logged.new
    (run,) = runs_in(store)
    assert run.info.run_id == logged.run_id
    assert run.info.run_name == "bge·cls·tsne·3"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 2000
    assert run.data.metrics["neighbours/precision_at_1.chance"] == 0.17
    assert run.data.params["k"] == "[1, 5]"
    assert run.data.tags["evalkit.identity"] == "ab" * 32
    assert run.data.tags["evalkit.sweep"] == "5ee9"
    assert f"run_uuid={logged.run_id}" in run.data.tags["mlflow.note.content"]
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("topics", "f" * 16)
    assert dataset.tags[0].value == "evaluation"
    client = client_of(store)
    names = {file.path for file in client.list_artifacts(logged.run_id)}
    assert names == {file.name for file in run_folder.iterdir() if file.is_file() and file.suffix != ".log"}
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(sqlite_path(store).parent / "mlruns")
    copied = Path(client.download_artifacts(logged.run_id, "record.json"))
    assert copied.read_bytes() == (run_folder / "record.json").read_bytes()


def test_an_identity_is_logged_once(tracker, store, run_folder):
    first = tracker.log_run(make_record(), run_folder, RunContext())
    again = tracker.log_run(make_record(), run_folder, RunContext(sweep="other"))
    assert (again.run_id, again.new) == (first.run_id, False)
    other = tracker.log_run(make_record("cd" * 32), run_folder, RunContext())
    assert other.new
    assert {run.info.run_id for run in runs_in(store)} == {first.run_id, other.run_id}
    assert MlflowTracker(store, "another experiment").log_run(make_record(), run_folder, RunContext()).new
    assert len(runs_in(store, "another experiment")) == 1


def test_only_a_finished_run_counts(tracker, store, run_folder):
    tracker.log_run(make_record("cd" * 32), run_folder, RunContext())
    client, others = client_of(store), {}
    for status in ("FAILED", "KILLED", "RUNNING"):
        run = client.create_run("1", tags={"evalkit.identity": "ab" * 32, "evalkit.host": "elsewhere"})
        client.update_run(run.info.run_id, status)
        others[run.info.run_id] = status
    assert tracker.log_run(make_record(), run_folder, RunContext()).new
    assert {run_id: client.get_run(run_id).info.status for run_id in others} == others


def test_a_dead_processes_run_is_killed_and_logged_anew(tracker, store, run_folder, ended):
    tracker.log_run(make_record("cd" * 32), run_folder, RunContext())
    client = client_of(store)
    runs = {
        "dead": client.create_run("1", tags={"evalkit.identity": "ab" * 32, **ended}),
        "alive": client.create_run("1", tags={"evalkit.identity": "ab" * 32, **process_tags()}),
        "other identity": client.create_run("1", tags={"evalkit.identity": "ef" * 32, **ended}),
    }
    assert tracker.log_run(make_record(), run_folder, RunContext()).new
    status = {name: client.get_run(run.info.run_id).info.status for name, run in runs.items()}
    assert status == {"dead": "KILLED", "alive": "RUNNING", "other identity": "RUNNING"}
    reachability._known.clear()  # as in another process
    tracker.log_run(make_record(), run_folder, RunContext())
    assert client.get_run(runs["other identity"].info.run_id).info.status == "KILLED"


def test_a_duplicate_that_another_machine_finished_is_deleted(tracker, store, run_folder):
    tracker.log_run(make_record("cd" * 32), run_folder, RunContext())
    client = client_of(store)
    old, young = (
        client.create_run("1", start_time=start, tags={"evalkit.identity": "ab" * 32}).info.run_id for start in (1, 2)
    )
    for run_id in (young, old):
        client.set_terminated(run_id)
    logged = tracker.log_run(make_record(), run_folder, RunContext())
    assert (logged.run_id, logged.new) == (old, False)
    assert client.get_run(young).info.lifecycle_stage == "deleted"


def test_an_identity_that_would_change_the_search_is_refused(tracker, run_folder):
    with pytest.raises(RequestError, match="no identity"):
        tracker.log_run(make_record("x' or tags.a = 'b"), run_folder, RunContext())
    with pytest.raises(RequestError, match="no sweep's id"):
        tracker.log_sweep("x' or tags.a = 'b", run_folder, {}, RunContext())


@pytest.mark.fault("security", "confidential texts", "log_texts=false, every byte of store and artifacts searched")
def test_without_texts_none_is_in_the_store_or_the_artifacts(tracker, store, run_folder):
    logged = tracker.log_run(make_record(), run_folder, RunContext(log_texts=False))
    folder = sqlite_path(store).parent
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(word.encode() in content for word in WORDS), file
    back = read_record(Path(client_of(store).download_artifacts(logged.run_id, "record.json")))
    assert back.identity == make_record().identity
    assert back.queries == ()


@pytest.mark.fault("security", "a password in settings", "every byte of the sqlite store searched")
def test_no_secret_is_in_the_store(store, run_folder):
    settings = {"tracker": {"uri": "http://u:geheim@h"}, "dataset": {"path": "s3://u:geheim@h/x"}}
    record = make_record(settings=settings, warnings=("read from http://u:geheim@h",))
    MlflowTracker(store).log_run(record, run_folder, RunContext(sweep_name="http://u:geheim@h"))
    assert b"geheim" not in sqlite_path(store).read_bytes()


def test_the_sweeps_run_is_updated_not_doubled(tracker, store, tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "leaderboard.md").write_text("| model |\n|:--|\n| bge |\n")
    first = tracker.log_sweep("5ee9", folder, {"runs": 1}, RunContext(sweep="5ee9", sweep_name="noon"))
    (folder / "gallery.html").write_text("<html>")
    for corpus in ("corpus-a", "corpus-b"):
        (folder / corpus).mkdir()
        (folder / corpus / "topics.csv").write_text(corpus)
    second = tracker.log_sweep("5ee9", folder, {"runs": 2}, RunContext(sweep="5ee9"))
    assert (first.new, second.new, first.run_id == second.run_id) == (True, False, True)
    (run,) = runs_in(store)
    assert run.info.run_name == "sweep"
    assert run.info.status == "FINISHED"
    assert run.data.tags["evalkit.sweep"] == "5ee9"
    assert "evalkit.identity" not in run.data.tags
    assert run.data.metrics["sweep/runs"] == 2
    assert "| bge |" in run.data.tags["mlflow.note.content"]
    names = {file.path for file in client_of(store).list_artifacts(run.info.run_id)}
    assert names == {"leaderboard.md", "gallery.html", "corpus-a", "corpus-b"}
    for corpus in ("corpus-a", "corpus-b"):
        (file,) = client_of(store).list_artifacts(run.info.run_id, corpus)
        assert file.path == f"{corpus}/topics.csv"
    tracker.log_sweep("0ther", folder, {}, RunContext())
    assert len(runs_in(store)) == 2


def test_more_metrics_and_params_than_one_call_takes(tracker, store, run_folder):
    scores = tuple(Score(f"family/score_{i}", "embedding", 0.5, 1.0, 0.1, 0.4, 0.01, 0.4, 0.6) for i in range(250))
    settings = {"model_label": "bge", **{f"setting_{i}": i for i in range(230)}}
    tracker.log_run(make_record(scores=scores, settings=settings), run_folder, RunContext())
    (run,) = runs_in(store)
    assert sum(name.startswith("family/") for name in run.data.metrics) == 1500
    assert sum(name.startswith("setting_") for name in run.data.params) == 230


def test_the_printed_address_and_command_fit_the_store(tracker, store, run_folder):
    assert tracker.address() == "http://127.0.0.1:5000"
    logged = tracker.log_run(make_record(), run_folder, RunContext())
    assert tracker.address().startswith("http://127.0.0.1:5000/#/experiments/1/runs?")
    assert "workflowType=machine_learning" in tracker.address()
    assert logged.link == f"http://127.0.0.1:5000/#/experiments/1/runs/{logged.run_id}?workflowType=machine_learning"
    assert store in tracker.command()
    remote = MlflowTracker("https://anna:geheim@server/mlflow/")
    assert remote.address() == "https://server/mlflow"
    assert remote.command() == ""


def test_a_file_store_of_old_is_passed_by(store, run_folder, monkeypatch):
    folder = sqlite_path(store).parent
    (folder / "mlruns" / "0").mkdir(parents=True)
    (folder / "mlruns" / "0" / "meta.yaml").write_text("artifact_location: mlruns/0\nname: Default\n")
    monkeypatch.chdir(folder)
    assert MlflowTracker().log_run(make_record(), run_folder, RunContext()).new
    assert len(runs_in(store)) == 1


def test_a_deleted_experiment_is_said(tracker, store, run_folder):
    tracker.log_run(make_record(), run_folder, RunContext())
    client_of(store).delete_experiment("1")
    trouble = MlflowTracker(store).log_run(make_record("cd" * 32), run_folder, RunContext())
    assert isinstance(trouble, TrackerTrouble)
    assert "experiment evalkit was deleted" in trouble.sentence


def test_a_store_that_was_replaced_meanwhile_gets_the_next_run(tracker, store, template_store, run_folder):
    tracker.log_run(make_record(), run_folder, RunContext())
    path = sqlite_path(store)
    path.unlink()
    path.write_bytes(template_store.read_bytes())
    assert tracker.log_run(make_record("cd" * 32), run_folder, RunContext()).new
    assert {run.data.tags["evalkit.identity"] for run in runs_in(store)} == {"cd" * 32}


@pytest.mark.slow
@pytest.mark.fault("tracker", "8 processes on a fresh sqlite store", "all start at once, 3 runs each")
def test_eight_processes_on_a_fresh_store_lose_nothing(tmp_path, run_folder):
    uri = f"sqlite:///{tmp_path}/fresh/mlflow.db"
    own = [[f"{process:02x}{run:02x}" * 16 for run in range(3)] for process in range(8)]
    lines = start_writers(uri, run_folder, own)
    assert {line[2] for line in lines} == {"True"}
    runs = runs_in(uri)
    assert Counter(run.data.tags["evalkit.identity"] for run in runs) == Counter(i for part in own for i in part)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(len(client_of(uri).list_artifacts(run.info.run_id)) == 10 for run in runs[:5])


@pytest.mark.slow
@pytest.mark.fault("tracker", "several processes log the same", "4 processes, 6 identities, sqlite")
def test_processes_that_log_the_same_identities_finish_each_once(store, run_folder):
    identities = [f"{number:064x}" for number in range(6)]
    lines = start_writers(store, run_folder, [identities] * 4)
    runs = runs_in(store)
    assert Counter(run.data.tags["evalkit.identity"] for run in runs) == Counter(identities)
    assert Counter(line[2] for line in lines) == {"True": 6, "False": 18}
    by_identity = {run.data.tags["evalkit.identity"]: run.info.run_id for run in runs}
    assert all(by_identity[line[0]] == line[1] for line in lines)


@pytest.mark.slow
@pytest.mark.fault("resuming", "kill -9 while runs are logged", "4 processes, each at another moment")
def test_a_process_killed_while_it_logs_leaves_nothing_that_lasts(store, run_folder):
    """Kill -9 at many moments of logging: the next try finishes each identity once, and nothing stays RUNNING."""
    identities = [f"{number:064x}" for number in range(40)]
    for delay in (0.0, 0.05, 0.12, 0.2):
        with writer(store, run_folder, identities) as process:
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            process.stdout.readline()  # of the first run
            time.sleep(delay)
            process.kill()
    lines = start_writers(store, run_folder, [identities])
    runs = runs_in(store)
    finished = Counter(run.data.tags["evalkit.identity"] for run in runs if run.info.status == "FINISHED")
    assert finished == Counter(identities)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    assert any(line[2] == "True" for line in lines)


def test_the_tracker_that_tracks_nothing(run_folder):
    tracker = NoTracker()
    assert tracker.log_run(make_record(), run_folder, RunContext()) is None
    assert tracker.log_sweep("5ee9", run_folder, {}, RunContext()) is None
    assert (tracker.address(), tracker.command(), tracker.link("x")) == ("", "", "")


def test_many_runs_leave_no_open_files(tracker, run_folder):
    import psutil

    tracker.log_run(make_record(f"{0:064x}"), run_folder, RunContext())
    before = psutil.Process().num_fds()
    for number in range(1, 12):
        fill_folder(run_folder, make_record(f"{number:064x}"))
        tracker.log_run(make_record(f"{number:064x}"), run_folder, RunContext())
    assert psutil.Process().num_fds() <= before + 2
