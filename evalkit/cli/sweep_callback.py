"""Hydra callback: validates a run before it starts, writes the leaderboard after the last job of a sweep.

It works under every launcher. Hydra turns a callback's exceptions into warnings and lets SystemExit pass, so errors
leave through that. Hydra makes the callback for ``--help`` too: what evaluates is imported where it is needed.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from evalkit.cli.error_messages import explain
from evalkit.cli.sweep_plan import make_room, without_hydra
from evalkit.cli.sweep_state import current
from evalkit.config import launchers
from evalkit.errors import EvaluationError
from evalkit.report import terminal


class SweepCallback(Callback):
    """Checks a run before it starts, and sums up a sweep when it ends."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Refuse a wrong request before its folder is made; what only the job can find out is left to it."""
        from evalkit.cli.jobs import prepare_job

        with _exiting():
            folder = Path(str(config.hydra.run.dir)).absolute()
            state = current()
            if state is not None:
                missing = [each for each in (folder, *folder.parents) if not each.exists()]
                state.new_folder = missing[-1] if missing else folder
            with contextlib.suppress(EvaluationError):  # a model out of reach: the job writes its error.json
                prepare_job(without_hydra(config), config.hydra)
            make_room(folder, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Make ready for the launcher; evalkit's sweeper then plans, another one decides as it goes."""
        with _exiting():
            state = current()
            environment = launchers.prepare(config.hydra.launcher)
            if state is not None:
                state.environment.update(environment)
                state.running = None if str(config.hydra.sweeper._target_).endswith(".EvalkitSweeper") else config

    def on_job_end(self, config: DictConfig, job_return: Any, **_: Any) -> None:
        """Drop the job's configuration: Hydra keeps every job's to the sweep's end, 0.2 MB each."""
        del config
        job_return.cfg = job_return.hydra_cfg = None

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write leaderboard, comparisons and gallery, log the sweep's own run, and list the failures."""
        state = current()
        if state is not None:
            state.running = None
        if status := _close(config):
            sys.exit(status)


def close_broken(config: DictConfig, error: Exception) -> int:
    """Sum up what there is of a sweep whose launcher failed; the exit status."""
    choice = config.hydra.runtime.choices["hydra/launcher"]
    terminal.warn(launchers.complaint(choice, error))
    return _close(config) or 1


def _close(config: DictConfig) -> int:
    from evalkit.cli.sweep_summary import close_sweep

    with _exiting():
        return close_sweep(Path(str(config.hydra.sweep.dir)).absolute(), without_hydra(config))


@contextlib.contextmanager
def _exiting() -> Iterator[None]:
    """Exit with an error's status instead of raising it: Hydra would go on with a warning."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever it is, the check that raised it did not happen
        sys.exit(explain(error))
