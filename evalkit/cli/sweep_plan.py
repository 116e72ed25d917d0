"""The plan of a sweep: every combination checked before the first job, the sweep's id, and the poolings wanted."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from evalkit.errors import EvaluationError, RequestError
from evalkit.report import terminal

if TYPE_CHECKING:
    from evalkit.pipeline.request import Prepared

PLAN = "sweep.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job knows of its sweep: the content of sweep.json."""

    sweep: str | None = None  # its id; None for a single run
    identities: list[str] = field(default_factory=list)  # of the jobs, in order
    poolings: Mapping[str, list[str]] = field(default_factory=dict)  # `encoding_group` → all that the sweep needs
    total: int = 0  # number of jobs
    started: float = 0.0  # in seconds since the epoch
    rank_by: str | None = None
    folders: list[str] = field(default_factory=list)  # of the jobs, within the sweep's


def read_plan(folder: Path) -> Plan:
    """Read the plan of the sweep in `folder`; an empty one where there is none (another sweeper) or it is damaged."""
    try:
        return Plan(**json.loads((folder / PLAN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Plan()


def without_hydra(config: DictConfig) -> DictConfig:
    """Copy a job's configuration without Hydra's own node."""
    kept = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(kept, OmegaConf.is_struct(config))
    return kept


def _given(hydra: Any) -> list[str]:
    """The task's overrides as they were given: a reference to a secret stays a reference."""
    return [str(entry) for entry in OmegaConf.to_container(hydra.overrides.task, resolve=False) or ()]


def chooses_projection(hydra: Any) -> bool:
    """Whether the command chooses the projection, rather than leaving the default."""
    return any(entry.partition("=")[0].lstrip("+~") == "projection" for entry in _given(hydra))


def plan_sweep(config: DictConfig, jobs: Iterable[DictConfig]) -> None:
    """Check every job, then make the sweep's folder and write the plan into it."""
    from evalkit.cli.jobs import encoding_group
    from evalkit.records import write_json
    from evalkit.report.run_folder import clear
    from evalkit.store import digest
    from evalkit.tracking import sweep_identity

    folder = Path(str(config.hydra.sweep.dir)).absolute()
    identities: list[str] = []
    poolings: dict[str, list[str]] = {}
    owners: dict[str, int] = {}  # subfolder → its job
    rank_by = None
    for number, job in enumerate(jobs):
        _check_folder(job, number, owners)
        prepared = _prepared(job, number)
        if prepared is None:
            # The job itself reports it; the settings hold its place in the sweep's id.
            identities.append(digest({"asked": OmegaConf.to_yaml(without_hydra(job), resolve=True)}))
            continue
        identities.append(prepared.identity)
        rank_by = rank_by or prepared.request.rank_by
        wanted = poolings.setdefault(encoding_group(prepared.request), [])
        if prepared.request.pooling not in wanted:
            wanted.append(prepared.request.pooling)
    make_room(folder, "hydra.sweep.dir")
    total, distinct = len(identities), len(set(identities))
    former = read_plan(folder)  # a folder that is used again holds what this sweep writes
    clear(folder, *folder.glob("corpus-*"), *(folder / name for name in set(former.folders) - set(owners)))
    plan = Plan(sweep_identity(identities), identities, poolings, total, time.time(), rank_by, list(owners))
    write_json(asdict(plan), folder / PLAN)
    if total > distinct:
        terminal.note(
            f"{total} combinations come to {distinct} evaluations: "
            "the others differ in nothing that changes a result, and are copied."
        )


def _prepared(job: DictConfig, number: int) -> Prepared | None:
    """The job's prepared request; None where its model is out of reach."""
    from evalkit.cli.jobs import prepare_job

    try:
        return prepare_job(without_hydra(job), job.hydra)
    except RequestError as error:
        raise RequestError(f"job {number} ({' '.join(_given(job.hydra))}): {error}") from None
    except EvaluationError:
        return None


def _check_folder(job: DictConfig, number: int, owners: dict[str, int]) -> None:
    """Each job needs a folder of its own, within the sweep's: `hydra.sweep.subdir` may be anything."""
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


def make_room(folder: Path, option: str) -> None:
    """Make the folder that a run or sweep writes to, and see that it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else "it may only be read"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise RequestError(
            f"{folder} cannot be written ({reason}): name another folder with {option}=FOLDER, "
            "or start in a folder where you may write."
        )
