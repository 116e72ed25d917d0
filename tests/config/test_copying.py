import copy
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override, open_dict
from omegaconf.errors import ConfigAttributeError, ReadonlyConfigError, ValidationError

from evalkit.cli.run import conf_folder
from evalkit.config import schema
from evalkit.config.copying import OWN, OWN_MASKED, copied, copy_quickly, masked, write_quickly


@pytest.fixture(autouse=True)
def own_copies(monkeypatch):
    """OmegaConf's way within the test, whatever a sweep in this process has left; and afterwards as before."""
    for kind, way in OWN.items():
        monkeypatch.setattr(kind, "__deepcopy__", way)
    monkeypatch.setattr(OmegaConf, "masked_copy", staticmethod(OWN_MASKED))


class Colour(Enum):
    RED = 1


@dataclass
class Typed:
    number: int = 3
    maybe: float | None = None
    either: int | str = "a"
    colour: Colour = Colour.RED
    where: Path = Path("x")
    raw: bytes = b"x"
    listed: list[int] = field(default_factory=lambda: [1, 2])
    mapped: dict[str, Any] = field(default_factory=lambda: {"k": {"deep": [1, {"x": None}]}})
    pointed: str = "${number}"
    missing: str = "???"


def configurations():
    schema.register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        whole = compose("config", overrides=["model=minilm"], return_hydra_config=True)
    plain = OmegaConf.create({"a": {"b": [1, {"c": "${a.d}"}], "d": 2}, "none": None, 5: True})
    locked = OmegaConf.create({"a": {"b": 1}})
    OmegaConf.set_readonly(locked.a, True)
    OmegaConf.set_struct(locked, True)
    return {
        "a job": whole, "plain": plain, "typed": OmegaConf.structured(Typed), "flags": locked,
        "no content": DictConfig(None), "missing": DictConfig("???"), "pointing": ListConfig("${x}"),
        "a list": OmegaConf.create([1, [2, {"a": 3}], None]),
    }  # fmt: skip


def assert_alike(first, second, where=""):
    """Every field of every node, however deep."""
    assert type(first) is type(second), where
    a, b = first.__dict__, second.__dict__
    assert set(a) == set(b), where
    assert a["_metadata"] == b["_metadata"], where
    assert a["_metadata"] is not b["_metadata"], where
    assert type(a["_metadata"].resolver_cache) is type(b["_metadata"].resolver_cache)
    for name in set(a) - {"_metadata", "_parent", "_content"}:
        assert a[name] == b[name], (where, name)
    x, y = a.get("_content"), b.get("_content")
    if isinstance(x, dict):
        assert list(x) == list(y), where
        for key in x:
            assert y[key].__dict__["_parent"] is second, where
            assert_alike(x[key], y[key], f"{where}.{key}")
    elif isinstance(x, list):
        assert len(x) == len(y), where
        for number, (one, other) in enumerate(zip(x, y, strict=True)):
            assert_alike(one, other, f"{where}[{number}]")
    elif hasattr(x, "_metadata"):
        assert_alike(x, y, f"{where}?")
    else:
        assert x == y


@pytest.mark.parametrize("name", ["a job", "plain", "typed", "flags", "no content", "missing", "pointing", "a list"])
def test_a_copy_is_to_the_field_what_omegaconf_makes(name):
    config = configurations()[name]
    assert_alike(copy.deepcopy(config), copied(config, {}))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("a job", ["model", "seed", "evaluators", "k"]),
        ("a job", "hydra"),
        ("plain", ["a", "none"]),
        ("typed", ["number", "listed", "either", "pointed", "missing", "where"]),
        ("flags", ["a"]),
    ],
)
def test_a_masked_copy_is_to_the_field_what_omegaconf_makes(name, keys):
    config = configurations()[name]
    assert_alike(OWN_MASKED(config, keys), masked(config, keys))


@pytest.mark.parametrize("name", ["missing", "no content", "a list"])
def test_what_has_no_keys_is_refused_as_omegaconf_does(name):
    config = configurations()[name]
    with pytest.raises(Exception) as own:  # noqa: PT011  # whatever it is
        OWN_MASKED(config, "a")
    with pytest.raises(type(own.value)):
        masked(config, "a")


def test_what_is_changed_in_a_copy_is_not_in_its_original():
    config = OmegaConf.create({"a": {"b": [1, 2]}, "c": 1})
    made = copied(config, {})
    made.a.b.append(3)
    made.c = 2
    with open_dict(made):
        made.d = 1
    OmegaConf.set_readonly(made.a, True)
    assert config == {"a": {"b": [1, 2]}, "c": 1}
    config.a.b[0] = 5
    assert made.a.b == [1, 2, 3]


def test_flags_and_types_hold_in_a_copy():
    found = configurations()
    locked, typed = copied(found["flags"], {}), copied(found["typed"], {})
    with pytest.raises(ReadonlyConfigError):
        locked.a.b = 2
    with pytest.raises(ConfigAttributeError):
        locked.nowhere = 1
    with flag_override(locked.a, "readonly", False):
        locked.a.b = 2
    with pytest.raises(ValidationError):
        typed.number = "three"
    assert typed.pointed == "3"


def test_copies_are_made_so_once_asked_for():
    config = OmegaConf.create({"a": [1]})
    copy_quickly()
    assert DictConfig.__deepcopy__ is copied
    assert copy.deepcopy(config) == config
    assert OmegaConf.masked_copy(config, "a") == config
    assert OmegaConf.masked_copy is masked


WORDS = (
    *("plain", "true", "12", "1e3", "0x1F", "null", "~", "", " a ", "a: b", "${x.y}", "it's", 'say "so"', "line\nline"),
    *(
        "#",
        "- x",
        "über",
        "中文",
        "!tag",
        "%",
        "@x",
        "a" * 200,
        "long words " * 20,
        "x\ty",
        "\x07",
        "😀",
        "yes",
        "1:30",
    ),
)


def test_yaml_holds_the_same_values_written_by_libyaml(monkeypatch):
    from omegaconf import omegaconf as module

    monkeypatch.setattr(module, "get_omega_conf_dumper", module.get_omega_conf_dumper)  # taken back afterwards
    job = configurations()["a job"]
    values = OmegaConf.create(
        {f"k{n}": word for n, word in enumerate(WORDS)} | {"l": list(WORDS), "n": [1, 2.5, None, True]}
    )
    before = OmegaConf.to_yaml(job)
    write_quickly()
    assert OmegaConf.to_yaml(job) == before
    written = OmegaConf.to_yaml(values)
    assert OmegaConf.create(written) == values
    assert yaml.safe_load(written)["l"] == list(WORDS)
