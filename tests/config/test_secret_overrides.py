"""Secrets of the command line and of a configuration reach the run, and none of Hydra's files."""

import os

import pytest
from omegaconf import OmegaConf

from evalkit.config.secret_overrides import guard
from evalkit.records import read_record

QUICK = ("model=random", "projection=pca", "evaluators=[neighbours]")
fault = pytest.mark.fault
AWAY = "http://anna:geheim@127.0.0.1:9"


@pytest.fixture(autouse=True)
def _variables(monkeypatch):
    for name in (f"EVALKIT_SECRET_{number}{suffix}" for number in range(20) for suffix in ("", "_1")):
        monkeypatch.setenv(name, "")  # so that what is set is taken back


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (f"tracker.uri={AWAY}", AWAY),
        (f"tracker.uri='{AWAY}'", AWAY),
        ("tracker.uri=http://anna:p;w=(%geheim@h", "http://anna:p;w=(%geheim@h"),
        ("x.api_key=geheim", "geheim"),
        ("+tracker.password='ge heim'", "ge heim"),
        ("queries=['my password: geheim?',b]", ["my password: geheim?", "b"]),
        ("+x={token: geheim, n: 3}", {"token": "geheim", "n": 3}),
    ],
)
def test_a_secret_is_moved_and_means_the_same(argument, value):
    (guarded,) = guard([argument])
    assert "geheim" not in guarded
    key, _, reference = guarded.partition("=")
    assert OmegaConf.create({key: reference.strip("'")})[key] == value


def test_each_value_of_a_sweep_stays_one():
    (guarded,) = guard([f"tracker.uri={AWAY},{AWAY}2"])
    assert guarded == "tracker.uri=${oc.env:EVALKIT_SECRET_0},${oc.env:EVALKIT_SECRET_0_1}"
    assert (os.environ["EVALKIT_SECRET_0"], os.environ["EVALKIT_SECRET_0_1"]) == (AWAY, f"{AWAY}2")


@pytest.mark.parametrize("argument", ["seed=0,1", "pooling=last_token", "-m", "queries=[cat]", "model.name=a/b"])
def test_what_holds_none_is_left_alone(argument):
    assert guard([argument]) == [argument]


def test_a_configuration_that_is_shown_has_the_mask(evalkit):
    done = evalkit("--cfg=job", "--resolve", "tracker=mlflow", f"tracker.uri='{AWAY}'", tracked=True)
    assert done.status == 0
    assert "uri: http://anna:***@127.0.0.1:9" in done.out
    assert "geheim" not in done.out + done.err


def test_queries_that_look_like_secrets_are_the_queries_and_differ_where_a_secret_would_stand(evalkit):
    done = evalkit("-m", *QUICK, "queries=['token: zebra',cat],['token: kiwi']", "hydra.sweep.dir=sweep").succeeded()
    answers = [read_record(run).queries for run in done.runs]
    assert [[entry["query"] for entry in queries] for queries in answers] == [["token: zebra", "cat"], ["token: kiwi"]]


@pytest.mark.parametrize("flags", [["hydra.run.dir=run"], ["-m", "hydra.sweep.dir=run"]])
@pytest.mark.parametrize(
    "own",
    [
        pytest.param(False, marks=fault("security", "a password in tracker.uri", "a run and a sweep; all searched")),
        pytest.param(True, marks=fault("security", "a password in one's own YAML", "a run and a sweep; all searched")),
    ],
)
def test_no_file_and_no_message_holds_a_password(evalkit, tmp_path, monkeypatch, own, flags):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    chosen = ("tracker=mlflow", "tracker.uri=http://anna:p;w=(%geheim@127.0.0.1:9")  # any signs
    if own:
        (tmp_path / "conf" / "tracker").mkdir(parents=True)
        (tmp_path / "conf" / "tracker" / "own.yaml").write_text(f"defaults: [mlflow]\nuri: {AWAY}\n", encoding="utf-8")
        chosen = (f"--config-dir={tmp_path / 'conf'}", "tracker=own")
    done = evalkit(*QUICK, *flags, *chosen, tracked=True).succeeded()
    assert "no server answers at http://anna:***@127.0.0.1:9" in done.err  # so the address did reach the tracker
    assert "geheim" not in done.out + done.err
    assert {"config.yaml", "hydra.yaml", "overrides.yaml"} <= {file.name for file in done.folder.rglob("*.yaml")}
    assert holding(done.folder) == []


def test_a_secret_in_a_models_label_is_shown_nowhere(evalkit):
    done = evalkit("-m", *QUICK, "model.label='x?token=geheim'", "hydra.sweep.dir=sweep").succeeded()
    assert "x?token=***" in (done.folder / "sweep" / "leaderboard.csv").read_text(encoding="utf-8")
    assert holding(done.folder) == []


def holding(folder):
    return [str(file) for file in folder.rglob("*") if file.is_file() and b"geheim" in file.read_bytes()]
