"""What a new run holds in MLflow's database, in one transaction, where that database is opened by this process.

MLflow itself makes two objects of every metric, asks whether it is there already, and commits metrics, params and tags
one after another: 50 ms for the 200 metrics of a small run, half of what logging it takes. The rows are the same (the
tests compare them); where the store, its tables, a name or a value are not as expected here, MLflow does it itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["none_tagged", "write_rows"]

VALUES = {"key", "value", "timestamp", "step", "is_nan", "run_uuid"}
"""Columns of both tables of metrics: every logged value, and the latest of each."""

WORDS = {"key", "value", "run_uuid"}
"""Columns of params and of tags."""

NAME = re.compile(r"\w[\w.\- ]*(/\w[\w.\- ]*)*", re.ASCII)
"""Part of what MLflow allows, and sure to be."""

LONGEST_NAME, LONGEST_VALUE = 250, 6_000

OF_THE_RUN = "mlflow.runName"
"""The tag that MLflow keeps in the run's own row besides."""


def none_tagged(client: Any, tag: str, value: str) -> bool:
    """Whether it is certain that no run bears the tag with that value; where not, MLflow's own search must tell.

    Parameters
    ----------
    client
        MLflow's.
    """
    store, tables = _store(client), _tables()
    if store is None or tables is None:
        return False
    tags = tables[3]
    asked = tags.select().where(tags.c.key == tag, tags.c.value == value).limit(1)
    with store.ManagedSessionMaker(read_only=True) as session:
        return session.execute(asked).first() is None


def write_rows(
    client: Any,
    run_id: str,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    timestamp: int,
) -> bool:
    """Write what a run gets that has no metric, no param and none of these tags yet; whether it was done.

    Parameters
    ----------
    client
        MLflow's.
    metrics
        Name → finite value.
    params, tags
        Name → value.
    timestamp
        Of the metrics, in milliseconds since the epoch.
    """
    store, tables = _store(client), _tables()
    if store is None or tables is None or not _allowed(metrics, params, tags):
        return False
    measured = [
        {"key": name, "value": value, "timestamp": timestamp, "step": 0, "is_nan": False, "run_uuid": run_id}
        for name, value in metrics.items()
    ]
    said = [[{"key": k, "value": v, "run_uuid": run_id} for k, v in each.items()] for each in (params, tags)]
    with store.ManagedSessionMaker(read_only=False) as session:
        for table, rows in zip(tables, (measured, measured, *said), strict=True):
            if rows:
                session.execute(table.insert(), rows)
    return True


def _store(client: Any) -> Any:
    """The database of a client that opens it itself, else None."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = getattr(getattr(client, "_tracking_client", None), "store", None)
    return store if type(store) is SqlAlchemyStore else None


def _allowed(metrics: Mapping[str, float], params: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    names = [*metrics, *params, *tags]
    values = [*params.values(), *tags.values()]
    return (
        OF_THE_RUN not in tags
        and all(NAME.fullmatch(name) is not None and len(name) <= LONGEST_NAME for name in names)
        and all(len(value) <= LONGEST_VALUE for value in values)
    )


def _tables() -> tuple[Any, Any, Any, Any] | None:
    """Metrics, their latest values, params and tags; None where a table has other columns than it had."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlTag

    metrics, latest, params, tags = (each.__table__ for each in (SqlMetric, SqlLatestMetric, SqlParam, SqlTag))
    for table, known in ((metrics, VALUES), (latest, VALUES), (params, WORDS), (tags, WORDS)):
        if {column.name for column in table.columns} != known:
            return None
    return metrics, latest, params, tags
