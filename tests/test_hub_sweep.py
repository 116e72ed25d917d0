"""The canonical sweep through the true download path: the real hub client against a local hub."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from evalkit.records import read_record

CANONICAL = ("-m", "model=bert,distilbert,mpnet,bge", "projection=pca", "evaluators=[neighbours]", "tracker=none")


@pytest.mark.slow
def test_the_four_models_come_from_the_hub_at_their_pinned_revisions(evalkit_process, hub_environment, hub):
    done = evalkit_process(*CANONICAL, "hydra.sweep.dir=sweep", environment=hub_environment)
    assert done.status == 0, done.err
    records = [read_record(folder) for folder in done.runs]
    assert [record.encoder["name"] for record in records] == [
        "google-bert/bert-base-uncased",
        "distilbert/distilbert-base-uncased",
        "sentence-transformers/all-mpnet-base-v2",
        "BAAI/bge-base-en-v1.5",
    ]
    assert [record.encoder["revision"][:8] for record in records] == ["86b5e093", "12040acc", "9a322596", "a5beb1e3"]
    assert [record.encoder["pooling"] for record in records] == ["mean", "mean", "mean", "cls"]
    assert [record.encoder["normalised"] for record in records] == [False, False, True, True]
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
