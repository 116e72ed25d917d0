"""Targets of version 0.1's YAMLs, which still work and say so."""

from importlib import import_module

import pytest
from hydra import compose, initialize_config_dir

from evalkit.cli.run import conf_folder
from evalkit.config import schema
from evalkit.config.build import build
from evalkit.config.instantiate import MOVED
from evalkit.records import read_record

OLD = """
defaults: [csv]
load:
  _target_: evalkit.datasets.csv_file.load
"""


@pytest.mark.parametrize("old", MOVED)
def test_a_module_that_moved_is_where_the_table_says(old):
    named = {"map": "evaluate", "mlflow_tracker": "MlflowTracker", "none": "NoTracker"}
    assert callable(getattr(import_module(MOVED[old]), named.get(old.rpartition(".")[2], "load")))


def test_an_old_target_is_the_same_request_with_a_warning():
    schema.register()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        new = build(compose("config"))
        old = build(compose("config", ["evaluators.map.evaluate._target_=evalkit.metrics.map.evaluate"]))
    assert new.warnings == ()
    assert [text.partition(":")[0] for text in old.warnings] == ["_target_ evalkit.metrics.map.evaluate has moved"]
    assert (old.identifying, old.described) == (new.identifying, new.described)


def test_an_old_yaml_runs_and_says_once_what_to_write(evalkit, tmp_path):
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "mine.yaml").write_text(OLD, encoding="utf-8")
    (tmp_path / "texts.csv").write_text("text,label\na b,x\nb c,x\nc d,y\nd e,y\n", encoding="utf-8")
    options = (f"--config-dir={tmp_path / 'conf'}", "dataset=mine", f"dataset.path={tmp_path / 'texts.csv'}")
    quick = ("model=tfidf,random", "projection=pca", "evaluators=[neighbours]", "hydra.sweep.dir=sweep")
    done = evalkit("-m", *options, *quick).succeeded()
    assert done.err.count("write evalkit.datasets.csv_reader.load") == 1
    for run in done.runs:
        assert any("evalkit.datasets.csv_file.load has moved" in text for text in read_record(run).warnings)
