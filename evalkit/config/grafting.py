"""Combinations of groups put together from compositions that differ in one group each.

Four models, three poolings and two projections are 24 combinations, and Hydra takes 0.1 s to compose one. Where
choosing another model changes the node ``model`` and nothing else, and another projection ``projection`` alone, the
combinations are made of seven compositions: the first, and one for every other choice. That each choice changes nothing
else is seen on the compositions themselves; where it does, or where files are chosen by interpolation, Hydra composes.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

__all__ = ["Family", "interpolated_defaults"]

DEFAULTS = re.compile(r"^defaults:[^\n]*\n(?:[ \t]*(?:-[^\n]*|#[^\n]*)?\n|[ \t]+[^\n]*\n)*", re.MULTILINE)
"""A YAML file's list of defaults."""

META = ("runtime.choices", "overrides.task", "job.override_dirname")
"""What of Hydra's own node tells the combination."""


@dataclass(frozen=True, slots=True, eq=False)
class _Variant:
    """The first with one other choice, and the nodes in which it differs: None where it differs elsewhere too."""

    config: DictConfig
    nodes: frozenset[str] | None


class Family:
    """Compositions of the same options with other choices.

    Parameters
    ----------
    lines
        Overrides of the first.
    config
        What Hydra composed of them.
    """

    def __init__(self, lines: Sequence[str], config: DictConfig) -> None:
        self.lines = tuple(lines)
        self._config = config
        self._variants: dict[str, _Variant] = {}

    def graft(self, lines: Sequence[str], load: Callable[[list[str]], DictConfig]) -> DictConfig | None:
        """The composition of `lines`, which differ from the first's in the choices of groups alone.

        Parameters
        ----------
        load
            Hydra's composition of other lines.

        Returns
        -------
        DictConfig
            Its overrides may still be the first's; None where Hydra has to compose it.
        """
        if len(lines) != len(self.lines):
            return None
        changed = [place for place, (own, line) in enumerate(zip(self.lines, lines, strict=True)) if own != line]
        if not changed or not all(self._is_choice(self.lines[place], lines[place]) for place in changed):
            return None
        variants = [self._variant(place, lines[place], load) for place in changed]
        if len(variants) == 1:
            return copy.deepcopy(variants[0].config)
        touched: list[str] = []
        for variant in variants:
            if variant.nodes is None:
                return None
            touched += variant.nodes
        if len(set(touched)) < len(touched):
            return None  # two choices change one node, and their order matters
        config = copy.deepcopy(self._config)
        for variant in variants:
            for node in variant.nodes or ():
                _plant(config, variant.config, node)
            for group, choice in variant.config.hydra.runtime.choices.items():
                if choice != self._config.hydra.runtime.choices[group]:
                    config.hydra.runtime.choices[group] = choice
        return config

    def _is_choice(self, own: str, line: str) -> bool:
        key, _, choice = line.partition("=")
        known = self._config.hydra.runtime.choices
        plain = re.fullmatch(r"[\w.-]+", choice) is not None
        return own.partition("=")[0] == key and key in known and not key.startswith("hydra") and plain

    def _variant(self, place: int, line: str, load: Callable[[list[str]], DictConfig]) -> _Variant:
        if line not in self._variants:
            config = copy.deepcopy(load([*self.lines[:place], line, *self.lines[place + 1 :]]))
            self._variants[line] = _Variant(config, _differing(self._config, config, line.partition("=")[0]))
        return self._variants[line]


def _plant(config: DictConfig, variant: DictConfig, node: str) -> None:
    """Put a copy of the variant's node in place of the configuration's."""
    taken = copy.deepcopy(variant._get_node(node))
    config.__dict__["_content"][node] = taken
    taken._set_parent(config)  # type: ignore[union-attr]


def _differing(first: DictConfig, other: DictConfig, group: str) -> frozenset[str] | None:
    """Nodes in which the two differ; None where one has others, or Hydra's own differ in more than META."""
    a, b = (OmegaConf.to_container(config, resolve=False) for config in (first, other))
    assert isinstance(a, dict)
    assert isinstance(b, dict)
    if list(a) != list(b):
        return None
    hydra = [_without_meta(each.pop("hydra")) for each in (a, b)]
    choices = [dict(config.hydra.runtime.choices) for config in (first, other)]
    if hydra[0] != hydra[1] or {k: v for k, v in choices[0].items() if k != group} != {
        k: v for k, v in choices[1].items() if k != group
    }:
        return None
    return frozenset(str(key) for key in a if a[key] != b[key])


def _without_meta(hydra: Mapping[str, Any]) -> dict[str, Any]:
    kept = copy.deepcopy(dict(hydra))
    for path in META:
        node, _, last = path.rpartition(".")
        kept[node].pop(last)
    return kept


def interpolated_defaults(loader: Any) -> bool:
    """Whether some file may be chosen by what another choice says: then choices do not stand by themselves."""
    for source in loader.get_sources():
        if source.scheme() == "file":
            if _interpolates(source.path):
                return True
        elif source.scheme() != "structured" and not str(source.path).startswith("hydra"):
            return True  # in a package: not looked into
    return False


@functools.lru_cache(maxsize=8)
def _interpolates(folder: str) -> bool:
    files = (file for ending in ("yaml", "yml") for file in Path(folder).rglob(f"*.{ending}"))
    return any("${" in found[0] for file in files for found in DEFAULTS.finditer(file.read_text(encoding="utf-8")))
