"""One evaluation from composed configuration to folder and tracker: what every job of a sweep does."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from evalkit import settings, terminal
from evalkit.errors import EvalkitError
from evalkit.identity import environment
from evalkit.outputs import copy_run, write_run
from evalkit.pipeline import Prepared, corpus_entry, evaluate, prepare, rank_value, settings_entry
from evalkit.records import record_from_json
from evalkit.request import Request
from evalkit.store import Store, digest
from evalkit.trackers import RunContext
from evalkit.values import Corpus, Record

__all__ = [
    "PLAN",
    "Finished",
    "Plan",
    "corpus_of",
    "encoding_group",
    "perform",
    "prepare_job",
    "rank",
    "read_plan",
    "run_context",
]

KIND = "records"

PLAN = "sweep.json"
"""In a sweep's folder: its id, the identities, and which poolings share a forward pass."""

_corpora: dict[str, Corpus] = {}
"""Corpora that this process has read, by what was asked: the jobs of a sweep read a file once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job knows of its sweep.

    Attributes
    ----------
    sweep
        The sweep's id, or None for a single run.
    poolings
        Key of model and corpus (`encoding_group`) → all poolings that the sweep will want of them.
    total
        Number of jobs.
    started
        When the sweep began, in seconds since the epoch.
    """

    sweep: str | None = None
    poolings: Mapping[str, list[str]] = field(default_factory=dict)
    total: int = 1
    started: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A job's outcome: the record, how long it took, and whether it was found finished."""

    record: Record
    seconds: float
    reused: bool


def read_plan(folder: Path) -> Plan:
    """The plan of the sweep in `folder`; an empty one where there is none (another sweeper's jobs)."""
    try:
        data = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        return Plan(sweep=data["sweep"], poolings=data["poolings"], total=data["total"], started=data["started"])
    except (OSError, ValueError, KeyError):
        return Plan()


def corpus_of(request: Request) -> Corpus:
    """The request's corpus; read again only where the question or the file has changed."""
    asked = {key: request.described.get(key) for key in ("dataset", "queries", "seed")}
    dataset = request.described["dataset"]
    path = dataset.get("path")
    stamp = None
    if isinstance(path, str) and Path(path).is_file():
        state = Path(path).stat()
        stamp = [state.st_mtime_ns, state.st_size]
    # What is described has its secrets masked, and a query may look like one: the loader has them as they are.
    key = digest({"asked": asked, "loader": repr(request.load), "stamp": stamp})
    if key not in _corpora:
        corpus = request.load()
        _corpora.clear()  # one at a time: a sweep over datasets must not hold them all
        _corpora[key] = corpus
    return _corpora[key]


def prepare_job(config: DictConfig, *, projection_chosen: bool) -> Prepared:
    """Everything about a job that can be known before a weight is loaded.

    Raises
    ------
    RequestError
        The request is wrong.
    EvaluationError
        The request may be right, but the model is out of reach.
    """
    request = settings.build(config, projection_chosen=projection_chosen)
    request.tracker.create()  # refuses an address that cannot be one; connects to nothing
    return prepare(request, corpus_of(request))


def encoding_group(request: Request) -> str:
    """Key of model and corpus as asked for: jobs that agree on it share one forward pass."""
    described = request.described
    return digest({name: described[name] for name in ("model", "dataset", "dtype", "seed")})


def perform(prepared: Prepared, folder: Path, plan: Plan) -> Finished:
    """Evaluate, or copy the finished record of the same identity, into `folder`."""
    request = prepared.request
    store = Store(Path(request.store))
    # A picture has a theme, a score has none: pictures in another theme are another entry of the same identity.
    # Without reuse an earlier sweep's record does not count, but within this sweep a combination is done once.
    own = None if request.reuse else {"sweep": plan.sweep, "started": plan.started}
    key = digest({"identity": prepared.identity, "theme": request.theme, "own": own})
    findable = request.reuse or plan.sweep is not None
    start = time.perf_counter()
    with store.lock(KIND, key):
        entry = store.find(KIND, key)
        if entry is not None and findable:
            kept = json.loads(entry.path("record.json").read_text(encoding="utf-8"))
            record = _as_asked(record_from_json(kept, str(entry.folder)), prepared)
            copy_run(entry.folder, folder, record=record)
            return Finished(record, time.perf_counter() - start, reused=True)
        title = f"{request.model}·{prepared.encoder.pooling}·{prepared.projection.name}·{request.seed}"
        wanted = plan.poolings.get(encoding_group(request), [])
        result = evaluate(prepared, store, poolings=wanted, watcher=terminal.Progress(title))
        write_run(result, folder, theme=request.theme)
        store.write(KIND, key, lambda target: _copy_files(folder, target), {"identity": prepared.identity})
    return Finished(result.record, time.perf_counter() - start, reused=False)


def _as_asked(record: Record, prepared: Prepared) -> Record:
    """A kept record in the words of this request: equal identities may be asked for under other names."""
    return dataclasses.replace(record, settings=settings_entry(prepared), corpus=corpus_entry(prepared.corpus))


def _copy_files(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            shutil.copyfile(file, target / file.name)
    # Renamed in place last in a run's folder; here the whole entry appears at once.
    if not (target / "record.json").is_file():
        raise EvalkitError(
            f"{source} lost its record.json while it was kept: do not change a run's folder while it works."
        )


def run_context(plan: Plan, *, log_texts: bool, folder: Path | None = None) -> RunContext:
    """What the tracker is told besides the record: the sweep, DVC's experiment, the commit around the run."""
    around = environment()
    return RunContext(
        sweep=plan.sweep,
        sweep_name=None if folder is None else folder.name,
        dvc_experiment=os.environ.get("DVC_EXP_NAME"),
        git_commit=around["git_commit"],
        git_dirty=around["git_dirty"],
        log_texts=log_texts,
        sync_folder=folder,
    )


def rank(finished: Finished, request: Request) -> float:
    """What Hydra's sweepers optimise."""
    return rank_value(finished.record, request.rank_by)
