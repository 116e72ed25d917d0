"""``python -m evalkit.run [OVERRIDE…]``: one evaluation, or with ``-m`` a sweep."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evalkit.config import schema
from evalkit.config.launchers import Carried, elsewhere, kill_jobs, stop_jobs
from evalkit.errors import EvalkitError, RequestError
from evalkit.report import terminal
from evalkit.runtime.collecting import collect_seldom
from evalkit.runtime.signals import KEPT, STOPPED, Stops

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from evalkit.cli.jobs import Plan
    from evalkit.pipeline.request import Prepared
    from evalkit.tracking import RunContext, Tracker

__all__ = ["conf_folder", "job", "main"]

failed: list[Exception] = []
"""The error of a single run."""

SENT = 20_000
"""Texts up to which a run's tables are sent to another process; of more, evaluating takes most of the time."""

MOST_WAITING, WAITING_TEXTS = 8, 200_000
"""Runs that may wait for the process behind before this one draws and writes too, and the texts in all their tables."""

FULL_ERROR = "HYDRA_FULL_ERROR"


def conf_folder() -> Path:
    """conf/ of the checkout where there is one, else the wheel's copy."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "conf"
    return checkout if (checkout / "config.yaml").is_file() else package / "conf"


def job(config: DictConfig) -> float:
    """What Hydra calls: evaluate, emit, and return `rank_by`'s value."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from evalkit.cli import sweep_callback as sweep
    from evalkit.cli.jobs import prepare_job, read_plan
    from evalkit.config.secret_overrides import hide
    from evalkit.report.run_folder import UNTRACKED
    from evalkit.runtime.atomic_write import remove_pending

    hydra = HydraConfig.get()
    folder = Path(str(hydra.runtime.output_dir))
    many = hydra.mode == RunMode.MULTIRUN
    for stale in ("record.json", "error.json", UNTRACKED):
        (folder / stale).unlink(missing_ok=True)
    remove_pending(folder)
    sweep_folder = Path(str(hydra.sweep.dir)).absolute()
    hide(*(folder / str(hydra.output_subdir)).glob("*.yaml"), *([sweep_folder / "multirun.yaml"] if many else []))
    plan = read_plan(sweep_folder) if many else None
    try:
        prepared = sweep.prepared_before(hydra) or prepare_job(
            config, projection_chosen=sweep.is_chosen(hydra, "projection")
        )
        return _perform(config, folder, sweep_folder, plan, prepared)
    except Exception as error:  # noqa: BLE001  # whatever it is, the sweep's other jobs go on
        if not many:
            # Kept for main: Hydra would print a line of its own above ours.
            failed.append(error)
        if isinstance(error, RequestError) and not many:
            _discard(folder)
        else:
            _note_failure(config, folder, error, say=many)
        return float("nan")


def _perform(config: DictConfig, folder: Path, sweep_folder: Path, plan: Plan | None, prepared: Prepared) -> float:
    from evalkit.cli.behind import behind
    from evalkit.cli.jobs import Plan, perform, rank, run_context

    request = prepared.request
    tracker = request.tracker.create()
    whole = folder if plan is None else sweep_folder
    around = run_context(plan or Plan(), log_texts=request.tracker.log_texts, folder=whole)
    if plan is not None and not elsewhere() and behind.apart and len(prepared.corpus.texts) <= SENT:
        return _perform_apart(config, folder, prepared, plan, tracker, around)
    finished = perform(prepared, folder, plan or Plan())
    log = partial(tracker.log_run, finished.record, folder, around)
    if plan is None:
        terminal.record_table(finished.record, folder)
        _say_logged(log(), tracker)
        return rank(finished.record, request)
    terminal.say(terminal.run_line(finished.record, request.rank_by, finished.seconds, reused=finished.reused))
    if elsewhere():  # such a process may end with its job
        _say_trouble(log(), folder)
    else:
        behind.do(log, lambda logged: _tell(logged, config, folder))
    return rank(finished.record, request)


def _perform_apart(
    config: DictConfig, folder: Path, prepared: Prepared, plan: Plan, tracker: Tracker, around: RunContext
) -> float:
    """Evaluate here; files and log are made in the process behind, and the run is told of when it has them."""
    from evalkit.cli.behind import behind
    from evalkit.cli.finishing import finish, write_files
    from evalkit.cli.jobs import evaluate_only, rank

    left = evaluate_only(prepared, folder, plan, behind)

    def tell(finished: Callable[[], Any]) -> None:
        if _tell(finished, config, folder):
            line = terminal.run_line(left.record, prepared.request.rank_by, left.seconds, reused=left.result is None)
            terminal.say(line)

    # The process behind catches up while the next model is loaded; what is more than that, this one does.
    room = min(MOST_WAITING, WAITING_TEXTS // len(prepared.corpus.texts))
    work: Callable[[], Any] = partial(finish, left, tracker, around)
    if behind.waiting >= room:
        write_files(left)
        work = partial(tracker.log_run, left.record, folder, around)
    behind.do(work, tell, name=None if left.result is None else left.key, most=2 * room)
    return rank(left.record, prepared.request)


def _say_logged(logged: Any, tracker: Any) -> None:
    """Where a single run is to be looked at, or why it was not logged."""
    from evalkit.tracking import TrackerTrouble

    if isinstance(logged, TrackerTrouble):
        terminal.warn_once(logged.sentence)
    elif logged is not None:
        terminal.say(f"MLflow: {tracker.command()}\n        then open {logged.link}")


def _say_trouble(logged: Any, folder: Path) -> None:
    """Why a job was not logged: at once, or by the sweep's end for all its processes."""
    from evalkit.report.run_folder import UNTRACKED, write_text
    from evalkit.tracking import TrackerTrouble

    if not isinstance(logged, TrackerTrouble):
        return
    if elsewhere():
        write_text(logged.sentence, folder / UNTRACKED)
    else:
        terminal.warn_once(logged.sentence)


def _tell(logged: Callable[[], Any], config: DictConfig, folder: Path) -> bool:
    """What came of finishing a job, whichever job is at work now; whether it went well."""
    try:
        _say_trouble(logged(), folder)
    except Exception as error:  # noqa: BLE001  # the job that was finished has failed, not the one at work
        _note_failure(config, folder, error, say=True)
        return False
    return True


def _note_failure(config: DictConfig, folder: Path, error: Exception, *, say: bool) -> None:
    """error.json and, in a sweep, a line; the traceback of what nobody foresaw goes into the file."""
    from omegaconf import OmegaConf

    from evalkit.report.run_folder import write_failure
    from evalkit.runtime.redaction import mask, mask_tree

    expected = isinstance(error, EvalkitError)
    message = str(error) if expected else f"unexpected {type(error).__name__}: {error}"
    name = f"{config.model.label or config.model.name}·{config.pooling}·{config.projection.name}·{config.seed}"
    write_failure(
        folder,
        kind=type(error).__name__,
        name=name,
        message=mask(message),
        settings=mask_tree(OmegaConf.to_container(config, resolve=False)),
        trace=None if expected else mask("".join(traceback.format_exception(error))),
    )
    if say:
        terminal.warn(mask(f"{name} failed: {message}"))


def _discard(folder: Path) -> None:
    """Take back the folders that Hydra made for a request that turned out wrong."""
    import shutil

    from evalkit.cli.sweep_callback import created

    made = created.get(folder.absolute())
    if made is not None and made.is_dir() and all(".hydra" in e.parts for e in made.rglob("*") if e.is_file()):
        shutil.rmtree(made)


def _finish() -> None:
    """Do no more than what is under way."""
    from evalkit.cli.behind import behind

    behind.drop()
    stop_jobs()


def _explain(error: Exception) -> int:
    """Say what went wrong in one sentence; the exit status."""
    from evalkit.cli import sweep_callback as sweep
    from evalkit.cli.error_messages import is_about_the_command_line, sentence
    from evalkit.runtime.redaction import mask

    if sweep.under_way:
        return sweep.close_broken(error)
    if isinstance(error, EvalkitError):
        terminal.warn(mask(str(error)))
        return error.exit_status
    if is_about_the_command_line(error):
        terminal.warn(mask(sentence(error)))
        return 2
    terminal.warn(mask(f"unexpected {type(error).__name__}: {error} ({FULL_ERROR}=1 shows where)."))
    return 1


def _command(arguments: Sequence[str]) -> Callable[[], Any]:
    """Hydra's command of these arguments."""
    import hydra

    from evalkit.cli import sweep_callback as sweep
    from evalkit.config.secret_overrides import guard

    collect_seldom()
    schema.register()
    sweep.under_way.clear()
    sys.argv = [sys.argv[0], *guard(arguments)]
    # With this set Hydra hands its exceptions on instead of printing them over many lines and exiting 1.
    os.environ[FULL_ERROR] = "1"
    command = hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(Carried(job))
    return cast(Callable[[], Any], command)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exits 0, 1 or 2 as the README says."""
    wants_traceback = os.environ.get(FULL_ERROR) == "1"
    stops = Stops()
    stops.listen()
    try:
        _command(sys.argv[1:] if argv is None else argv)()
        if failed:
            raise failed.pop()
    except KeyboardInterrupt:
        stops.close(in_order=_finish, at_once=kill_jobs)
        terminal.warn(KEPT.removeprefix("evalkit: "))
        sys.exit(STOPPED)
    except Exception as error:
        if wants_traceback:
            raise
        sys.exit(_explain(error))
