"""Which tracking address is meant, and how a local sqlite store is created and locked.

MLflow creates a fresh sqlite store by migrations of some seconds. Processes that do so at once break each other, and
one killed meanwhile leaves a broken file. So the store is created under a lock, in a temporary file, and renamed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from evalkit.errors import RequestError
from evalkit.runtime.atomic_write import atomic_write, remove_pending
from evalkit.runtime.redaction import mask
from evalkit.tracking import TrackerUnavailable
from evalkit.tracking.reachability import DATABASES

LOCK_SECONDS, BUSY_SECONDS = 60.0, 5.0

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # `TrackerTrouble` says in one line what MLflow logs in many.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    # The defaults (7 tries of 120 s, growing pauses) make one call to a dead server last four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Pooled connections would outlive a sqlite file that is deleted or replaced, and write into nothing.
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",
    "GIT_PYTHON_REFRESH": "quiet",
}


def prepare_environment() -> None:
    """Set the environment variables that MLflow reads when imported and called, except those the user has set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)


def resolve_uri(uri: str | None) -> str:
    """The tracking address: `uri`, else MLFLOW_TRACKING_URI, else sqlite in the current folder."""
    given = (uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db").strip()
    scheme, separator, rest = given.partition("://")
    dialect = re.split(r"[+:]", scheme)[0].lower()
    if dialect == "file" or (":" not in given and given != "databricks" and not given.endswith(".db")):
        raise RequestError(
            f"tracker.uri={mask(given)} is a folder, in which MLflow no longer keeps runs: give sqlite:///mlflow.db "
            "(`mlflow migrate-filestore` brings a folder's runs over)."
        )
    if given != "databricks" and (not separator or dialect not in (*DATABASES, "http", "https", "databricks")):
        raise RequestError(
            f"tracker.uri={mask(given)} is no tracking address: give sqlite:///mlflow.db, http://host:port, "
            "or a database such as postgresql://host/name."
        )
    if dialect != "sqlite":
        return given.rstrip("/")
    path = rest.removeprefix("/").partition("?")[0]
    if not rest.startswith("/") or path in {"", ":memory:"}:
        raise RequestError(
            f"tracker.uri={mask(given)} names no file, so nothing would be kept: give sqlite:///mlflow.db."
        )
    file = Path(path).expanduser().absolute()  # a later change of folder does not move the store
    if sign := next((sign for sign in "?%" if sign in str(file)), None):
        raise RequestError(
            f"{file} has a {sign} in it, which MLflow reads as part of an address: name another place, "
            "tracker.uri=sqlite:////FOLDER/mlflow.db, or log nothing, tracker=none."
        )
    return f"sqlite:///{file}"


def resolve_experiment(experiment: str | None) -> str:
    """The experiment's name: `experiment`, else MLFLOW_EXPERIMENT_NAME, else evalkit."""
    return (experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "evalkit").strip()


def sqlite_path(uri: str) -> Path | None:
    """File of a sqlite address, None for any other."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_local(uri: str) -> bool:
    """Whether `mlflow ui` must be started to look at the store."""
    return uri.partition(":")[0].partition("+")[0] in DATABASES


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock beside a sqlite store: one process at a time creates it, or logs a run to it."""
    from filelock import FileLock, Timeout

    file = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(file, timeout=LOCK_SECONDS))
        except Timeout:
            raise TrackerUnavailable(f"another process has held {file} for {LOCK_SECONDS:.0f} seconds") from None
        except OSError as error:
            raise TrackerUnavailable(f"{path.parent} cannot be written ({error.strerror or error})") from error
        yield


def ensure_sqlite(path: Path) -> None:
    """Create the store where there is none, and check that it can be written; call under `exclusive`."""
    try:
        if not path.exists() or (path.is_file() and path.stat().st_size == 0):
            _create(path)
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except (sqlite3.Error, OSError) as error:
        raise TrackerUnavailable(f"{path} cannot be written ({error})") from error


def _create(path: Path) -> None:
    """Let a client create the tables in a temporary file, and rename it."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    remove_pending(path.parent, path.name)  # of a process that was killed: the holder of the lock is alone here
    try:
        with atomic_write(path) as temporary:
            MlflowClient(f"sqlite:///{temporary}")
    except MlflowException as error:
        raise OSError(str(error).splitlines()[0]) from error
