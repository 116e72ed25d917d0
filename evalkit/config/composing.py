"""Compose a sweep's combinations as few times as can be: Hydra reads and merges thirty files for each.

Three ask for every combination (our check, Hydra's check, the launcher): it is composed once. And of combinations
that differ in values alone, such as a seed's, one is composed; the others are copies of it with their own values.
Combinations of choices are put together from single ones (`grafting`).
"""

from __future__ import annotations

import copy
import functools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit.config.copying import copy_quickly, write_quickly
from evalkit.config.grafting import Family, interpolated_defaults

__all__ = ["Composed", "compose_once"]

MOST = 300
"""Configurations held at a time, of some 0.2 MB each; a longer sweep composes the rest again."""

TEMPLATES = 16
"""Configurations held to be copied: a sweep goes from one choice of groups to the next, seldom back."""

ASKED_AGAIN = 2
"""By Hydra's basic sweeper, which drops what it gets, and by its launcher, which the job then belongs to."""


class Composed:
    """``load_sweep_config`` of a Hydra config loader with a memory.

    Composing costs about 0.1 s, a third of a small run's own cost; a copy a tenth of that. Nothing is remembered
    across processes: a launcher that pickles the loader composes in the job.
    """

    def __init__(self, load: Callable[..., DictConfig], *, grafts: bool = False) -> None:
        self._load = load
        self._grafts = grafts
        self._kept: dict[tuple[str, ...], tuple[DictConfig, int]] = {}
        self._templates: deque[_Template] = deque(maxlen=TEMPLATES)
        self._family: Family | None = None

    def __call__(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The combination's configuration, handed out anew each time it was asked for more than thrice."""
        key = tuple(sweep_overrides)
        config, left = self._kept.pop(key, (None, 0))
        if config is None:
            config, left = self._made(master_config, sweep_overrides), ASKED_AGAIN + 1
        if left > 1 and len(self._kept) < MOST:
            self._kept[key] = config, left - 1
        return config

    def _made(self, master_config: DictConfig, lines: list[str]) -> DictConfig:
        for template in self._templates:
            changed = template.changes(lines)
            if changed is not None:
                return template.copied(lines, changed)
        config = self._grafted(master_config, lines) or self._load(master_config, lines)
        # Kept as a copy: the launcher numbers what it gets.
        if OmegaConf.is_config(config) and lines:
            kept = copy.deepcopy(config)
            self._templates.appendleft(_Template(tuple(lines), kept))
            if self._family is None and not config.hydra.searchpath:
                self._family = Family(lines, kept)
        return config

    def _grafted(self, master_config: DictConfig, lines: list[str]) -> DictConfig | None:
        """The combination from compositions of single choices; None where Hydra has to compose it."""
        if not self._grafts or self._family is None:
            return None
        config = self._family.graft(lines, lambda others: self._load(master_config, others))
        if config is not None:
            _tell_overrides(config, self._family.lines, lines)
        return config

    def __reduce__(self) -> tuple[Any, ...]:
        return Composed, (self._load,)


@dataclass(frozen=True, slots=True, eq=False)
class _Template:
    """A combination as Hydra composed it, of which others are copied."""

    lines: tuple[str, ...]
    config: DictConfig

    def changes(self, lines: Sequence[str]) -> list[str] | None:
        """The overrides that make this combination the other; None where they change more than values.

        A group's choice brings other files, an option of Hydra's own may change how the rest is composed, and a
        list or mapping merges with what is there: Hydra composes those.
        """
        if len(lines) != len(self.lines):
            return None
        changed = [line for line, own in zip(lines, self.lines, strict=True) if line != own]
        keys = [_key(line) for line in lines]
        if keys != [_key(line) for line in self.lines]:
            return None
        for line in changed:
            key = _key(line)
            alone = sum(f"{other}.".startswith(f"{key}.") or f"{key}.".startswith(f"{other}.") for other in keys) == 1
            if not alone or key in self.config.hydra.runtime.choices or key.partition(".")[0] == "hydra":
                return None
            own = self.lines[lines.index(line)]
            if not (_is_value(line) and _is_value(own)):
                return None
        return changed

    def copied(self, lines: Sequence[str], changed: Sequence[str]) -> DictConfig:
        """The configuration of `lines`, its values set by Hydra's own function."""
        from hydra._internal.config_loader_impl import ConfigLoaderImpl

        config = copy.deepcopy(self.config)
        ConfigLoaderImpl._apply_overrides_to_config([_parsed(line) for line in changed], config)
        _tell_overrides(config, self.lines, lines)
        return config


def _tell_overrides(config: DictConfig, before: Sequence[str], lines: Sequence[str]) -> None:
    """Write into Hydra's own node which overrides the configuration is of now."""
    from hydra._internal.config_loader_impl import get_overrides_dirname

    renamed = dict(zip(before, lines, strict=True))
    task = config.hydra.overrides.task
    for place, line in enumerate(task):
        task[place] = renamed.get(line, line)
    settings = config.hydra.job.config.override_dirname
    config.hydra.job.override_dirname = get_overrides_dirname(
        overrides=[_parsed(line) for line in task],
        kv_sep=settings.kv_sep,
        item_sep=settings.item_sep,
        exclude_keys=settings.exclude_keys,
    )


def _key(line: str) -> str:
    return line.partition("=")[0]


@functools.lru_cache(maxsize=1024)
def _parsed(line: str) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(line)


@functools.lru_cache(maxsize=1024)
def _is_value(line: str) -> bool:
    """Whether the override sets one plain value of an option that is there, and nothing else."""
    from hydra.core.override_parser.types import OverrideType
    from hydra.errors import HydraException

    try:
        override = _parsed(line)
    except HydraException:
        return False  # Hydra says what is wrong with it
    if override.type != OverrideType.CHANGE or override.package is not None or override.is_sweep_override():
        return False
    value = override.value()
    return isinstance(value, int | float | str) and "${" not in line and "/" not in override.key_or_group


def compose_once(loader: Any) -> None:
    """Give Hydra's config loader a memory for the sweep that begins."""
    copy_quickly()
    write_quickly()
    known = loader.load_sweep_config
    load = known._load if isinstance(known, Composed) else known
    loader.load_sweep_config = Composed(load, grafts=not interpolated_defaults(loader))
