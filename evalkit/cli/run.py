"""``python -m evalkit.run [OVERRIDE…]``: one evaluation, or with ``-m`` a sweep."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.sweep_state import SweepState, begin, current
from evalkit.config import schema
from evalkit.config.launchers import Carried, kill_jobs, stop_jobs
from evalkit.errors import EvalkitError, RequestError
from evalkit.report import terminal
from evalkit.runtime.signals import stoppable
from evalkit.runtime.surroundings import named_if_hidden, settle

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from evalkit.cli.sweep_plan import Plan
    from evalkit.pipeline.request import Prepared

FULL_ERROR = "HYDRA_FULL_ERROR"


def conf_folder() -> Path:
    """conf/ of the checkout where there is one, else the wheel's copy."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "conf"
    return checkout if (checkout / "config.yaml").is_file() else package / "conf"


def job(config: DictConfig) -> float:
    """Evaluate one configuration, log it, and return `rank_by`'s value: the function that Hydra calls."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from evalkit.cli.jobs import prepare_job
    from evalkit.cli.sweep_plan import Plan, read_plan
    from evalkit.config.secret_overrides import hide
    from evalkit.report.run_folder import clear
    from evalkit.runtime.atomic_write import remove_pending

    hydra = HydraConfig.get()
    os.chdir(str(hydra.runtime.cwd))  # with hydra.job.chdir too, relative paths are those of the command
    folder = Path(str(hydra.runtime.output_dir))
    sweep = Path(str(hydra.sweep.dir)).absolute() if hydra.mode == RunMode.MULTIRUN else None
    clear(folder)
    remove_pending(folder)
    hide(*(folder / str(hydra.output_subdir)).glob("*.yaml"), *([sweep / "multirun.yaml"] if sweep else []))
    try:
        return _perform(prepare_job(config, hydra), folder, sweep, read_plan(sweep) if sweep else Plan())
    except Exception as error:  # noqa: BLE001  # whatever it is, the sweep's other jobs go on
        state = current()
        if sweep is None and state is not None:
            state.error = error  # for main: Hydra would print a line of its own above ours
        if sweep is not None or not isinstance(error, RequestError):
            _note_failure(config, folder, error, say=sweep is not None)
        return float("nan")


def _perform(prepared: Prepared, folder: Path, sweep: Path | None, plan: Plan) -> float:
    from evalkit.cli.jobs import perform, run_context
    from evalkit.pipeline.build_record import rank_value
    from evalkit.report.run_folder import UNTRACKED, write_text
    from evalkit.tracking import TrackerTrouble

    request, start = prepared.request, time.perf_counter()
    tracker = request.tracker.create()
    record, reused = perform(prepared, folder, plan)
    if sweep is None:
        terminal.record_table(record, folder)
    else:
        terminal.say(terminal.run_line(record, request.rank_by, time.perf_counter() - start, reused=reused))
    context = run_context(plan, log_texts=request.tracker.log_texts, folder=sweep or folder)
    logged = tracker.log_run(record, folder, context)
    if isinstance(logged, TrackerTrouble):
        state = current()
        if state is None:  # a process of the sweep's: the sweep's end says it, once
            write_text(logged.sentence, folder / UNTRACKED)
        else:
            state.warn_once(logged.sentence)
    elif sweep is None and logged is not None:
        terminal.say(f"MLflow: {tracker.command()}\n        then open {logged.link}")
    return rank_value(record, request.rank_by)


def _note_failure(config: DictConfig, folder: Path, error: Exception, *, say: bool) -> None:
    """Write error.json, with the traceback of an unexpected error; in a sweep also print a line."""
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


def _discard(folder: Path | None) -> None:
    """Remove the folders that Hydra made for a request that turned out wrong."""
    if folder is not None and all(".hydra" in file.parts for file in folder.rglob("*") if file.is_file()):
        shutil.rmtree(folder, ignore_errors=True)


def _run(arguments: Sequence[str], state: SweepState) -> int:
    """Let Hydra carry out the command; the exit status."""
    with named_if_hidden():
        import hydra

    from evalkit.cli import help_page
    from evalkit.cli.error_messages import explain
    from evalkit.cli.sweep_callback import close_broken
    from evalkit.config.secret_overrides import guard

    schema.register()
    # argparse wants options before or after all overrides; -m may stand anywhere.
    sys.argv = [sys.argv[0], *sorted(guard(arguments), key=lambda argument: argument not in {"-m", "--multirun"})]
    # With this set Hydra raises its exceptions instead of printing them over many lines and exiting 1.
    os.environ[FULL_ERROR] = "1"
    carried = Carried(job, state.environment)
    try:
        if help_page.is_asked(arguments):
            print(help_page.help_page(conf_folder(), sys.argv[1:]))  # noqa: T201  # as Hydra prints it
        else:
            hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(carried)()
    except Exception as error:  # noqa: BLE001  # explained, or raised again by main
        state.error = error
    if state.error is None:
        return 0
    if isinstance(state.error, RequestError):
        _discard(state.new_folder)
    if state.full_error:
        raise state.error
    return close_broken(state.running, state.error) if state.running is not None else explain(state.error)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exits 0, 1 or 2 as the README says, and 130 where it was stopped."""
    settle()
    state = SweepState(full_error=os.environ.get(FULL_ERROR) == "1")
    with stoppable(in_order=stop_jobs, at_once=kill_jobs), begin(state):
        status = _run(sys.argv[1:] if argv is None else argv, state)
    if status:
        sys.exit(status)
