"""A configuration node → what it names, with its parameters bound and checked against its signature."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from evalkit.errors import RequestError

__all__ = ["bind", "taken"]

OPTIONS = frozenset({"path", "name", "text_column", "label_column"})
"""What a user must say where its target has no default for it."""

_bound: dict[str, functools.partial[Any]] = {}
"""What nodes were bound to in this process, by place, parameters and available options."""

BOUND = 256
"""Of them kept: a sweep over a data set's options has new ones in every job."""


def bind(node: DictConfig, plain: Any, available: Mapping[str, Any], where: str) -> functools.partial[Any]:
    """Instantiate a `_partial_` node and add those of the available options that its target takes.

    Done once a process for all that ask alike: the jobs of a sweep bind the same fifteen, in 1 to 2 ms each.

    Parameters
    ----------
    plain
        The node as JSON values.
    available
        Option → value.
    where
        The node's place in the configuration, for messages.

    Raises
    ------
    RequestError
        Where the target is missing, cannot be imported, lacks a parameter, or has no use for an option that was set.
    """
    key = json.dumps([where, plain, available], sort_keys=True, default=repr)
    if key not in _bound:
        made = _bind_anew(node, available, where)
        if key.count('"_target_"') != 1:  # an object among its arguments is each run's own
            return made
        _bound[key] = made
        while len(_bound) > BOUND:
            del _bound[next(iter(_bound))]
    return _bound[key]


def _bind_anew(node: DictConfig, available: Mapping[str, Any], where: str) -> functools.partial[Any]:
    """Bind.

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
    """Of what is offered to whoever has a use for it: what the target of `bind` takes."""
    target = bound.func.func if isinstance(bound.func, functools.partial) else bound.func
    known = inspect.signature(target).parameters
    return {key: value for key, value in offered.items() if key in known}


def _deepest(error: BaseException) -> str:
    """First line of the error that everything else is about."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names - {"self"}))
