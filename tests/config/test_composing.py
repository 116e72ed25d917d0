import copy
import pickle
import re
import subprocess
import sys

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from evalkit.cli.run import conf_folder
from evalkit.cli.sweep_callback import strip
from evalkit.config import schema
from evalkit.config.composing import Composed
from evalkit.config.grafting import interpolated_defaults


class Loads:
    """A config loader's method that counts."""

    def __init__(self):
        self.asked = []

    def __call__(self, master_config, sweep_overrides):
        self.asked.append(tuple(sweep_overrides))
        return {"of": tuple(sweep_overrides), "number": len(self.asked)}


def test_three_who_ask_get_one_composition_and_a_fourth_a_new_one():
    loads = Loads()
    composed = Composed(loads)
    first = composed(None, ["seed=0"])
    assert composed(None, ["seed=1"]) is not first
    assert composed(None, ["seed=0"]) is first
    assert composed(None, ["seed=0"]) is first
    assert composed(None, ["seed=0"]) is not first
    assert loads.asked == [("seed=0",), ("seed=1",), ("seed=0",)]


def test_what_is_held_is_bounded_and_stays_in_this_process(monkeypatch):
    monkeypatch.setattr("evalkit.config.composing.MOST", 2)
    composed = Composed(Loads())
    for number in range(5):
        composed(None, [f"seed={number}"])
    assert len(composed._kept) == 2
    assert pickle.loads(pickle.dumps(composed))._kept == {}


SWEEPS = {
    "values": (["model=random"], [["seed=0", "pooling=mean"], ["seed=1", "pooling=mean"], ["seed=2", "pooling=cls"]]),
    "choices of several groups": (
        ["dataset.limit=20"],
        [[f"model={model}", f"pooling={pooling}", f"projection={projection}", f"seed={seed}"]
         for model in ("random", "tfidf", "minilm") for pooling in ("mean", "cls") for projection in ("tsne", "umap")
         for seed in (0, 1)],
    ),
    "a choice with values of its own": (
        [],
        [[f"model={model}", "model.max_length=64", f"projection={projection}", f"theme={theme}"]
         for model in ("bert", "minilm") for projection in ("tsne", "pca") for theme in ("light", "dark")],
    ),
    "a choice that changes others": (
        [],
        [[f"experiment={experiment}", f"projection={projection}", "model=random"]
         for experiment in ("offline", "seeds") for projection in ("tsne", "pca")],
    ),
    "groups between": (
        [],
        [["model=random", "projection=pca", "seed=0"], ["model=tfidf", "projection=pca", "seed=0"],
         ["model=random", "projection=pca", "seed=1"], ["model=tfidf", "projection=umap", "seed=1"]],
    ),
    "nested and quoted": (
        ["dataset=csv"],
        [["dataset.path='a b.csv'", "model.prompt='query: '"], ["dataset.path=c.csv", "model.prompt='other, '"]],
    ),
    "lists and references": (
        [],
        [["k=[1,5]", "store=${oc.env:HOME}/a"], ["k=[1]", "store=${oc.env:HOME}/b"], ["k=null", "store=c"]],
    ),
    "one within another": ([], [["tracker=none", "dataset={limit: 5}", "dataset.limit=7"],
                                ["tracker=none", "dataset={limit: 5}", "dataset.limit=8"]]),
    "added and removed": ([], [["+dataset.loud=1", "~theme", "seed=1"], ["+dataset.loud=2", "~theme", "seed=2"]]),
    "of Hydra": ([], [["hydra.job.name=a", "seed=1"], ["hydra.job.name=b", "seed=1"], ["hydra.job.name=b", "seed=2"]]),
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_a_copy_is_what_hydra_composes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    constant, combinations = SWEEPS[name]
    schema.register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", constant, RunMode.MULTIRUN)
        composed = Composed(loader.load_sweep_config, grafts=True)
        for lines in combinations:
            given, expected = (
                composed(master, [*constant, *lines]),
                loader.load_sweep_config(master, [*constant, *lines]),
            )
            with open_dict(given):  # as the launcher does; no later copy may have it
                given.hydra.job.id = expected.hydra.job.id = "7"
            assert given == expected
            assert OmegaConf.to_yaml(given) == OmegaConf.to_yaml(expected)
            assert OmegaConf.to_container(strip(given), resolve=True) == OmegaConf.to_container(
                strip(expected), resolve=True
            )
            assert given._metadata.resolver_cache == expected._metadata.resolver_cache
            assert OmegaConf.is_struct(given)


def test_of_combinations_that_differ_in_values_one_is_composed(evalkit, monkeypatch):
    counted = []
    before = ConfigLoaderImpl.load_sweep_config

    def load(self, master_config, sweep_overrides):
        counted.append(tuple(sweep_overrides))
        return before(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", load)
    done = evalkit("-m", "model=random,tfidf", "projection=pca", "seed=0,1", "evaluators=[neighbours]")
    assert done.status == 0, done.err
    assert len(done.runs) == 4
    assert len(counted) == 2
    seeds = [(run / ".hydra" / "overrides.yaml").read_text() for run in done.runs]
    assert len(set(seeds)) == 4


@pytest.mark.parametrize("lines", [["seed=zero"], ["sede=1"], ["theme=[light"]])
def test_a_wrong_value_is_refused_as_hydra_does(lines):
    schema.register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", [], RunMode.MULTIRUN)
        composed = Composed(loader.load_sweep_config)
        composed(master, ["seed=0"])
        with pytest.raises(HydraException) as expected:
            loader.load_sweep_config(master, lines)
        with pytest.raises(type(expected.value), match=re.escape(str(expected.value))):
            composed(master, lines)


def test_a_copied_repository_shares_the_store_and_composing_leaves_the_store_alone():
    schema.register()
    store = ConfigStore.instance()
    assert copy.deepcopy({"of": store})["of"] is store
    assert pickle.loads(pickle.dumps(store)).__deepcopy__(None) is not store  # another process has its own
    before = str(store.repo)
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", ["theme=dark", "+dataset.loud=1"], RunMode.RUN)
        config.hydra.job.id = "7"
    assert str(store.repo) == before


def test_help_loads_nothing_that_evaluates():
    script = (
        "import atexit, sys\nfrom evalkit.run import main\nsys.argv[1:] = ['--help']\n"
        "heavy = {'numpy', 'numba', 'pandas', 'torch', 'mlflow', 'matplotlib'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "projection: pca, tsne, umap" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def composed_of(folder, combinations, **options):
    """What is made of the combinations over `folder`, and the lines that Hydra composed for it."""
    asked = []
    with initialize_config_dir(str(folder), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", [], RunMode.MULTIRUN)

        def load(master_config, lines):
            asked.append(tuple(lines))
            return loader.load_sweep_config(master_config, lines)

        composed = Composed(load, **options)
        made = [composed(master, list(lines)) for lines in combinations]
        expected = [loader.load_sweep_config(master, list(lines)) for lines in combinations]
        return made, expected, asked, interpolated_defaults(loader)


def test_combinations_of_choices_are_put_together_from_single_ones():
    schema.register()
    combinations = [
        (f"model={model}", f"pooling={pooling}", f"projection={projection}")
        for model in ("bert", "distilbert", "mpnet", "bge")
        for pooling in ("mean", "cls", "max")
        for projection in ("tsne", "umap")
    ]
    made, expected, asked, interpolated = composed_of(conf_folder(), combinations, grafts=True)
    assert made == expected
    assert not interpolated
    assert len(asked) == 1 + 3 + 2 + 1


CONFIGURATIONS = {
    # files → whether choices stand by themselves
    "apart": ({"config": "defaults:\n- a: x\n- b: x\n- _self_\n", "a/x": "v: 1", "a/y": "v: 2", "b/x": "v: 1",
               "b/y": "v: 3"}, True),
    "chosen by what another says": ({"config": "defaults:\n- a: x\n- b: x\n- optional c: ${a}_${b}\n",
                                     "a/x": "v: 1", "a/y": "v: 2", "b/x": "v: 1", "b/y": "v: 3",
                                     "c/y_y": "v: 9"}, False),
    "one node of two choices": ({"config": "defaults:\n- a: x\n- b: x\n", "a/x": "v: 1",
                                 "a/y": "# @package _global_\nshared: a", "b/x": "v: 1",
                                 "b/y": "# @package _global_\nshared: b"}, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_choices_that_hang_together_are_composed_by_hydra(name, tmp_path):
    files, apart = CONFIGURATIONS[name]
    for file, content in files.items():
        (tmp_path / f"{file}.yaml").parent.mkdir(exist_ok=True)
        (tmp_path / f"{file}.yaml").write_text(content + "\n")
    combinations = [(f"a={a}", f"b={b}") for a in "xy" for b in "xy"]
    *_, interpolated = composed_of(tmp_path, combinations[:1])
    made, expected, asked, _ = composed_of(tmp_path, combinations, grafts=not interpolated)
    assert made == expected
    assert [OmegaConf.to_yaml(config) for config in made] == [OmegaConf.to_yaml(config) for config in expected]
    assert (combinations[-1] not in asked) == apart
