import dataclasses

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from evalkit.cli.run import conf_folder
from evalkit.config import schema
from evalkit.config.build import NOT_IDENTIFYING, build
from evalkit.errors import RequestError
from evalkit.pipeline.prepare import neighbours_needed

IDENTIFYING = {"projection", "evaluators", "seed", "k"}


def composed(*overrides):
    schema.register()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        return compose("config", list(overrides))


def choices(group):
    return sorted(file.stem for file in (conf_folder() / group).glob("*.yaml"))


REQUIRED = {
    "hf": ("model.name=owner/model",),
    "precomputed": ("model.path=vectors.npy",),
    "csv": ("dataset.path=a.csv",),
    "jsonl": ("dataset.path=a.jsonl",),
    "parquet": ("dataset.path=a.parquet",),
}


@pytest.mark.parametrize("group", ["model", "dataset", "projection", "pooling", "tracker"])
def test_every_yaml_of_a_group_binds(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", np.ones((4, 2), dtype=np.float32))
    for choice in choices(group):
        extra = ("dataset.path=owner/data",) if (group, choice) == ("dataset", "hf") else REQUIRED.get(choice, ())
        assert build(composed(f"{group}={choice}", *extra)).seed == 0


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (["projection=tsne"], 29), (["projection=tsne", "projection.project.perplexity=4"], 12),
        (["projection=umap"], 14), (["projection=pca"], 0),
    ],
)  # fmt: skip
def test_a_projection_gets_the_neighbours_that_it_needs(options, needed):
    assert neighbours_needed(build(composed(*options)).projection.project, 30) == needed


def test_every_evaluator_yaml_binds():
    names = choices("evaluators")
    assert set(names) == {"neighbours", "separation", "clustering", "probe", "geometry", "map", "hulls", "faithfulness"}
    request = build(composed(f"evaluators=[{','.join(names)}]"))
    assert [choice.name for choice in request.evaluators] == names


def test_the_default_is_all_evaluators_but_the_probe():
    request = build(composed())
    assert {choice.name for choice in request.evaluators} == set(choices("evaluators")) - {"probe"}
    assert request.model == "minilm"
    assert request.projection.name == "tsne"


def test_every_setting_is_classed_as_identifying_or_not():
    assert {field.name for field in dataclasses.fields(schema.Schema)} == NOT_IDENTIFYING | IDENTIFYING
    assert not NOT_IDENTIFYING & IDENTIFYING
    assert set(build(composed()).identifying) == IDENTIFYING


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["seed=4294967296"], "seed must be from 0"),
        (["k=[]"], "k must list different numbers"),
        (["k=[5,5]"], "k must list different numbers"),
        (["model.max_length=0"], "model.max_length must be at least 1"),
        (["dataset.limit=0"], "dataset.limit must be at least 1"),
        (["dataset.conflicts=merge"], "dataset.conflicts cannot be 'merge'"),
        (["model=random", "model.max_length=8"], "model.max_length=8 has no meaning"),
        (["dataset.path=a.csv"], "dataset.path=a.csv has no meaning"),
        (["store=' '"], "store is empty"),
        (["+projection.project.perplexty=3"], "perplexty is no parameter"),
        (["+evaluators.neighbours.evaluate.kk=3"], "kk is no parameter"),
        (["projection.project._target_=evalkit.nowhere.project"], "projection.project cannot be made"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_read(overrides, words):
    """Those that test_refusals does not try through the whole command."""
    with pytest.raises(RequestError) as caught:
        build(composed(*overrides))
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_secrets_are_masked_in_what_the_record_will_hold():
    described = build(composed("tracker.uri='http://anna:geheim@host:5000'")).described
    assert "geheim" not in str(described)
    assert described["tracker"]["uri"].endswith("@host:5000")


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ((), "minilm"),
        (("model.truncate_dim=64",), "minilm (truncate_dim=64)"),
        (("dtype=bfloat16",), "minilm (dtype=bfloat16)"),
        (("model=random",), "random"),
        (("model=tfidf", "dtype=bfloat16"), "tfidf"),
        (("model=random", "model.dimension=8"), "random (dimension=8)"),
        (("model=hf", "model.name=owner/model"), "owner/model"),
        (("model=hf", "model.name=owner/model", "model.label=mine"), "mine"),
    ],
)
def test_options_that_make_another_model_are_in_its_name(overrides, label):
    assert build(composed(*overrides)).model == label
