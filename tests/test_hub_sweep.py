"""The canonical sweep through the true download path: the real hub client against a local hub."""

import json

import pandas as pd
import pytest

from evalkit.records import read_record

CANONICAL = ("-m", "model=bert,distilbert,mpnet,bge", "projection=pca", "evaluators=[neighbours]", "tracker=none")


@pytest.mark.slow
def test_the_four_models_come_from_the_hub_at_their_pinned_revisions(evalkit_process, hub_environment, hub):
    done = evalkit_process(*CANONICAL, "hydra.sweep.dir=sweep", environment=hub_environment).succeeded()
    records = [read_record(folder) for folder in done.runs]
    encoders = [record.encoder for record in records]
    assert [(each["name"], each["revision"][:8], each["pooling"], each["normalised"]) for each in encoders] == [
        ("google-bert/bert-base-uncased", "86b5e093", "mean", False),
        ("distilbert/distilbert-base-uncased", "12040acc", "mean", False),
        ("sentence-transformers/all-mpnet-base-v2", "9a322596", "mean", True),
        ("BAAI/bge-base-en-v1.5", "a5beb1e3", "cls", True),
    ]
    assert len(pd.read_csv(done.folder / "sweep" / "leaderboard.csv")) == 4
    asked = len(hub.requests)
    again = evalkit_process(*CANONICAL, "hydra.sweep.dir=again", "reuse=false", environment=hub_environment)
    assert again.status == 0, again.err
    assert len(hub.requests) == asked, "pinned and cached: the hub is not asked again"


@pytest.mark.slow
def test_an_unreachable_hub_fails_its_models_and_no_others(evalkit_process, hub_environment):
    environment = {**hub_environment, "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = evalkit_process(
        "-m", "model=bert,bge,random", *CANONICAL[2:], "hydra.sweep.dir=sweep", environment=environment
    )
    assert done.status == 1
    assert len(done.runs) == 1
    assert "2 of the sweep's evaluations failed" in done.err
    for number in (0, 1):
        error = json.loads((done.folder / "sweep" / str(number) / "error.json").read_text())
        assert "model=minilm" in error["message"] or "cache" in error["message"]
        assert "traceback" not in error
    assert "Traceback" not in done.err
