import pickle

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from evalkit.cli.run import conf_folder
from evalkit.config import compose_cache, schema
from evalkit.config.compose_cache import ComposeCache

LINES = ["model=tfidf", "seed=1"]


@pytest.fixture
def loader():
    schema.register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


@pytest.fixture
def counted(monkeypatch):
    """The overrides of every job that Hydra composes."""
    lines, load = [], ConfigLoaderImpl.load_sweep_config

    def counting(self, master_config, sweep_overrides):
        lines.append(tuple(sweep_overrides))
        return load(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", counting)
    return lines


def test_what_was_composed_is_handed_out_once_and_equals_hydras(loader, counted, monkeypatch):
    master = loader.load_configuration("config", [], RunMode.MULTIRUN)
    cache = ComposeCache(loader)
    first = cache.compose(master, LINES)
    assert pickle.loads(pickle.dumps(cache)).load_sweep_config(master, LINES) == first
    assert cache.load_sweep_config(master, LINES) is first
    again = cache.load_sweep_config(master, LINES)
    assert again is not first
    assert again == first == loader.load_sweep_config(master, LINES)
    monkeypatch.setattr(compose_cache, "LIMIT", 0)
    cache.compose(master, LINES)
    cache.load_sweep_config(master, LINES)
    assert len(counted) == 6


def test_each_job_of_a_sweep_is_composed_once(evalkit, counted):
    done = evalkit("-m", "model=random,tfidf", "projection=pca", "seed=0,1", "evaluators=[neighbours]").succeeded()
    assert len(done.runs) == len(counted) == len(set(counted)) == 4
    assert len({(run / ".hydra" / "overrides.yaml").read_text() for run in done.runs}) == 4
