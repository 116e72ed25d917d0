"""Open an experiment in MLflow, and turn every failure of network, disk and server into `TrackerUnavailable`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from evalkit.tracking import TrackerUnavailable, mlflow_note, mlflow_runs, mlflow_store, mlflow_view, reachability
from evalkit.tracking.mlflow_runs import Session


@contextlib.contextmanager
def open_session(uri: str, experiment: str) -> Iterator[Session]:
    """Yield an open experiment, created where it is missing; a failure, also of the body, is a `TrackerUnavailable`."""
    address = reachability.known(uri)
    if address.recent_trouble is not None:
        raise TrackerUnavailable(address.recent_trouble)
    mlflow_store.prepare_environment()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _client(uri) as (client, location):
            session = Session(client, _experiment(client, experiment, location), address.left_open)
            for run_id in list(session.left_open):
                mlflow_runs.discard(session, run_id, "FAILED")
            if session.experiment_id not in address.tidied:  # once a process
                mlflow_runs.close_dead(session, mlflow_runs.running_here(session))
                address.tidied.add(session.experiment_id)
            yield session
    except TrackerUnavailable as error:
        address.fail(str(error))
        raise
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        address.fail(reachability.explain(error, uri))
        raise TrackerUnavailable(address.reason) from error
    address.recover()


@contextlib.contextmanager
def _client(uri: str) -> Iterator[tuple[Any, str | None]]:
    """Yield a client, and where a new experiment's artifacts go (None: where the server says)."""
    from mlflow import MlflowClient

    path = mlflow_store.sqlite_path(uri)
    if path is None:
        reachability.probe(uri)
        yield MlflowClient(uri, uri), None
        return
    with mlflow_store.exclusive(path):
        mlflow_store.ensure_sqlite(path)
    client = MlflowClient(uri, uri)  # without the lock: a process's first client imports its store for seconds
    with mlflow_store.exclusive(path):
        mlflow_store.ensure_sqlite(path)  # in case it was removed since
        yield client, (path.parent / "mlruns").as_uri()  # beside the store, whatever the current folder


def _experiment(client: Any, name: str, location: str | None) -> str:
    """Id of the experiment of that name, created where it is missing."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        tags = {mlflow_note.NOTE: mlflow_note.EXPERIMENT_NOTE, "mlflow.experimentKind": "custom_model_development"}
        try:
            client.create_experiment(name, location, tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
                raise
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise TrackerUnavailable(
            f"experiment {name} was deleted there: restore it, or choose another (tracker.experiment=NAME)"
        )
    if experiment.tags.get(mlflow_view.VIEW_TAG) != mlflow_view.STATE:
        client.set_experiment_tag(experiment.experiment_id, mlflow_view.VIEW_TAG, mlflow_view.STATE)
    return str(experiment.experiment_id)
