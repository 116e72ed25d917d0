"""Hydra's launchers: their schemas, what their jobs need in other processes, and how those are ended.

All launchers pickle the function that a job calls; `Carried` takes the folder and the environment along with it.
"""

import functools
import logging
import os
import shutil
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from evalkit.errors import EvaluationError, RequestError
from evalkit.runtime.redaction import mask
from evalkit.runtime.signals import answered

EXTRAS = {"joblib": "parallel", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
"""Launcher → the extra of evalkit that installs it."""

SCHEMAS = "launcher_schema"
"""Group beside hydra/launcher where the launchers' own schemas stand, under the names in `EXTRAS`."""

TRAVELLING = ("EVALKIT_", "MLFLOW_", "HF_", "AWS_", "DVC_EXP_NAME")
"""Prefixes of environment variables that a job on another machine needs."""

SUBMITTED = "submitit.core._submit"  # module that a job of submitit runs
LOCAL_JOB = "SUBMITIT_LOCAL_JOB_ID"  # variable that a job of submitit on this machine has
STOP_SECONDS = 5.0  # for a job to end by itself, before it is killed
REASON_LENGTH = 300


def register() -> None:
    """Move the schemas of the installed launchers to the group that conf/hydra/launcher names.

    A launcher registers its schema under the name of our YAML. Hydra would match the two by name, with a warning.
    """
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # finds the launchers, which register themselves
    store = ConfigStore.instance()
    registered = store.repo.get("hydra", {}).get("launcher", {})
    for name in EXTRAS:
        node = registered.pop(f"{name}.yaml", None)
        if node is not None:
            store.store(group=f"hydra/{SCHEMAS}", name=name, node=node.node, provider=node.provider)


def needs(choice: str) -> str:
    """What to say where a launcher is not installed."""
    return f"hydra/launcher={choice} is not installed: run `pip install 'evalkit[{EXTRAS[choice]}]'`."


def prepare(launcher: DictConfig) -> dict[str, str]:
    """Make ready for the launcher (the node `hydra.launcher`); the environment that must travel with its jobs."""
    target = str(launcher.get("_target_", ""))
    logging.getLogger("submitit").propagate = False  # it has a handler of its own: its lines came twice
    if target.endswith(".SlurmLauncher") and shutil.which("srun") is None:
        raise RequestError(
            "hydra/launcher=submitit_slurm found no srun on this machine: "
            "start the sweep on a login node of the cluster, or take hydra/launcher=joblib."
        )
    if target.endswith(".LocalLauncher"):
        _shield_controllers()
    if not target.endswith(".RayLauncher"):
        return {}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's workers have the environment of their node. A runtime_env would stand in Ray's logs.
    return {key: value for key, value in os.environ.items() if key.startswith(TRAVELLING)}


def _shield_controllers() -> None:
    """Keep Ctrl-C from submitit's local controllers, each of which would answer with a traceback.

    They hand the disposition on to their jobs, which take it back where they arrive.
    """
    from submitit.local import local

    start = getattr(local.start_controller, "__wrapped__", local.start_controller)

    @functools.wraps(start)
    def shielded(*arguments: Any, **options: Any) -> Any:
        with answered(signal.SIG_IGN, signal.SIGINT):
            return start(*arguments, **options)

    local.start_controller = shielded


def stop_jobs() -> None:
    """End the jobs of submitit_local, which outlive their sweep: a signal to its process alone reaches none of them.

    joblib and Ray end theirs; a controller ends with its job.
    """
    import psutil

    jobs = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            jobs += [process] if SUBMITTED in process.cmdline() else []
    for how in (signal.SIGINT, signal.SIGKILL):
        for process in jobs:
            with suppress(psutil.Error):
                process.send_signal(how)
        _, jobs = psutil.wait_procs(jobs, timeout=STOP_SECONDS)


def kill_jobs() -> None:
    """Kill every process that this one started, under whichever launcher."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            process.kill()


def complaint(choice: str, error: Exception) -> str:
    """What to say where a launcher gave up with `error`, which holds the lost job's log in many a launcher."""
    cause = getattr(error, "cause", None) or error  # Ray wraps the job's own error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    reason = mask(lines[0] if lines else type(cause).__name__)[:REASON_LENGTH]
    return (
        f"hydra/launcher={choice} lost a job ({type(cause).__name__}: {reason}): what is done is kept, "
        "and the same command goes on from there."
    )


class Carried:
    """Callable that changes to the directory it was pickled in before running.

    Relative paths (the store, the sweep's folder, a data file) mean the same in every job only if all work in
    the folder that the sweep was started in. Hydra makes a job's folder before it calls the function, so the change
    happens while unpickling, where the `environment` of when it was pickled is set, too.
    """

    def __init__(self, function: Callable[..., Any], environment: Mapping[str, str]) -> None:
        self._function = function
        self._environment = environment
        self.__wrapped__ = function  # Hydra names its jobs after the function's module

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, (self._function, str(Path.cwd()), dict(self._environment))


def _arrive(function: Callable[..., Any], folder: str, environment: dict[str, str]) -> Carried:
    os.environ.update(environment)
    try:
        os.chdir(folder)
    except OSError:
        raise EvaluationError(
            f"{socket.gethostname()} cannot enter {folder}, where the sweep was started: "
            "start it in a folder that every node sees under the same name."
        ) from None
    if LOCAL_JOB in os.environ and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return Carried(function, environment)
