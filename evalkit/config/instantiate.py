"""Instantiate configuration nodes, with their parameters checked against the signature of what they name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from evalkit.errors import RequestError

__all__ = ["bind", "current_targets", "taken"]

OPTIONS = frozenset({"path", "name", "text_column", "label_column"})
"""Options that the user must give where the target has no default for them."""

MOVED = {
    "evalkit.datasets.csv_file": "evalkit.datasets.csv_reader",
    "evalkit.datasets.hub": "evalkit.datasets.hub_reader",
    "evalkit.datasets.jsonl_file": "evalkit.datasets.jsonl_reader",
    "evalkit.datasets.parquet_file": "evalkit.datasets.parquet_reader",
    "evalkit.datasets.topics": "evalkit.datasets.thirty_words",
    "evalkit.metrics.map": "evalkit.metrics.map_separation",
    "evalkit.trackers.mlflow_tracker": "evalkit.tracking.mlflow_tracker",
    "evalkit.trackers.none": "evalkit.tracking.none",
}
"""Modules that the YAMLs of version 0.1 named → where they are now; kept for one version."""


def current_targets(config: DictConfig) -> tuple[DictConfig, tuple[str, ...]]:
    """Replace `_target_`s of version 0.1 by those of today.

    Returns
    -------
    DictConfig
        The configuration, or a copy where something was replaced.
    tuple of str
        A warning for each `_target_` that was replaced.
    """
    warnings: dict[str, None] = {}

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: target(value) if key == "_target_" else replaced(value) for key, value in node.items()}
        return [replaced(entry) for entry in node] if isinstance(node, list) else node

    def target(name: Any) -> Any:
        module, _, attribute = str(name).rpartition(".")
        if module not in MOVED:
            return name
        new = f"{MOVED[module]}.{attribute}"
        warnings[f"_target_ {name} has moved: write {new}, as the next version will not find the old name."] = None
        return new

    plain = replaced(OmegaConf.to_container(config, resolve=False))
    return (OmegaConf.create(plain) if warnings else config), tuple(warnings)


def bind(node: DictConfig, available: Mapping[str, Any], where: str) -> functools.partial[Any]:
    """Instantiate a `_partial_` node and add those of the available options that its target takes.

    An option that was set (is neither None nor False) and that the target does not take is refused:
    an option accepted and ignored would mislead.

    Parameters
    ----------
    available
        Option → value.
    where
        The node's place in the configuration, for messages.

    Raises
    ------
    RequestError
        The target is missing, cannot be imported, lacks a parameter, or has no use for an option that was set.
    """
    if not node or "_target_" not in node:
        raise RequestError(f"{where} names no _target_, so nothing can be made of it: see conf/ for examples.")
    try:
        partial = instantiate(node)
    except InstantiationException as error:
        raise RequestError(f"{where} cannot be made ({_deepest(error)}): correct its _target_.") from None
    if not isinstance(partial, functools.partial):
        raise RequestError(f"{where} needs `_partial_: true` beside its _target_ {node['_target_']}: add it.")
    signature = inspect.signature(partial.func)
    known = set(signature.parameters)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for key in partial.keywords:
        if key not in known and not takes_any:
            raise RequestError(f"{where}.{key} is no parameter of {node['_target_']}: it takes {_listed(known)}.")
    extra: dict[str, Any] = {}
    for key, value in available.items():
        if key in partial.keywords:
            continue
        if key in known:
            extra[key] = value
        elif value is not None and value is not False:
            group = where.partition(".")[0]
            raise RequestError(f"{group}.{key}={value} has no meaning for {node['_target_']}: leave it out.")
    bound = {**partial.keywords, **extra}
    for key, parameter in signature.parameters.items():
        if key in OPTIONS and parameter.default is parameter.empty and key not in bound:
            group = where.partition(".")[0]
            raise RequestError(f"{group}.{key} has no value: give one on the command line, {group}.{key}=….")
    return functools.partial(partial, **extra)


def taken(bound: functools.partial[Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `offered` that the target of `bind` has a parameter for."""
    target = bound.func.func if isinstance(bound.func, functools.partial) else bound.func
    known = inspect.signature(target).parameters
    return {key: value for key, value in offered.items() if key in known}


def _deepest(error: BaseException) -> str:
    """First line of the error's first cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names - {"self"}))
