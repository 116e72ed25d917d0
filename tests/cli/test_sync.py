import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tracker_fixtures import WORDS, fill_folder, free_port, make_record, plain_tracking, store, template_store

from evalkit.cli.sync import main, sync
from evalkit.tracking import sweep_identity
from evalkit.tracking.mlflow_store import sqlite_path
from evalkit.tracking.mlflow_tracker import MlflowTracker
from evalkit.tracking.none import NoTracker

__all__ = ["plain_tracking", "store", "template_store"]

pytestmark = pytest.mark.usefixtures("plain_tracking")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A finished sweep of three runs."""
    folder = tmp_path / "multirun" / "12-00"
    for number in range(3):
        fill_folder(folder / str(number), make_record(f"{number:064x}"))
    (folder / "sweep.json").write_text(json.dumps({"sweep": "5ee9", "rank_by": "neighbours/precision_at_1"}))
    (folder / "leaderboard.csv").write_text("rank,model,neighbours/precision_at_1\n1,bge,0.9\n2,tfidf,0.4\n")
    (folder / "leaderboard.md").write_text("| rank | model |\n|--:|:--|\n| 1 | bge |\n")
    (folder / "gallery.html").write_text("<html>zebra</html>")
    return folder


def runs_in(uri):
    client = MlflowClient(uri, uri)
    return {run.data.tags.get("evalkit.identity", "sweep")[-5:]: run for run in client.search_runs(["1"])}


def status_of(*arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code


def test_all_that_is_missing_is_logged_and_twice_adds_nothing(sweep, store, capsys):
    assert status_of(sweep, "--tracking-uri", store) == 0
    assert "3 logged, 0 already there, 1 sweep brought up to date." in capsys.readouterr().out
    before = {name: run.info.run_id for name, run in runs_in(store).items()}
    assert sorted(before) == ["00000", "00001", "00002", "sweep"]
    assert status_of(sweep, "--tracking-uri", store) == 0
    assert "0 logged, 3 already there" in capsys.readouterr().out
    assert {name: run.info.run_id for name, run in runs_in(store).items()} == before


def test_runs_and_sweep_bear_the_sweeps_id(sweep, store):
    sync([sweep], MlflowTracker(store))
    runs = runs_in(store)
    assert {run.data.tags["evalkit.sweep"] for run in runs.values()} == {"5ee9"}
    assert runs["sweep"].info.run_name == "sweep"
    assert runs["sweep"].data.metrics["sweep/neighbours/precision_at_1"] == 0.9
    note = runs["sweep"].data.tags["mlflow.note.content"]
    assert "**Best: bge, with neighbours/precision\\_at\\_1 of 0.900.**" in note
    assert runs["00000"].data.tags["mlflow.source.git.commit"] == "c" * 40


def test_one_run_of_a_sweep_alone(sweep, store):
    outcome = sync([sweep / "1"], MlflowTracker(store))
    assert (outcome.added, outcome.sweeps) == (1, 0)
    assert runs_in(store)["00001"].data.tags["evalkit.sweep"] == "5ee9"


def test_a_damaged_plan_leaves_the_identities_to_name_the_sweep(sweep, store):
    (sweep / "sweep.json").write_text("{")
    sync([sweep], MlflowTracker(store))
    assert {run.data.tags["evalkit.sweep"] for run in runs_in(store).values()} == {
        sweep_identity(f"{number:064x}" for number in range(3))
    }


def test_foreign_and_damaged_records_are_said_and_passed(sweep, store, capsys):
    (sweep / "0" / "record.json").write_text('{"identity": ')
    (sweep / "1" / "record.json").write_text('["not", "ours"]')
    assert status_of(sweep, "--tracking-uri", store) == 1
    output = capsys.readouterr()
    assert "is not whole JSON" in output.err
    assert "is no evalkit record" in output.err
    assert "1 logged" in output.out
    assert "00002" in runs_in(store)


def test_a_missing_folder_and_one_without_records_are_wrong_requests(tmp_path, store, capsys):
    assert status_of(tmp_path / "none", "--tracking-uri", store) == 2
    assert "is no folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert status_of(tmp_path / "empty", "--tracking-uri", store) == 2
    assert "no record.json" in capsys.readouterr().err
    assert status_of(tmp_path, "--tracking-uri", "mlruns") == 2


def test_a_server_out_of_reach_is_one_sentence(sweep, capsys):
    assert status_of(sweep, "--tracking-uri", f"http://127.0.0.1:{free_port()}") == 1
    output = capsys.readouterr()
    assert output.err.count("no server answers") == 1
    assert f"`python -m evalkit.sync {sweep} --tracking-uri" in " ".join(output.err.split())
    assert "Traceback" not in output.err


@pytest.mark.parametrize("asked_in", ["record", "configuration", "command"])
def test_texts_that_a_run_kept_back_stay_back(sweep, store, asked_in):
    for number in range(3):
        record = make_record(f"{number:064x}")
        if asked_in == "record":
            settings = {**record.settings, "tracker": {"log_texts": False}}
            fill_folder(sweep / str(number), make_record(record.identity, settings=settings))
        elif asked_in == "configuration":
            (sweep / str(number) / ".hydra" / "config.yaml").write_text("tracker:\n  log_texts: false\n")
    outcome = sync([sweep], MlflowTracker(store), log_texts=asked_in != "command")
    assert (outcome.added, outcome.sweeps, outcome.failures) == (3, 1, [])
    for file in sqlite_path(store).parent.rglob("*"):
        if file.is_file():
            assert not any(word.encode() in file.read_bytes() for word in WORDS), file


def test_where_it_is_unknown_whether_texts_may_go_nothing_goes(sweep, store):
    (sweep / "1" / ".hydra" / "config.yaml").write_text("tracker: [")
    outcome = sync([sweep], MlflowTracker(store))
    assert outcome.added == 2
    assert "whether texts may be logged is unknown" in outcome.failures[0]


def test_another_experiment_and_the_environment(sweep, store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    assert status_of(sweep / "0", "--experiment", "elsewhere") == 0
    assert MlflowClient(store, store).get_experiment_by_name("elsewhere") is not None


def test_a_sweeps_folder_may_move(sweep, store, tmp_path):
    sync([sweep], MlflowTracker(store))
    shutil.move(sweep, tmp_path / "moved")
    outcome = sync([tmp_path / "moved"], MlflowTracker(store))
    assert (outcome.added, outcome.there) == (0, 3)
    assert len(runs_in(store)) == 4


def test_without_a_tracker_nothing_is_counted_as_logged(sweep):
    assert sync([sweep], NoTracker()).added == 0


@pytest.mark.slow
def test_the_command_itself(evalkit_process, sweep):
    """A fresh process, a fresh store in the current folder."""
    done = evalkit_process(str(sweep), module="evalkit.sync").succeeded()
    assert done.err == ""
    assert "3 logged" in done.out
    assert f"mlflow ui --backend-store-uri sqlite:///{done.folder}/mlflow.db --host 127.0.0.1 --port 5000" in done.out
    assert (done.folder / "mlruns").is_dir()
