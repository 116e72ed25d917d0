"""Where MLflow keeps runs: which address is meant, and a local sqlite store made so that nobody can break it.

MLflow makes a fresh sqlite store by a migration of some seconds; processes that do so at once break each
other, and one killed meanwhile leaves a ruin. Here it is made under a lock, in a file of its own, and renamed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from evalkit.errors import RequestError
from evalkit.runtime.redaction import mask
from evalkit.tracking import TrackerUnavailable

__all__ = [
    "DEFAULT_EXPERIMENT",
    "artifact_location",
    "ensure_sqlite",
    "exclusive",
    "is_local",
    "prepare_environment",
    "resolve_experiment",
    "resolve_uri",
    "server_command",
    "sqlite_path",
]

DEFAULT_EXPERIMENT = "evalkit"
DEFAULT_DATABASE = "mlflow.db"
LOCK_SECONDS = 60.0
BUSY_SECONDS = 5.0

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SCHEMES = (*_DATABASES, "http", "https", "databricks")

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # The defaults (7 tries of 120 s, growing pauses) make one call to a dead server last four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


def prepare_environment() -> None:
    """Set what MLflow reads while it is imported and called; what the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # Each of these says in many lines what `TrackerTrouble` says in one.
    for name, level in {"mlflow": logging.ERROR, "mlflow.store.db.utils": logging.CRITICAL + 1}.items():
        logging.getLogger(name).setLevel(level)
    for name in ("alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)


def resolve_uri(uri: str | None) -> str:
    """The tracking address meant: the given one, else MLFLOW_TRACKING_URI, else sqlite in the current folder.

    A relative sqlite path becomes absolute, so that a later change of folder does not move the store.

    Raises
    ------
    RequestError
        For an address that MLflow has no store for.
    """
    given = (uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DEFAULT_DATABASE}").strip()
    scheme, separator, rest = given.partition("://")
    dialect = scheme.partition("+")[0].lower()
    if given != "databricks" and (not separator or dialect not in _SCHEMES):
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
    absolute = Path(path).expanduser().absolute()
    if "?" in str(absolute):
        raise RequestError(
            f"{absolute} has a question mark in it, which an address cannot hold: choose another folder."
        )
    return f"sqlite:///{absolute}"


def resolve_experiment(experiment: str | None) -> str:
    """The experiment's name: the given one, else MLFLOW_EXPERIMENT_NAME, else evalkit."""
    return (experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT).strip()


def sqlite_path(uri: str) -> Path | None:
    """File of a sqlite address, None for any other."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_local(uri: str) -> bool:
    """Whether a server must be started to look at it."""
    return uri.partition(":")[0].partition("+")[0] in _DATABASES


def artifact_location(path: Path) -> str:
    """Where the artifacts of a sqlite store go: beside the file, wherever one stands when logging."""
    return (path.parent / "mlruns").as_uri()


def server_command(uri: str, port: int) -> str:
    """What starts MLflow's pages for a local store, listening on this machine alone; empty for a server."""
    if not is_local(uri):
        return ""
    return f"mlflow ui --backend-store-uri {shlex.quote(mask(uri))} --host 127.0.0.1 --port {port}"


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock beside a sqlite store: creation, and logging one run, is done by one process at a time.

    Raises
    ------
    TrackerUnavailable
        Where the folder cannot be written, or somebody holds the lock for a minute.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise TrackerUnavailable(
            f"another process has held {path.parent}/.{path.name}.lock for {LOCK_SECONDS:.0f} seconds"
        ) from None
    except OSError as error:
        raise TrackerUnavailable(f"{path.parent} cannot be written ({error.strerror or error})") from error
    try:
        yield
    finally:
        lock.release()


def ensure_sqlite(path: Path) -> None:
    """Make the store where there is none, and make sure that it can be written; call under `exclusive`.

    Raises
    ------
    TrackerUnavailable
        Where it can be neither made nor written (read-only, locked, full, no database).
    """
    try:
        if not path.exists() or (path.is_file() and path.stat().st_size == 0):
            _create(path)
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except (sqlite3.Error, OSError) as error:
        raise TrackerUnavailable(f"{path} cannot be written ({error})") from error


def _create(path: Path) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for ruin in path.parent.glob(f".{path.name}.*.new*"):
        ruin.unlink(missing_ok=True)  # of a process that was killed: whoever holds the lock is alone here
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        store = SqlAlchemyStore(f"sqlite:///{temporary}", artifact_location(path))
        store.engine.dispose()
        temporary.replace(path)
    except MlflowException as error:
        raise OSError(str(error).splitlines()[0]) from error
    finally:
        temporary.unlink(missing_ok=True)
