"""What brackets a run or a sweep: everything is checked before the first job, and summed up after the last.

A Hydra callback, so that it works under every launcher. Hydra turns a callback's exceptions into warnings
and lets SystemExit pass: a wrong request leaves through that, with status 2. Hydra makes the callback for ``--help``
too, so what evaluates is imported where it is needed.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from evalkit.config import launchers
from evalkit.config.composing import compose_once
from evalkit.errors import EvalkitError, EvaluationError, RequestError
from evalkit.report import terminal

if TYPE_CHECKING:
    from evalkit.pipeline.request import Prepared

__all__ = ["Bracket", "close_broken", "first_missing", "is_chosen", "prepared_before", "strip", "under_way"]

created: dict[Path, Path] = {}
"""Run folder → the topmost folder that Hydra makes for it, so that a refused request leaves no folder."""

planned: dict[tuple[str, ...], Prepared] = {}
"""Overrides → what the sweep's plan prepared: a job of this process need not ask again."""

PLANNED = 300
"""As many are kept as `composing` keeps configurations."""

under_way: list[DictConfig] = []
"""Configuration of the sweep whose jobs a launcher is running: Hydra forgets its end where the launcher fails."""


def strip(config: DictConfig) -> DictConfig:
    """The job's configuration without Hydra's own node (a copy)."""
    # Without copying Hydra's node first, which is most of it.
    kept = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(kept, OmegaConf.is_struct(config))
    return kept


def is_chosen(hydra: Any, group: str) -> bool:
    """Whether anybody asked for the group's choice, rather than leaving the default."""
    return any(entry.partition("=")[0].lstrip("+~") == group for entry in _asked(hydra))


def _asked(hydra: Any) -> list[str]:
    """The task's overrides as they were given: a reference to a secret is not to be followed."""
    return [str(entry) for entry in OmegaConf.to_container(hydra.overrides.task, resolve=False) or ()]


def prepared_before(hydra: Any) -> Prepared | None:
    """What the plan of this process' sweep prepared for the job; None where it must be prepared (again).

    Vectors from a file are looked at again: nothing else of a request is read before the job and may have changed.
    """
    from evalkit.cli.jobs import corpus_of

    found = planned.pop(tuple(_asked(hydra)), None)
    if found is None or found.encoder.kind == "precomputed":
        return None
    return found if corpus_of(found.request).fingerprint == found.corpus.fingerprint else None


def first_missing(folder: Path) -> Path:
    """The topmost ancestor of `folder` (or itself) that does not exist."""
    missing = folder
    for parent in folder.parents:
        if parent.exists():
            return missing
        missing = parent
    return missing


class Bracket(Callback):
    """Checks before, leaderboard after."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Refuse a wrong request before its folder is made; what only the job can know is left to it."""
        from evalkit.cli.jobs import prepare_job

        with _refusing():
            folder = Path(str(config.hydra.run.dir)).absolute()
            created[folder] = first_missing(folder)
            with suppress(EvaluationError):  # a model out of reach: the job says so, and leaves its error.json
                prepare_job(strip(config), projection_chosen=is_chosen(config.hydra, "projection"))
            _make_room(folder, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Compose and check every combination, settle the sweep's id, and write the plan."""
        from evalkit.cli.behind import behind
        from evalkit.cli.finishing import ready_tracker
        from evalkit.cli.jobs import PLAN
        from evalkit.records import write_json

        with _refusing():
            folder = Path(str(config.hydra.sweep.dir)).absolute()
            launchers.prepare(config.hydra.launcher)
            combinations = _combinations(config)
            if str(config.hydra.launcher.get("_target_", "")).endswith(".BasicLauncher"):
                _begin_behind(config, len(combinations))
            jobs = list(_composed(config, combinations))
            if not jobs:
                under_way[:] = [config]
                return  # another sweeper decides as it goes; each job checks itself
            plan = _plan(jobs)
            _check_folders(jobs)
            _make_room(folder, "hydra.sweep.dir")
            write_json({**plan, "rank_by": config.rank_by}, folder / PLAN)
            under_way[:] = [config]
            behind.prepare(partial(ready_tracker, _tracker(config), "open"), "open the tracker")
            distinct = len(set(plan["identities"]))
            if len(jobs) > distinct:
                terminal.note(
                    f"{len(jobs)} combinations come to {distinct} evaluations: "
                    "the others differ in nothing that changes a result, and are copied."
                )

    def on_job_end(self, config: DictConfig, job_return: Any, **_: Any) -> None:
        """Let go of the job's configuration: Hydra keeps every job's to the sweep's end, 0.2 MB each."""
        del config
        job_return.cfg = job_return.hydra_cfg = None

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Leaderboard, comparisons, gallery; the sweep's own run in the tracker; the failures."""
        under_way.clear()
        planned.clear()
        status = _close(config)
        if status:
            sys.exit(status)


def _close(config: DictConfig) -> int:
    from evalkit.cli.behind import behind
    from evalkit.cli.sweep_summary import close_sweep

    behind.settle()
    with _refusing():
        status = close_sweep(Path(str(config.hydra.sweep.dir)).absolute(), strip(config))
    behind.end()
    return status


def close_broken(error: Exception) -> int:
    """Sum up what is there of the sweep under way, whose launcher failed; the exit status."""
    config = under_way.pop()
    choice = config.hydra.runtime.choices["hydra/launcher"]
    terminal.warn(launchers.complaint(choice, error))
    return _close(config) or 1


class _refusing:
    """Turn a wrong request into its sentence and exit status 2 (an exception would become a warning)."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from evalkit.cli.behind import behind
        from evalkit.cli.error_messages import is_about_the_command_line, sentence
        from evalkit.runtime.redaction import mask

        if error is not None:
            behind.abandon()
        if isinstance(error, EvalkitError):
            terminal.warn(mask(str(error)))
            sys.exit(error.exit_status)
        if isinstance(error, Exception) and is_about_the_command_line(error):
            terminal.warn(mask(sentence(error)))
            sys.exit(2)
        if isinstance(error, Exception):
            # Hydra would go on with a warning, past a check that never happened.
            terminal.warn(mask(f"unexpected {type(error).__name__}: {error} (please report this)."))
            traceback.print_exception(error)
            sys.exit(1)


def _begin_behind(config: DictConfig, jobs: int) -> None:
    """Start the process beside a long sweep's own, which loads the tracking library while this one plans."""
    from evalkit.cli.behind import behind
    from evalkit.cli.finishing import ready_tracker

    behind.begin(jobs)
    if behind.apart:
        behind.prepare(partial(ready_tracker, _tracker(config), "load"), "load the tracker")


def _tracker(config: DictConfig) -> Any:
    """The sweep's tracker, as its end will have it."""
    from evalkit.config import build as settings

    return settings.build_tracker(strip(config)).create()


def _combinations(config: DictConfig) -> list[list[str]]:
    """The overrides of every job that Hydra's basic sweeper will launch; none where another sweeper decides."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        return []
    params = config.hydra.sweeper.params
    arguments = [] if params is None else [f"{key}={value}" for key, value in params.items()]
    arguments += _asked(config.hydra)
    parsed = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(arguments)
    return [list(overrides) for overrides in BasicSweeper.split_arguments(parsed, None)[0]]


def _composed(config: DictConfig, combinations: Sequence[list[str]]) -> Iterator[DictConfig]:
    """The configuration of every job, from a loader that remembers what it composed."""
    from hydra.core.global_hydra import GlobalHydra

    if not combinations:
        return
    loader = GlobalHydra.instance().config_loader()
    compose_once(loader)
    for overrides in combinations:
        yield loader.load_sweep_config(config, overrides)


def _make_room(folder: Path, option: str) -> None:
    """Make the folder that a run or sweep writes to, or say why nothing can be written there."""
    reason = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is None and not os.access(folder, os.W_OK | os.X_OK):
        reason = "it may only be read"
    if reason is not None:
        raise RequestError(
            f"{folder} cannot be written ({reason}): name another folder with {option}=FOLDER, "
            "or start in a folder where you may write."
        )


def _check_folders(jobs: Sequence[DictConfig]) -> None:
    """Each job needs a folder of its own, within the sweep's: `hydra.sweep.subdir` may be anything."""
    owners: dict[str, int] = {}
    for number, job in enumerate(jobs):
        with open_dict(job):  # as the launchers will set them
            job.hydra.job.num, job.hydra.job.id = number, str(number)
        name = os.path.normpath(str(job.hydra.sweep.subdir))
        if Path(name).is_absolute() or name.startswith(".."):
            raise RequestError(f"hydra.sweep.subdir={name} leads out of the sweep's folder: name one within it.")
        other = owners.setdefault(name, number)
        if other != number:
            raise RequestError(
                f"hydra.sweep.subdir={name} is the folder of job {other} and of job {number}: "
                "leave it out, or let it differ by ${hydra.job.num}."
            )


def _plan(jobs: Sequence[DictConfig]) -> dict[str, Any]:
    """Identities (of jobs whose model is in reach), and the poolings wanted of each model and corpus."""
    from evalkit.cli.jobs import encoding_group, prepare_job
    from evalkit.store import digest
    from evalkit.tracking import sweep_identity

    planned.clear()
    identities: list[str] = []
    poolings: dict[str, list[str]] = {}
    for number, job in enumerate(jobs):
        plain = strip(job)
        chosen = is_chosen(job.hydra, "projection")
        try:
            prepared = prepare_job(plain, projection_chosen=chosen)
        except RequestError as error:
            overrides = " ".join(_asked(job.hydra))
            raise RequestError(f"job {number} ({overrides}): {error}") from None
        except EvaluationError:
            # The job itself will say so; its place in the sweep's id is held by what was asked.
            identities.append(digest({"asked": OmegaConf.to_yaml(plain, resolve=True)}))
            continue
        identities.append(prepared.identity)
        if len(planned) < PLANNED:
            planned[tuple(_asked(job.hydra))] = prepared
        wanted = poolings.setdefault(encoding_group(prepared.request), [])
        if prepared.request.pooling not in wanted:
            wanted.append(prepared.request.pooling)
    return {
        "sweep": sweep_identity(identities),
        "identities": identities,
        "poolings": poolings,
        "total": len(jobs),
        "started": time.time(),
    }
