"""Copies of configurations, and their YAML, in a sixth of the time: a sweep makes half a dozen of every job's.

Hydra copies a job's configuration again and again, and OmegaConf makes each node of a copy by its constructor, which
checks what was checked before, and copies its description field by field through pickle's protocol: 5 ms for the 220
nodes of a job. Here a node of a copy gets the fields of its original. And Hydra writes three YAML files
a job by PyYAML's own emitter, 8 ms, where libyaml, which PyYAML brings, takes 1.
"""

from __future__ import annotations

import copy
from typing import Any

import yaml
from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf
from omegaconf.base import Node

__all__ = ["OWN", "OWN_MASKED", "copied", "copy_quickly", "masked", "write_quickly"]

FIELDS = frozenset({"_metadata", "_parent", "_flags_cache", "_content"})
"""Of a container, as this is written for."""

OWN = {kind: kind.__deepcopy__ for kind in (DictConfig, ListConfig)}
"""OmegaConf's own ways, which the tests hold this one against."""

OWN_MASKED = OmegaConf.masked_copy


def copied(container: Any, memo: dict[int, Any]) -> Any:
    """A deep copy of a DictConfig or ListConfig, its parent kept, as OmegaConf's own.

    Parameters
    ----------
    memo
        Python's; a configuration is a tree, so nothing in it is met twice.
    """
    del memo
    return _copied(container, container.__dict__["_parent"])


def _copied(node: Any, parent: Any) -> Any:
    fields = node.__dict__
    new = object.__new__(type(node))
    new.__dict__.update(fields)
    new.__dict__["_metadata"] = _metadata(fields["_metadata"])
    new.__dict__["_parent"] = parent
    content = fields.get("_content")  # a value has `_val` instead, which OmegaConf does not copy either
    cache = fields["_flags_cache"]
    new.__dict__["_flags_cache"] = None if cache is None or "_content" not in fields else dict(cache)
    if isinstance(content, dict):
        new.__dict__["_content"] = {key: _copied(value, new) for key, value in content.items()}
    elif isinstance(content, list):
        new.__dict__["_content"] = [_copied(value, new) for value in content]
    elif isinstance(content, Node):  # a union's
        new.__dict__["_content"] = _copied(content, new)
    return new


def _metadata(described: Any) -> Any:
    new = object.__new__(type(described))
    new.__dict__.update(described.__dict__)
    if described.flags is not None:
        new.flags = dict(described.flags)
    known = described.__dict__.get("resolver_cache")
    if known is not None:
        new.resolver_cache = copy.deepcopy(known) if known else type(known)(*_factory(known))
    return new


def _factory(known: Any) -> tuple[Any, ...]:
    factory = getattr(known, "default_factory", None)
    return () if factory is None else (factory,)


def masked(config: Any, keys: Any) -> Any:
    """A copy of some keys of a DictConfig, as OmegaConf's own `masked_copy`, which copies each node twice."""
    content = config.__dict__["_content"] if isinstance(config, DictConfig) else None
    if not isinstance(content, dict):
        return OWN_MASKED(config, keys)
    kept = [keys] if isinstance(keys, str) else keys
    new = DictConfig({})
    for key, node in content.items():
        if key in kept:
            held = "_content" in node.__dict__
            child = _copied(node, new) if held else AnyNode(node._value(), key, parent=new)
            child._invalidate_flags_cache()  # what it inherits comes from another parent now
            new.__dict__["_content"][key] = child
    new.__dict__["_flags_cache"] = None
    return new


def copy_quickly() -> None:
    """Let OmegaConf copy its containers so, where they are made as this expects."""
    example = (DictConfig({"a": 1}), ListConfig([1]))
    if all(set(container.__dict__) == FIELDS for container in example):
        for kind in OWN:
            kind.__deepcopy__ = copied  # type: ignore[method-assign, assignment]
        OmegaConf.masked_copy = staticmethod(masked)  # type: ignore[method-assign, assignment]


def write_quickly() -> None:
    """Let OmegaConf write YAML by libyaml, where PyYAML was built with it.

    The values are the same, and so is the text but for strings that need escapes.
    """
    from omegaconf import omegaconf as module
    from omegaconf._utils import OmegaConfDumper

    if not getattr(yaml, "__with_libyaml__", False) or not hasattr(module, "get_omega_conf_dumper"):
        return

    class Dumper(yaml.CDumper):
        """With OmegaConf's quotes round what would be read as a number or truth value."""

    Dumper.add_representer(str, OmegaConfDumper.str_representer)  # type: ignore[arg-type]
    module.get_omega_conf_dumper = lambda: Dumper
