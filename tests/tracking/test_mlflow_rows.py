"""What is written to MLflow's tables in one transaction is what MLflow writes itself."""

from __future__ import annotations

import sqlite3
import time
from types import SimpleNamespace

import pytest

from evalkit.tracking import mlflow_rows, mlflow_store
from evalkit.tracking.mlflow_rows import none_tagged, write_rows

METRICS = {
    "neighbours/precision_at_5": 0.25,
    "neighbours/precision_at_5.chance": 1 / 3,
    "map/silhouette": -0.5,
    "one with a space": 1e-300,
    "large": 1.5e300,
    "whole": 3,
}


@pytest.fixture
def client(tmp_path):
    mlflow_store.prepare_environment()
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db", f"sqlite:///{tmp_path}/mlflow.db")


NOTHING = {"metrics": [], "latest_metrics": [], "params": [], "tags": []}


def new_run(client):
    return client.create_run("0").info.run_id


PARAMS = {"model": "minilm", "evaluators.map.space": "map", "k": "[1, 5, 10]", "prompt": "", "long": "ü" * 6_000}

TAGS = {"mlflow.note.content": "# A note\n\n| a | b |\n|---|---|\n", "evalkit.more": "x"}


def by_mlflow(client, run_id, metrics, params, tags, now):
    from mlflow.entities import Metric, Param, RunTag

    client.log_batch(
        run_id,
        [Metric(name, value, now, 0) for name, value in metrics.items()],
        [Param(name, value) for name, value in params.items()],
        [RunTag(name, value) for name, value in tags.items()],
    )


def rows(tmp_path, run_id):
    """All columns but the run's of the tables, but for the tag that MLflow gives every run a random name by."""
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.row_factory = sqlite3.Row
        return {
            table: sorted(
                tuple((name, row[name]) for name in sorted(row.keys()) if name != "run_uuid")
                for row in database.execute(
                    f"select * from {table} where run_uuid = ? and key != 'mlflow.runName'", (run_id,)
                )
            )
            for table in ("metrics", "latest_metrics", "params", "tags")
        }


def test_the_rows_are_those_that_mlflow_writes(client, tmp_path):
    ours, theirs, now = new_run(client), new_run(client), int(time.time() * 1000)
    assert write_rows(client, ours, METRICS, PARAMS, TAGS, now)
    by_mlflow(client, theirs, METRICS, PARAMS, TAGS, now)
    found = rows(tmp_path, ours)
    assert found == rows(tmp_path, theirs)
    assert [len(entries) for entries in found.values()] == [len(METRICS), len(METRICS), len(PARAMS), len(TAGS)]
    assert client.get_run(ours).data.metrics == METRICS
    histories = [client.get_metric_history(run, "whole")[0].to_dictionary() for run in (ours, theirs)]
    assert histories[0] == histories[1]


def test_more_can_be_logged_to_the_run_afterwards(client):
    run = new_run(client)
    write_rows(client, run, {"a": 1.0}, {}, {}, 1_000)
    client.log_metric(run, "a", 2.0, timestamp=2_000)
    assert client.get_run(run).data.metrics == {"a": 2.0}
    assert [entry.value for entry in client.get_metric_history(run, "a")] == [1.0, 2.0]


def test_no_metrics_are_written_as_none(client, tmp_path):
    run = new_run(client)
    assert write_rows(client, run, {}, {}, {}, 1_000)
    assert rows(tmp_path, run) == NOTHING


@pytest.mark.parametrize("name", ["../up", "a//b", "/a", "quote'", "a" * 251, "semi;colon", "über", ""])
def test_a_name_that_mlflow_might_refuse_is_left_to_mlflow(client, tmp_path, name):
    run = new_run(client)
    assert not write_rows(client, run, {"fine": 1.0, name: 1.0}, {}, {}, 1_000)
    assert rows(tmp_path, run) == NOTHING


def test_what_is_not_as_expected_is_left_to_mlflow(client, monkeypatch):
    run = new_run(client)
    server = SimpleNamespace(_tracking_client=SimpleNamespace(store=object()))
    assert not write_rows(server, run, {"a": 1.0}, {}, {}, 1_000)
    assert not write_rows(SimpleNamespace(), run, {"a": 1.0}, {}, {}, 1_000)
    for kind in ("VALUES", "WORDS"):
        with monkeypatch.context() as later:
            later.setattr(mlflow_rows, kind, getattr(mlflow_rows, kind) | {"added by a later version"})
            assert not write_rows(client, run, {"a": 1.0}, {}, {}, 1_000)
    for params, tags in (({"p": "x" * 6_001}, {}), ({}, {"t": "x" * 6_001}), ({}, {"mlflow.runName": "x"})):
        assert not write_rows(client, run, {"a": 1.0}, params, tags, 1_000)
    assert client.get_run(run).data.metrics == {}


def test_a_run_that_is_not_there_gets_no_metrics(client, tmp_path):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException):
        write_rows(client, "0" * 32, {"a": 1.0}, {}, {}, 1_000)
    assert rows(tmp_path, "0" * 32) == NOTHING


def test_no_run_with_a_tag_is_certain_only_where_the_tables_say_so(client, monkeypatch):
    run = new_run(client)
    client.set_tag(run, "evalkit.identity", "abc")
    assert none_tagged(client, "evalkit.identity", "abd")
    assert none_tagged(client, "evalkit.sweep", "abc")
    assert not none_tagged(client, "evalkit.identity", "abc")
    assert not none_tagged(SimpleNamespace(), "evalkit.identity", "abd")
    monkeypatch.setattr(mlflow_rows, "WORDS", {"others"})
    assert not none_tagged(client, "evalkit.identity", "abd")
