"""MLflow as a tracker: runs that read as a leaderboard, and failures that never stop an evaluation."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from evalkit.records import record_to_json
from evalkit.runtime.redaction import mask
from evalkit.tracking import (
    LoggedRun,
    RunContext,
    TrackerTrouble,
    TrackerUnavailable,
    artifacts,
    mlflow_fields,
    mlflow_note,
    mlflow_runs,
    mlflow_store,
    mlflow_view,
)
from evalkit.tracking.mlflow_runs import Draft, Session
from evalkit.tracking.mlflow_session import open_session
from evalkit.types import Record

PORT = 5000


class MlflowTracker:
    """Logs finished runs to an MLflow server or store.

    Parameters
    ----------
    uri
        Tracking address; None means MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in the current folder.
    experiment
        Name; None means MLFLOW_EXPERIMENT_NAME, else evalkit.
    """

    def __init__(self, uri: str | None = None, experiment: str | None = None) -> None:
        self._uri = mlflow_store.resolve_uri(uri)
        self._experiment = mlflow_store.resolve_experiment(experiment)
        given = {"--tracking-uri": uri and mask(uri), "--experiment": experiment}
        self._options = [part for option, value in given.items() if value for part in (option, value)]
        self._experiment_id: str | None = None

    def log_run(self, record: Record, folder: Path, context: RunContext) -> LoggedRun | TrackerTrouble:
        """Log a finished run once; see `evalkit.tracking.Tracker`."""
        texts = context.log_texts
        reduced = record_to_json(artifacts.without_texts(record))
        draft = Draft(
            name=mlflow_fields.logged_name(record),
            tags=mlflow_fields.run_tags(record, context),
            params=mlflow_fields.run_params(record, log_texts=texts),
            metrics=mlflow_fields.run_metrics(record),
            files=artifacts.run_files(folder, record, log_texts=texts),
            folder=folder,
            written={} if texts else {artifacts.RECORD: json.dumps(reduced, ensure_ascii=False, indent=1)},
            dataset=mlflow_fields.dataset_description(record),
            note=lambda run_id: {mlflow_note.NOTE: mlflow_note.run_note(record, folder, run_id, context)},
            seconds=math.fsum(record.timings.values()),
        )

        def work(session: Session) -> LoggedRun:
            runs = mlflow_runs.runs_of(session, record.identity)
            mlflow_runs.close_dead(session, runs)
            present = mlflow_runs.finished_run(session, runs)
            if present is not None:
                return LoggedRun(present, self.link(present), new=False)
            return self._put(session, draft, lambda: mlflow_runs.runs_of(session, record.identity))

        return self._attempt(work, context.sync_folder or folder)

    def log_sweep(
        self, sweep: str, folder: Path, summary: Mapping[str, Any], context: RunContext
    ) -> LoggedRun | TrackerTrouble:
        """Log the run `sweep`, or bring the one that is there up to date."""
        draft = Draft(
            name="sweep",
            tags={**mlflow_fields.sweep_tags(context), mlflow_fields.SWEEP: sweep, mlflow_fields.KIND: "sweep"},
            metrics=mlflow_fields.finite_metrics({f"sweep/{key}": value for key, value in summary.items()}),
            files=artifacts.sweep_files(folder, log_texts=context.log_texts),
            folder=folder,
            note=lambda _: {mlflow_note.NOTE: mlflow_note.sweep_note(folder, summary)},
        )

        def work(session: Session) -> LoggedRun:
            runs = mlflow_runs.sweeps_of(session, sweep)
            if not runs:
                return self._put(session, draft, lambda: mlflow_runs.sweeps_of(session, sweep))
            run_id, ended = runs[0].info.run_id, runs[0].info.end_time
            mlflow_runs.fill(session, run_id, draft)
            session.client.set_terminated(run_id, "FINISHED", ended)
            return LoggedRun(run_id, self.link(run_id), new=False)

        return self._attempt(work, context.sync_folder or folder)

    def address(self) -> str:
        """Address of the experiment's runs, with the prepared columns."""
        base = self._base()
        if not base or self._experiment_id is None:
            return base
        return f"{base}/#/experiments/{self._experiment_id}/runs?{mlflow_view.QUERY}"

    def command(self) -> str:
        """Command that serves a local store on this machine alone; empty for a server."""
        if not mlflow_store.is_local(self._uri):
            return ""
        return f"mlflow ui --backend-store-uri {shlex.quote(mask(self._uri))} --host 127.0.0.1 --port {PORT}"

    def link(self, run_id: str) -> str:
        """Address of a run's page."""
        base = self._base()
        return f"{base}/#/experiments/{self._experiment_id}/runs/{run_id}?{mlflow_view.MODE}" if base else ""

    def _base(self) -> str:
        if mlflow_store.is_local(self._uri):
            return f"http://127.0.0.1:{PORT}"
        parts = urlsplit(self._uri)
        if parts.scheme not in {"http", "https"}:
            return ""
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def _put(self, session: Session, draft: Draft, find: Callable[[], Sequence[Any]]) -> LoggedRun:
        """Log a run, and keep the oldest where another machine has finished the same meanwhile."""
        own = mlflow_runs.put(session, draft)
        kept = mlflow_runs.finished_run(session, find()) or own
        return LoggedRun(kept, self.link(kept), new=kept == own)

    def _attempt(self, work: Callable[[Session], LoggedRun], folder: Path) -> LoggedRun | TrackerTrouble:
        """Do the work; a failure of the tracker comes back as one sentence with the remedy."""
        try:
            with open_session(self._uri, self._experiment) as session:
                self._experiment_id = session.experiment_id
                return work(session)
        except TrackerUnavailable as error:
            command = shlex.join(["python", "-m", "evalkit.sync", str(folder), *self._options])
            return TrackerTrouble(
                f"MLflow has not got these results: {mask(str(error))}; "
                f"they are whole in {folder}, and `{command}` logs them when it is back."
            )
