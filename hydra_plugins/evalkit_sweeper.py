"""Hydra sweeper: checks every combination before the first job starts, and composes each one once.

Hydra finds plugins in the namespace `hydra_plugins` only, and imports them in every Hydra application of an
environment; so what evaluates is imported where it is needed.
"""

# No `from __future__ import annotations`: Hydra runs the module before it is in sys.modules, where dataclasses look.
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@dataclass
class SweeperSchema:
    """Options of the node `hydra.sweeper`, as Hydra's basic sweeper has them."""

    _target_: str = "hydra_plugins.evalkit_sweeper.EvalkitSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="evalkit", node=SweeperSchema, provider="evalkit")


class EvalkitSweeper(Sweeper):
    """Launch every combination of the values that the overrides list, `max_batch_size` jobs at a time (default: all).

    The overrides in `params` come before the command line's.
    """

    def __init__(self, max_batch_size: int | None, params: dict[str, str]) -> None:
        self._batch = max_batch_size
        self._params = [f"{key}={value}" for key, value in params.items()]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher, with a config loader that hands out what the plan composed."""
        from evalkit.config.compose_cache import ComposeCache

        self._config = config
        self._parser = OverridesParser.create(config_loader=hydra_context.config_loader)
        self._loader = ComposeCache(hydra_context.config_loader)
        context = HydraContext(cast(ConfigLoader, self._loader), hydra_context.callbacks)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Check and plan all jobs, then launch them."""
        from evalkit.cli.sweep_plan import plan_sweep
        from evalkit.cli.sweep_state import current

        combinations = self._combinations(arguments)
        plan_sweep(self._config, (self._loader.compose(self._config, combination) for combination in combinations))
        OmegaConf.save(self._config, Path(str(self._config.hydra.sweep.dir)) / "multirun.yaml")
        state = current()
        if state is not None:
            state.running = self._config
        done, size = [], self._batch or len(combinations)
        for first in range(0, len(combinations), size):
            done.append(self._launcher.launch(combinations[first : first + size], initial_job_idx=first))
            for job in done[-1]:
                _ = job.return_value  # raises what kept a job from starting
        return done

    def _combinations(self, arguments: Sequence[str]) -> list[list[str]]:
        """The overrides of every job: the product of all lists of values."""
        from evalkit.errors import RequestError

        choices: dict[str, list[str]] = {}
        for override in self._parser.parse_overrides([*self._params, *arguments]):
            key: Any = override.get_key_element()
            if not override.is_sweep_override():
                choices[key] = [f"{key}={override.get_value_element_as_str()}"]
            elif override.is_discrete_sweep():
                choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            else:
                raise RequestError(f"{override.input_line} names no single values: list them, or use range(…).")
        return [list(combination) for combination in itertools.product(*choices.values())]
