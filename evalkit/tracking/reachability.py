"""Is a tracking server in reach? Asked briefly before MLflow is, whose own tries last minutes.

What went wrong is remembered for a minute in this process: the next runs of a sweep do not wait again.
"""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

from evalkit.runtime.redaction import mask
from evalkit.tracking import TrackerUnavailable
from evalkit.tracking.mlflow_store import is_local

__all__ = ["MEMORY_SECONDS", "explain", "forget", "probe", "recent_trouble", "remember"]

CONNECT_SECONDS = 3.05
ANSWER_SECONDS = 5.0
MEMORY_SECONDS = 60.0

REASON_LENGTH = 200

_troubles: dict[str, tuple[float, str]] = {}
_answered: dict[str, float] = {}


def probe(uri: str) -> None:
    """Ask a server or database for a sign of life; any answer will do.

    Raises
    ------
    TrackerUnavailable
        Where none comes within some seconds.
    """
    if uri.startswith(("sqlite:", "databricks")):
        return
    if time.monotonic() - _answered.get(uri, -MEMORY_SECONDS) < MEMORY_SECONDS:
        return
    if is_local(uri):
        _probe_database(uri)
    else:
        _probe_server(uri)
    _answered[uri] = time.monotonic()


def _probe_server(uri: str) -> None:
    import requests

    where = mask(uri)
    try:
        # Redirects and certificates are MLflow's to judge; here only silence counts.
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


def _probe_database(uri: str) -> None:
    """One attempt: MLflow makes ten with growing pauses, wrong password or not."""
    import sqlalchemy

    waits = {"postgresql": "connect_timeout", "mysql": "connect_timeout", "mssql": "timeout"}
    dialect = urlsplit(uri).scheme.partition("+")[0]
    try:
        engine = sqlalchemy.create_engine(uri, connect_args={waits[dialect]: int(ANSWER_SECONDS)})
        engine.connect().close()
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError, TypeError) as error:
        raise TrackerUnavailable(f"{mask(uri)} cannot be used ({_short(error)})") from None


def explain(error: BaseException, uri: str) -> str:
    """What a failure of MLflow says, in a few words with the cure where one is known."""
    text = str(error)
    found = re.search(r"failed with error code (\d{3})", text)
    code = found.group(1) if found else ""
    where = mask(uri)
    if code in {"401", "403"}:
        return (
            f"{where} refused the credentials ({code}): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "or MLFLOW_TRACKING_TOKEN"
        )
    if code:
        return f"{where} answered with error {code}"
    if re.search(r"timed out|Timeout", text):
        return f"{where} did not answer in time"
    if re.search(r"Max retries exceeded|Connection (?:refused|aborted|reset)|RemoteDisconnected", text):
        return f"{where} broke off"
    if "out-of-date database schema" in text:
        return f"{where} is of an older MLflow: bring it up to date with `mlflow db upgrade {where}`"
    return f"{where} failed ({_short(error)})"


def _short(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = mask(lines[0] if lines else type(error).__name__)
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 1] + "…"


def remember(uri: str, reason: str) -> None:
    """Keep a trouble for a minute."""
    _troubles[uri] = (time.monotonic(), reason)
    _answered.pop(uri, None)


def recent_trouble(uri: str) -> str | None:
    """Trouble of the last minute, or None."""
    when, reason = _troubles.get(uri, (-MEMORY_SECONDS, ""))
    return reason if time.monotonic() - when < MEMORY_SECONDS else None


def forget(uri: str) -> None:
    """It works again."""
    _troubles.pop(uri, None)
