"""One evaluation from composed configuration to its folder: what every job of a sweep does."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from evalkit.cli.sweep_plan import Plan, chooses_projection
from evalkit.config.build import build
from evalkit.datasets.corpus import Corpus
from evalkit.pipeline.build_record import corpus_entry, settings_entry
from evalkit.pipeline.evaluate import evaluate
from evalkit.pipeline.identity import environment
from evalkit.pipeline.prepare import prepare
from evalkit.pipeline.request import Prepared, Request
from evalkit.records import read_record
from evalkit.report import terminal
from evalkit.report.run_folder import RECORDS, copy_run, keep_run, write_run
from evalkit.store import Store, digest
from evalkit.tracking import RunContext
from evalkit.types import Record

_READ: dict[str, Corpus] = {}
"""The corpus read last: the jobs of a sweep read a file once, and a sweep over data sets holds one of them."""


def _corpus_of(request: Request) -> Corpus:
    """Read the request's corpus; read it again only where the question or the file has changed."""
    # Not the seed: a loader that takes it has it among its own arguments; all others give every seed the same corpus.
    asked = {key: request.described.get(key) for key in ("dataset", "queries")}
    path = request.described["dataset"].get("path")
    stamp = None
    if isinstance(path, str) and Path(path).is_file():
        state = Path(path).stat()
        stamp = [state.st_mtime_ns, state.st_size]
    # What is described has its secrets masked, and a query may look like one: the loader has them as they are.
    key = digest({"asked": asked, "loader": repr(request.load), "stamp": stamp})
    if key not in _READ:
        _READ.clear()
        _READ[key] = request.load()
    return _READ[key]


def prepare_job(config: DictConfig, hydra: Any) -> Prepared:
    """Find out everything about a job that can be known before a weight is loaded.

    An EvaluationError says that the request may be right, but the model is out of reach.
    """
    request = build(config, projection_chosen=chooses_projection(hydra))
    request.tracker.create()  # refuses an address that cannot be one; connects to nothing
    Store(Path(request.store))  # refuses a file; makes nothing
    prepared = prepare(request, _corpus_of(request))
    return dataclasses.replace(prepared, warnings=(*prepared.warnings, *request.warnings))


def encoding_group(request: Request) -> str:
    """Key of model and corpus as asked for: jobs that agree on it share one forward pass."""
    return digest({name: request.described[name] for name in ("model", "dataset", "dtype", "seed")})


def perform(prepared: Prepared, folder: Path, plan: Plan) -> tuple[Record, bool]:
    """Evaluate into `folder`, or copy the finished run of the same identity there; the record, and whether copied."""
    request, store = prepared.request, Store(Path(prepared.request.store))
    # A picture has a theme, a score has none: pictures in another theme are another entry of the same identity.
    # Without reuse an earlier sweep's record does not count, but within this sweep a combination is done once.
    own = None if request.reuse else {"sweep": plan.sweep, "started": plan.started}
    key = digest({"identity": prepared.identity, "theme": request.theme, "own": own})
    with store.lock(RECORDS, key):
        entry = store.find(RECORDS, key) if request.reuse or plan.sweep is not None else None
        if entry is not None:
            # In the words of this request: equal identities may be asked for under other names.
            settings, corpus = settings_entry(prepared), corpus_entry(prepared.corpus)
            record = dataclasses.replace(read_record(entry.folder), settings=settings, corpus=corpus)
            copy_run(entry.folder, folder, record)
            return record, True
        title = f"{request.model}·{prepared.encoder.pooling}·{prepared.projection.name}·{request.seed}"
        wanted = plan.poolings.get(encoding_group(request), [])
        result = evaluate(prepared, store, poolings=wanted, watcher=terminal.Progress(title))
        write_run(result, folder, theme=request.theme)
        keep_run(folder, store, key, result.record.identity)
    return result.record, False


def run_context(plan: Plan, *, log_texts: bool, folder: Path) -> RunContext:
    """What the tracker needs besides the record: the sweep, DVC's experiment, the commit around the run."""
    around = environment()
    return RunContext(
        sweep=plan.sweep,
        sweep_name=folder.name,
        dvc_experiment=os.environ.get("DVC_EXP_NAME"),
        git_commit=around["git_commit"],
        git_dirty=around["git_dirty"],
        log_texts=log_texts,
        sync_folder=folder,
    )
