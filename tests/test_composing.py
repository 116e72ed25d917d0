import pickle

from hydra._internal.config_loader_impl import ConfigLoaderImpl

from evalkit.composing import Composed


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
    monkeypatch.setattr("evalkit.composing.MOST", 2)
    composed = Composed(Loads())
    for number in range(5):
        composed(None, [f"seed={number}"])
    assert len(composed._kept) == 2
    assert pickle.loads(pickle.dumps(composed))._kept == {}


def test_a_sweep_composes_each_combination_once(evalkit, monkeypatch):
    counted = []
    before = ConfigLoaderImpl.load_sweep_config

    def load(self, master_config, sweep_overrides):
        counted.append(tuple(sweep_overrides))
        return before(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", load)
    done = evalkit("-m", "model=random,tfidf", "projection=pca", "seed=0,1", "evaluators=[neighbours]")
    assert done.status == 0, done.err
    assert len(done.runs) == 4
    assert len(counted) == len(set(counted)) == 4
    seeds = [(run / ".hydra" / "overrides.yaml").read_text() for run in done.runs]
    assert len(set(seeds)) == 4
