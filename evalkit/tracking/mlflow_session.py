"""Opening an experiment in MLflow, with every trouble of network, disk and server turned into one exception."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.tracking import TrackerUnavailable, mlflow_runs, mlflow_store
from evalkit.tracking import mlflow_note as note
from evalkit.tracking import mlflow_view as view
from evalkit.tracking import reachability as reach
from evalkit.tracking.mlflow_runs import Session

__all__ = ["KnownTrouble", "open_session"]

_left_open: dict[str, set[str]] = {}
"""Address → runs that this process could not close when the server went away; closed when it is back."""

_clients: dict[str, tuple[tuple[int, int], Any]] = {}
"""Address of a sqlite store → its file (device, inode) and the client made for it: making one, MLflow checks the
whole schema, which takes as long as logging a run's files."""

_looked_through: set[tuple[str, str]] = set()
"""Experiments whose dead runs this process has looked for."""


class KnownTrouble(TrackerUnavailable):
    """Known for less than a minute, so not tried again."""


@contextlib.contextmanager
def open_session(uri: str, experiment: str) -> Iterator[Session]:
    """An open experiment, made where it is missing; one process at a time for a sqlite store.

    Raises
    ------
    TrackerUnavailable
        Whatever MLflow, its store or the network raise, here or in the body of the `with`.
    """
    recent = reach.recent_trouble(uri)
    if recent is not None:
        raise KnownTrouble(recent)
    mlflow_store.prepare_environment()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    mlflow_store.prepare_environment()  # importing MLflow sets its loggers up anew
    try:
        with _client(uri) as (client, location):
            session = _enter(client, uri, experiment, location)
            _tidy(session)
            yield session
    except TrackerUnavailable as error:
        reach.remember(uri, str(error))
        raise
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = reach.explain(error, uri)
        reach.remember(uri, reason)
        raise TrackerUnavailable(reason) from error
    reach.forget(uri)


@contextlib.contextmanager
def _client(uri: str) -> Iterator[tuple[Any, str | None]]:
    """A client, and where a new experiment's artifacts go (None: where the server says)."""
    from mlflow import MlflowClient

    path = mlflow_store.sqlite_path(uri)
    if path is None:
        reach.probe(uri)
        yield MlflowClient(uri, uri), None
        return
    with mlflow_store.exclusive(path):
        mlflow_store.ensure_sqlite(path)
        client = _client_of(uri, path)
        try:
            yield client, mlflow_store.artifact_location(path)
        finally:
            # Pooled connections would outlive a store that is deleted or replaced, and write into nothing.
            client._tracking_client.store.engine.dispose()


def _client_of(uri: str, path: Path) -> Any:
    """The client of a sqlite store, made anew where the file is another."""
    from mlflow import MlflowClient

    state = path.stat()
    file = state.st_dev, state.st_ino
    kept = _clients.get(uri)
    if kept is None or kept[0] != file:
        kept = _clients[uri] = file, MlflowClient(uri, uri)
    return kept[1]


def _enter(client: Any, uri: str, name: str, location: str | None) -> Session:
    # Of a sqlite store, whose artifacts have their place beside it, this process holds the lock.
    alone = location is not None
    return Session(client, _experiment(client, name, location), _left_open.setdefault(uri, set()), alone)


def _experiment(client: Any, name: str, location: str | None) -> str:
    """The id of the experiment of that name, made where it is missing."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        tags = {note.NOTE: note.experiment_note(), **view.experiment_tags()}
        try:
            client.create_experiment(name, location, tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise TrackerUnavailable(
            f"experiment {name} was deleted there: restore it, or choose another (tracker.experiment=NAME)"
        )
    if experiment.tags.get(view.VIEW_TAG) != view.view_state():
        client.set_experiment_tag(experiment.experiment_id, view.VIEW_TAG, view.view_state())
    return str(experiment.experiment_id)


def _tidy(session: Session) -> None:
    """Close what this process had to leave open, and once a process what dead ones left."""
    for run_id in list(session.left_open):
        mlflow_runs.discard(session, run_id, "FAILED")
    key = (str(session.client.tracking_uri), session.experiment_id)
    if key not in _looked_through:
        mlflow_runs.close_dead(session)
        _looked_through.add(key)
