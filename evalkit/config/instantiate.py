"""Instantiate configuration nodes, with their parameters checked against the signature of what they name."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from evalkit.errors import RequestError

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
    """Replace `_target_`s of version 0.1 by those of today; the configuration, and a warning for each."""
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
    """Instantiate a `_partial_` node (at `where`, for messages) with those of the available options that it takes.

    An option that was set (is neither None nor False) and that the target does not take is refused:
    an option accepted and ignored would mislead.
    """
    if not node or "_target_" not in node:
        raise RequestError(f"{where} names no _target_, so nothing can be made of it: see conf/ for examples.")
    try:
        partial = instantiate(node)
    except InstantiationException as error:
        raise RequestError(f"{where} cannot be made ({_deepest(error)}): correct its _target_.") from None
    if not isinstance(partial, functools.partial):
        raise RequestError(f"{where} needs `_partial_: true` beside its _target_ {node['_target_']}: add it.")
    group, target = where.partition(".")[0], node["_target_"]
    known = inspect.signature(partial.func).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    for key in partial.keywords:
        if key not in known and not takes_any:
            listed = ", ".join(sorted(set(known) - {"self"}))
            raise RequestError(f"{where}.{key} is no parameter of {target}: it takes {listed}.")
    for key, value in available.items():
        if key not in known and key not in partial.keywords and value is not None and value is not False:
            raise RequestError(f"{group}.{key}={value} has no meaning for {target}: leave it out.")
    extra = {key: value for key, value in available.items() if key in known and key not in partial.keywords}
    for key in [key for key in known if key in OPTIONS and key not in {**partial.keywords, **extra}]:
        if known[key].default is inspect.Parameter.empty:
            raise RequestError(f"{group}.{key} has no value: give one on the command line, {group}.{key}=….")
    return functools.partial(partial, **extra)


def taken(bound: functools.partial[Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `offered` that the target of `bind` has a parameter for."""
    known = inspect.signature(bound.func).parameters
    return {key: value for key, value in offered.items() if key in known}


def _deepest(error: BaseException) -> str:
    """First line of the error's first cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]
