"""Whether a tracking server is in reach, asked briefly before MLflow is, whose own retries last minutes.

What this process knows of an address is kept: after a failure the next runs of a sweep do not wait again for a minute.
"""

from __future__ import annotations

import math
import re
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from evalkit.runtime.redaction import mask
from evalkit.tracking import TrackerUnavailable

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  # dialects of stores that MLflow opens itself, without a server
CONNECT_SECONDS, ANSWER_SECONDS, MEMORY_SECONDS = 3.05, 5.0, 60.0


@dataclass(slots=True)
class Address:
    """What this process knows of a tracking address; times are those of the monotonic clock."""

    reason: str = ""  # of the latest failure
    failed_at: float = -math.inf
    answered_at: float = -math.inf  # when the server or database was last known to answer
    left_open: set[str] = field(default_factory=set)  # runs that could not be closed when the server went away
    tidied: set[str] = field(default_factory=set)  # experiments that were searched for runs of dead processes

    def fail(self, reason: str) -> None:
        """Keep a failure for a minute."""
        self.reason, self.failed_at, self.answered_at = reason, time.monotonic(), -math.inf

    def recover(self) -> None:
        """Forget the failure."""
        self.failed_at = -math.inf

    @property
    def recent_trouble(self) -> str | None:
        """Reason of a failure of the last minute, or None."""
        return self.reason if time.monotonic() - self.failed_at < MEMORY_SECONDS else None


_known: dict[str, Address] = {}


def known(uri: str) -> Address:
    """What this process knows of the address."""
    return _known.setdefault(uri, Address())


def probe(uri: str) -> None:
    """Connect to a server or database once, unless it answered within the last minute; any answer will do."""
    address = known(uri)
    if uri.startswith("databricks") or time.monotonic() - address.answered_at < MEMORY_SECONDS:
        return
    dialect = urlsplit(uri).scheme.partition("+")[0]
    if dialect in DATABASES:
        _probe_database(uri, dialect)
    else:
        _probe_server(uri)
    address.answered_at = time.monotonic()


def _probe_server(uri: str) -> None:
    import requests

    where = mask(uri)
    try:
        # Redirects and certificates are left to MLflow; here only silence counts.
        requests.get(
            f"{uri}/health", timeout=(CONNECT_SECONDS, ANSWER_SECONDS), allow_redirects=False, stream=True
        ).close()
    except requests.exceptions.SSLError:
        return
    except requests.exceptions.Timeout:
        raise TrackerUnavailable(f"{where} did not answer within {ANSWER_SECONDS:.0f} seconds") from None
    except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError):
        raise TrackerUnavailable(f"no server answers at {where}") from None
    except (requests.exceptions.RequestException, ValueError) as error:
        raise TrackerUnavailable(f"{where} cannot be asked ({_short(error)})") from None


def _probe_database(uri: str, dialect: str) -> None:
    """Connect once: MLflow makes ten attempts with growing pauses, whatever the reason of the failure."""
    import sqlalchemy

    option = "timeout" if dialect == "mssql" else "connect_timeout"
    try:
        engine = sqlalchemy.create_engine(uri, connect_args={option: int(ANSWER_SECONDS)})
        engine.connect().close()
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError, TypeError) as error:
        raise TrackerUnavailable(f"{mask(uri)} cannot be used ({_short(error)})") from None


def explain(error: BaseException, uri: str) -> str:
    """Reason of a failure of MLflow in a few words, with the cure where one is known."""
    text, where = str(error), mask(uri)
    status = re.search(r"failed with error code (\d{3})", text)
    if status is not None and status[1] in {"401", "403"}:
        return (
            f"{where} refused the credentials ({status[1]}): set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    if status is not None:
        return f"{where} answered with error {status[1]}"
    if re.search(r"timed out|Timeout", text):
        return f"{where} did not answer in time"
    if re.search(r"Max retries exceeded|Connection (?:refused|aborted|reset)|RemoteDisconnected", text):
        return f"{where} broke off"
    schema = re.search(r"found version (\w+)", text)
    if schema is not None and not _is_known(schema[1]):
        return f"{where} is of a newer MLflow: bring MLflow up to date, `pip install -U mlflow`"
    if "out-of-date database schema" in text:
        return f"{where} is of an older MLflow: bring it up to date with `mlflow db upgrade {where}`"
    return f"{where} failed ({_short(error)})"


def _is_known(version: str) -> bool:
    """Whether this MLflow has a migration of a database's version."""
    import mlflow

    return any(Path(mlflow.__file__).parent.glob(f"store/db_migrations/versions/{version}*.py"))


def _short(error: BaseException) -> str:
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return textwrap.shorten(mask(first), 200, placeholder="…")
