"""One evaluation from composed configuration to folder and tracker: what every job of a sweep does."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from evalkit.cli.behind import Behind
from evalkit.cli.finishing import KIND, Unfinished, load_pictures, put_files
from evalkit.config import build as settings
from evalkit.pipeline.build_record import corpus_entry, rank_value, settings_entry
from evalkit.pipeline.evaluate import Result, evaluate
from evalkit.pipeline.identity import environment
from evalkit.pipeline.prepare import prepare
from evalkit.pipeline.request import Prepared, Request
from evalkit.records import record_from_json
from evalkit.report import terminal
from evalkit.store import Store, digest
from evalkit.tracking import RunContext
from evalkit.types import Corpus, Record

__all__ = [
    "PLAN",
    "Finished",
    "Plan",
    "corpus_of",
    "encoding_group",
    "evaluate_only",
    "perform",
    "prepare_job",
    "rank",
    "read_plan",
    "run_context",
]

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
    # Not the seed: a loader that takes it has it among its own arguments; all others give every seed the same corpus.
    asked = {key: request.described.get(key) for key in ("dataset", "queries")}
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
    Store(Path(request.store))  # refuses a file; makes nothing
    return prepare(request, corpus_of(request))


def encoding_group(request: Request) -> str:
    """Key of model and corpus as asked for: jobs that agree on it share one forward pass."""
    described = request.described
    return digest({name: described[name] for name in ("model", "dataset", "dtype", "seed")})


def perform(prepared: Prepared, folder: Path, plan: Plan) -> Finished:
    """Evaluate, or copy the finished record of the same identity, into `folder`."""
    store, key, start = Store(Path(prepared.request.store)), _record_key(prepared, plan), time.perf_counter()
    with store.lock(KIND, key):
        left = _numbers(prepared, folder, plan, store, key)
        put_files(left, store, store.find(KIND, key) if left.result is None else None)
    return Finished(left.record, time.perf_counter() - start, reused=left.result is None)


def evaluate_only(prepared: Prepared, folder: Path, plan: Plan, behind: Behind) -> Unfinished:
    """As `perform`, but leave all files to `finish`.

    Parameters
    ----------
    behind
        Where `finish` will be done; what it is at with the same evaluation is waited for.
    """
    store, key = Store(Path(prepared.request.store)), _record_key(prepared, plan)
    behind.wait_for(key)
    with store.lock(KIND, key):
        return _numbers(prepared, folder, plan, store, key, before=lambda: behind.prepare(load_pictures, "pictures"))


def _numbers(
    prepared: Prepared,
    folder: Path,
    plan: Plan,
    store: Store,
    key: str,
    *,
    before: Callable[[], object] = lambda: None,
) -> Unfinished:
    """The run's record, kept or made (`before` is called then); the caller holds the lock on its key."""
    start = time.perf_counter()
    kept = _kept(prepared, plan, store, key)
    if kept is None:
        before()
        made = _evaluated(prepared, plan, store)
        record, result = made.record, made
    else:
        record, result = kept, None
    seconds = time.perf_counter() - start
    return Unfinished(record, result, folder, prepared.request.store, key, prepared.request.theme, seconds)


def _record_key(prepared: Prepared, plan: Plan) -> str:
    # A picture has a theme, a score has none: pictures in another theme are another entry of the same identity.
    # Without reuse an earlier sweep's record does not count, but within this sweep a combination is done once.
    own = None if prepared.request.reuse else {"sweep": plan.sweep, "started": plan.started}
    return digest({"identity": prepared.identity, "theme": prepared.request.theme, "own": own})


def _kept(prepared: Prepared, plan: Plan, store: Store, key: str) -> Record | None:
    """The record of this evaluation's kept run, in this request's words; None where there is none that counts."""
    entry = store.find(KIND, key)
    if entry is None or not (prepared.request.reuse or plan.sweep is not None):
        return None
    kept = json.loads(entry.path("record.json").read_text(encoding="utf-8"))
    return _as_asked(record_from_json(kept, str(entry.folder)), prepared)


def _evaluated(prepared: Prepared, plan: Plan, store: Store) -> Result:
    request = prepared.request
    title = f"{request.model}·{prepared.encoder.pooling}·{prepared.projection.name}·{request.seed}"
    wanted = plan.poolings.get(encoding_group(request), [])
    return evaluate(prepared, store, poolings=wanted, watcher=terminal.Progress(title))


def _as_asked(record: Record, prepared: Prepared) -> Record:
    """A kept record in the words of this request: equal identities may be asked for under other names."""
    return dataclasses.replace(record, settings=settings_entry(prepared), corpus=corpus_entry(prepared.corpus))


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


def rank(record: Record, request: Request) -> float:
    """What Hydra's sweepers optimise."""
    return rank_value(record, request.rank_by)
