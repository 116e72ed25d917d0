"""One run an identity in MLflow, whoever logs at once and whatever breaks off.

A run is created RUNNING, filled, and set FINISHED last: only whole runs are FINISHED. MLflow has no
"create unless it exists", so two machines may both finish the same identity: whoever finishes looks again, and
all but the oldest are deleted. The last to look sees every one, and the oldest is never deleted by anybody.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import RequestError
from evalkit.tracking import TrackerUnavailable
from evalkit.tracking.mlflow_fields import IDENTITY, KIND, SWEEP
from evalkit.tracking.mlflow_rows import none_tagged, write_rows
from evalkit.tracking.process_liveness import HOST, known_dead, process_tags

__all__ = [
    "Draft",
    "Session",
    "close_dead",
    "delete_duplicates",
    "discard",
    "fill",
    "put",
    "runs_of",
    "search",
    "settle",
    "sweeps_of",
]

METRICS_A_BATCH = 900
OTHERS_A_BATCH = 90
DATASET_ATTEMPTS = 5

_IDENTITY = re.compile(r"[\w.\-]{1,250}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """An open client on one experiment, and the runs of this process that could not be closed there.

    Attributes
    ----------
    alone
        Whether no other process of evalkit logs to the store meanwhile.
    """

    client: Any
    experiment_id: str
    left_open: set[str]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a run will be.

    Attributes
    ----------
    files, folder
        Logged as they stand, at their place relative to the folder.
    written
        File name → content, for what is not logged as it stands.
    note
        Makes the tags that need the run's id.
    seconds
        How long the evaluation took: MLflow shows it as the run's duration.
    """

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Sequence[Path] = ()
    folder: Path | None = None
    written: Mapping[str, str] = field(default_factory=dict)
    dataset: Mapping[str, str] | None = None
    note: Callable[[str], Mapping[str, str]] = lambda _: {}
    seconds: float = 0.0


def search(session: Session, condition: str) -> list[Any]:
    """Runs of the experiment (not the deleted ones), oldest first."""
    found: list[Any] = []
    token = None
    while True:
        page = session.client.search_runs([session.experiment_id], condition, max_results=500, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return sorted(found, key=_age)


def _age(run: Any) -> tuple[int, str]:
    return (run.info.start_time, run.info.run_id)


def runs_of(session: Session, identity: str, *, but: str | None = None) -> list[Any]:
    """All runs of an identity, oldest first, but for the run of the given id.

    Raises
    ------
    RequestError
        Where the identity is none of ours: it would be read as part of the search.
    """
    if not _IDENTITY.fullmatch(identity):
        raise RequestError(f"{identity[:80]!r} is no identity of evalkit: run the evaluation again.")
    if session.alone and none_tagged(session.client, IDENTITY, identity):
        return []
    return search(session, f"tags.`{IDENTITY}` = '{identity}'{_but(but)}")


def sweeps_of(session: Session, sweep: str, *, but: str | None = None) -> list[Any]:
    """Runs `sweep` of a sweep's id, oldest first, but for the run of the given id."""
    if not _IDENTITY.fullmatch(sweep):
        raise RequestError(f"{sweep[:80]!r} is no sweep's id: remove sweep.json and sync the folder again.")
    return search(session, f"tags.`{SWEEP}` = '{sweep}' and tags.`{KIND}` = 'sweep'{_but(but)}")


def _but(run_id: str | None) -> str:
    return "" if run_id is None else f" and attributes.run_id != '{run_id}'"


def close_dead(session: Session, runs: Sequence[Any] | None = None) -> int:
    """Mark RUNNING runs as KILLED whose process is known dead; returns how many.

    Without `runs`, all that this host left in the experiment are looked at.
    """
    if runs is None:
        host = process_tags()[HOST].replace("'", "")
        runs = search(session, f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{host}'")
    dead = [run for run in runs if run.info.status == "RUNNING" and known_dead(run.data.tags)]
    for run in dead:
        session.client.set_terminated(run.info.run_id, "KILLED")
    return len(dead)


def settle(session: Session, own: str, look: Callable[[], Sequence[Any]]) -> str:
    """Which of a run just finished and others of its kind remains: the oldest that is FINISHED; its id.

    Parameters
    ----------
    look
        Finds the others.
    """
    if session.alone:  # since before it was looked whether there is one
        return own
    others = look()
    if not any(run.info.status == "FINISHED" for run in others):
        return own
    return delete_duplicates(session, sorted([*others, session.client.get_run(own)], key=_age)) or own


def delete_duplicates(session: Session, runs: Sequence[Any]) -> str | None:
    """Delete all FINISHED runs but the oldest (`runs` come oldest first); its id, or None where none is FINISHED."""
    finished = [run for run in runs if run.info.status == "FINISHED"]
    for run in finished[1:]:
        session.client.delete_run(run.info.run_id)
    return finished[0].info.run_id if finished else None


def put(session: Session, draft: Draft) -> str:
    """Create the run, fill it, finish it; its id.

    What goes wrong meanwhile leaves a run that is FAILED (KILLED where somebody stopped the process) and
    deleted; where not even that can be said to the server, its id stays in `left_open`.
    """
    now = int(time.time() * 1000)
    start = now - int(draft.seconds * 1000)
    run = session.client.create_run(
        session.experiment_id, start_time=start, tags={**draft.tags, **process_tags()}, run_name=draft.name
    )
    run_id: str = run.info.run_id
    session.left_open.add(run_id)
    try:
        fill(session, run_id, draft, new=True)
        # The duration shown is the evaluation's, not the logging's.
        session.client.set_terminated(run_id, "FINISHED", now if draft.seconds else None)
    except BaseException as error:
        if not _is_waiting(error):
            discard(session, run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    session.left_open.discard(run_id)
    return run_id


def _is_waiting(error: BaseException) -> bool:
    """Whether another call would only wait, or fail, again."""
    return re.search(r"timed out|Timeout|Max retries exceeded|is locked|disk", str(error)) is not None


def discard(session: Session, run_id: str, status: str) -> None:
    """End a run that is not whole and take it out of sight; it leaves `left_open` where that succeeded."""
    from mlflow.exceptions import MlflowException

    try:
        session.client.set_terminated(run_id, status)
        session.client.delete_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            return  # the caller's own error is what matters; the run stays in `left_open`, to be closed later
    session.left_open.discard(run_id)


def fill(session: Session, run_id: str, draft: Draft, *, new: bool = False) -> None:
    """Files; metrics, params and tags in as few calls as MLflow takes; the data set.

    Parameters
    ----------
    new
        Nothing is in the run yet.
    """
    from mlflow.entities import Metric, Param, RunTag

    # Before the metrics: MLflow reads the whole run back to learn where its files go.
    _log_files(session, run_id, draft)
    now, noted = int(time.time() * 1000), draft.note(run_id)
    if not (new and write_rows(session.client, run_id, draft.metrics, draft.params, noted, now)):
        metrics = [Metric(name, value, now, 0) for name, value in draft.metrics.items()]
        params = [Param(name, value) for name, value in draft.params.items()]
        tags = [RunTag(name, value) for name, value in noted.items()]
        while metrics or params or tags:
            batch = metrics[:METRICS_A_BATCH], params[:OTHERS_A_BATCH], tags[:OTHERS_A_BATCH]
            session.client.log_batch(run_id, *batch)
            metrics, params, tags = metrics[METRICS_A_BATCH:], params[OTHERS_A_BATCH:], tags[OTHERS_A_BATCH:]
    if draft.dataset is not None:
        _log_dataset(session, run_id, draft.dataset)


def _log_dataset(session: Session, run_id: str, fields: Mapping[str, str]) -> None:
    """Log the corpus as an input, again where another process got it in between.

    MLflow looks for the data set and inserts it in two steps: of two runs that log a new one at once, the
    second fails on the unique key, and finds it there when it asks again.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    entry = DatasetInput(Dataset(**fields), [InputTag("mlflow.data.context", "evaluation")])
    for attempts_left in reversed(range(DATASET_ATTEMPTS)):
        try:
            session.client.log_inputs(run_id, datasets=[entry])
        except MlflowException as error:
            if not attempts_left or not re.search(r"unique|duplicate", str(error), re.IGNORECASE):
                raise
        else:
            return


def _log_files(session: Session, run_id: str, draft: Draft) -> None:
    try:
        for file in draft.files:
            place = "" if draft.folder is None else file.parent.relative_to(draft.folder).as_posix()
            session.client.log_artifact(run_id, str(file), None if place in {"", "."} else place)
        for name, content in draft.written.items():
            session.client.log_text(run_id, content, name)
    except Exception as error:
        # Each kind of artifact store has a client of its own, with exceptions of its own, some of many lines.
        first = next(iter(str(error).splitlines()), "")
        raise TrackerUnavailable(f"the files could not be logged ({type(error).__name__}: {first})") from error
