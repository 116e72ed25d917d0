"""Create, fill and find runs in MLflow: one FINISHED run an identity, however many processes log it at once.

A run is created RUNNING, filled, and set FINISHED last, so only complete runs are FINISHED. MLflow cannot create a run
on the condition that there is none yet, so two machines may both finish one identity. Each therefore searches again
after finishing and deletes all but the oldest: the last one to search sees them all, and nobody deletes the oldest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import RequestError
from evalkit.runtime.signals import uninterrupted
from evalkit.tracking import TrackerUnavailable
from evalkit.tracking.mlflow_fields import IDENTITY, KIND, SWEEP
from evalkit.tracking.process_liveness import HOST, known_dead, process_tags

METRICS_PER_CALL, OTHERS_PER_CALL = 900, 90
"""MLflow takes 1,000 metrics, params and tags in one call, and of these 100 params and 100 tags."""

_IDENTITY = re.compile(r"[\w.\-]{1,250}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """A client, the experiment it is open on, and the runs that this process could not close there."""

    client: Any
    experiment_id: str
    left_open: set[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """Content of a run."""

    name: str
    tags: Mapping[str, str]
    folder: Path
    files: Sequence[Path]  # logged unchanged, at their place relative to the folder
    note: Callable[[str], Mapping[str, str]]  # returns the tags that need the run's id
    metrics: Mapping[str, float]
    params: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)  # name → content of files that differ from the folder's
    dataset: Mapping[str, str] | None = None
    seconds: float = 0.0  # of the evaluation, which MLflow shows as the run's duration


def _search(session: Session, condition: str) -> list[Any]:
    """Runs of the experiment (not the deleted ones), oldest first."""
    found: list[Any] = []
    token = None
    while token != "":
        page = session.client.search_runs([session.experiment_id], condition, max_results=500, page_token=token)
        found.extend(page)
        token = page.token or ""
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def runs_of(session: Session, identity: str) -> list[Any]:
    """All runs of an identity, oldest first; an identity with characters that would change the search is refused."""
    if not _IDENTITY.fullmatch(identity):
        raise RequestError(f"{identity[:80]!r} is no identity of evalkit: run the evaluation again.")
    return _search(session, f"tags.`{IDENTITY}` = '{identity}'")


def sweeps_of(session: Session, sweep: str) -> list[Any]:
    """Runs `sweep` of a sweep's id, oldest first; likewise refused."""
    if not _IDENTITY.fullmatch(sweep):
        raise RequestError(f"{sweep[:80]!r} is no sweep's id: remove sweep.json and sync the folder again.")
    return _search(session, f"tags.`{SWEEP}` = '{sweep}' and tags.`{KIND}` = 'sweep'")


def finished_run(session: Session, runs: Sequence[Any]) -> str | None:
    """Id of the oldest FINISHED one of `runs` (oldest first), or None; the other FINISHED ones are deleted."""
    finished = [run.info.run_id for run in runs if run.info.status == "FINISHED"]
    for duplicate in finished[1:]:
        session.client.delete_run(duplicate)
    return finished[0] if finished else None


def running_here(session: Session) -> list[Any]:
    """RUNNING runs of the experiment that processes of this host began."""
    host = process_tags()[HOST].replace("'", "")
    return _search(session, f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{host}'")


def close_dead(session: Session, runs: Sequence[Any]) -> None:
    """Mark those RUNNING runs as KILLED whose process is known to be dead."""
    for run in runs:
        if run.info.status == "RUNNING" and known_dead(run.data.tags):
            session.client.set_terminated(run.info.run_id, "KILLED")


def put(session: Session, draft: Draft) -> str:
    """Create the run, fill it and finish it; returns its id.

    After an error the run is FAILED (KILLED where the process was stopped) and deleted; its id stays in `left_open`
    where the server cannot be told even that.
    """
    now = int(time.time() * 1000)
    run_id = ""
    try:
        with uninterrupted():  # a run that was created and whose id is unknown would stay RUNNING
            run = session.client.create_run(
                session.experiment_id,
                start_time=now - int(draft.seconds * 1000),
                tags={**draft.tags, **process_tags()},
                run_name=draft.name,
            )
            run_id = str(run.info.run_id)
            session.left_open.add(run_id)
        fill(session, run_id, draft)
        # The duration shown is the evaluation's, not the logging's.
        session.client.set_terminated(run_id, "FINISHED", now if draft.seconds else None)
    except BaseException as error:
        # After these another call would only wait, or fail, again.
        if run_id and re.search(r"timed out|Timeout|Max retries exceeded|is locked|disk", str(error)) is None:
            discard(session, run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    session.left_open.discard(run_id)
    return run_id


def discard(session: Session, run_id: str, status: str) -> None:
    """End and delete an incomplete run; where that succeeds, it leaves `left_open`."""
    from mlflow.exceptions import MlflowException

    try:
        session.client.set_terminated(run_id, status)
        session.client.delete_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            return  # the caller's own error is what matters; the run is closed later
    session.left_open.discard(run_id)


def fill(session: Session, run_id: str, draft: Draft) -> None:
    """Log files; metrics, params and tags in as few calls as MLflow takes; the data set."""
    from mlflow.entities import Metric, Param, RunTag

    _log_files(session, run_id, draft)
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in draft.metrics.items()]
    params = [Param(name, value) for name, value in draft.params.items()]
    tags = [RunTag(name, value) for name, value in draft.note(run_id).items()]
    while metrics or params or tags:
        session.client.log_batch(run_id, metrics[:METRICS_PER_CALL], params[:OTHERS_PER_CALL], tags[:OTHERS_PER_CALL])
        metrics, params, tags = metrics[METRICS_PER_CALL:], params[OTHERS_PER_CALL:], tags[OTHERS_PER_CALL:]
    if draft.dataset is not None:
        _log_dataset(session, run_id, draft.dataset)


def _log_dataset(session: Session, run_id: str, fields: Mapping[str, str]) -> None:
    """Log the corpus as an input."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    entry = DatasetInput(Dataset(**fields), [InputTag("mlflow.data.context", "evaluation")])
    for attempts_left in (4, 3, 2, 1, 0):
        try:
            session.client.log_inputs(run_id, datasets=[entry])
            return
        except MlflowException as error:
            # MLflow looks for it and inserts it in two steps: of two runs at once the second fails on the unique key.
            if not attempts_left or not re.search(r"unique|duplicate", str(error), re.IGNORECASE):
                raise


def _log_files(session: Session, run_id: str, draft: Draft) -> None:
    try:
        for file in draft.files:
            place = file.parent.relative_to(draft.folder).as_posix()
            session.client.log_artifact(run_id, str(file), None if place == "." else place)
        for name, content in draft.written.items():
            session.client.log_text(run_id, content, name)
    except Exception as error:
        # Each kind of artifact store has its own client with its own exceptions, some of many lines.
        first = next(iter(str(error).splitlines()), "")
        raise TrackerUnavailable(f"the files could not be logged ({type(error).__name__}: {first})") from error
