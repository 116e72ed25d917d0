"""The same sweep under every launcher: same records, same leaderboard, nothing lost."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from slurm import one_node

from evalkit import launchers
from evalkit.errors import EvaluationError
from evalkit.launchers import EXTRAS, Carried
from evalkit.study import _lasting

SWEEP = ("-m", "model=tfidf,random,minilm", "projection=pca", "seed=0,1", "hydra.sweep.dir=sweep")
pytestmark = pytest.mark.timeout(2000)  # with the reference's sweep, on a machine that is busy

QUICK = ("projection=pca", "evaluators=[neighbours]")
JOBS = 6
LAUNCHERS = ("joblib", "submitit_local", "ray")
TIMED = ("texts_per_second",)


def needs_extra(launcher: str) -> None:
    module = {"joblib": "joblib", "ray": "ray"}.get(launcher, "submitit")
    if not importlib.util.find_spec("hydra_plugins") or not importlib.util.find_spec(
        f"hydra_plugins.hydra_{module}_launcher"
    ):
        pytest.skip(f"needs evalkit[{EXTRAS[launcher]}]")


def left_over(folder: Path) -> set[str]:
    """Commands of processes that still work in `folder` or below: no launcher may leave any behind."""
    found = set()
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            within = Path(process.cwd()).is_relative_to(folder)
        except (psutil.Error, OSError):
            continue
        if within and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.add(f"{process.pid} {' '.join(process.info['cmdline'] or [])[:80]}")
    return found


class Sweep:
    """One sweep in a folder of its own, as a user runs it."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evalkit.run", *arguments],
            cwd=folder,
            env={**os.environ, "COLUMNS": "160", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> Sweep:
        try:
            self.out, self.err = self.process.communicate(timeout=900)
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise
        self.status = self.process.returncode
        return self

    @property
    def records(self) -> dict[str, dict]:
        """Job number → its record, without times and machine, figures to ten decimals."""
        files = (self.folder / "sweep").glob("*/record.json")
        return {file.parent.name: _lasting(json.loads(file.read_text(encoding="utf-8"))) for file in files}

    @property
    def identities(self) -> set[str]:
        return set(json.loads((self.folder / "sweep" / "sweep.json").read_text())["identities"])

    @property
    def board(self) -> str:
        """leaderboard.csv as it stands, without the column of times."""
        lines = (self.folder / "sweep" / "leaderboard.csv").read_text(encoding="utf-8").splitlines()
        heads = lines[0].split(",")
        kept = [number for number, head in enumerate(heads) if head not in TIMED]
        return "\n".join(",".join(line.split(",")[number] for number in kept) for line in lines)


def runs_in(database: Path) -> list[tuple[str, str]]:
    """(identity, or "sweep"; status) of every run that is not deleted."""
    from contextlib import closing
    from sqlite3 import connect

    query = """
        select coalesce((select value from tags where tags.run_uuid = runs.run_uuid and key = 'evalkit.identity'),
                        name), status from runs where lifecycle_stage = 'active'"""
    with closing(connect(database)) as connection:
        return [(str(identity), str(status)) for identity, status in connection.execute(query)]


def assert_every_identity_is_finished_once(database: Path, identities: set[str]) -> None:
    assert sorted(runs_in(database)) == sorted([*((name, "FINISHED") for name in identities), ("sweep", "FINISHED")])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The sweep under Hydra's own launcher, one job after the other."""
    done = Sweep(tmp_path_factory.mktemp("basic"), *SWEEP).end()
    assert done.status == 0, done.err
    assert len(done.records) == JOBS
    assert_every_identity_is_finished_once(done.folder / "mlflow.db", done.identities)
    return done


@pytest.mark.fault(
    "launchers",
    "a sweep under another launcher",
    "joblib with 2 processes, submitit_local, Ray: six jobs, records and leaderboard held against one process's",
)
@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_gives_the_same_records_and_the_same_leaderboard(reference, tmp_path, launcher):
    needs_extra(launcher)
    done = Sweep(tmp_path, *SWEEP, f"hydra/launcher={launcher}").end()
    assert done.status == 0, done.err
    assert "Traceback" not in done.err
    assert done.records == reference.records
    assert done.board == reference.board
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", reference.identities)
    assert left_over(tmp_path) == set()


@contextmanager
def two_nodes(room: Path):
    """A Ray cluster of two nodes on this machine, each a raylet of its own; yields its address."""
    from ray.cluster_utils import Cluster

    shared = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 1024**2}
    cluster = Cluster(initialize_head=True, head_node_args={**shared, "resources": {"first": 1}, "temp_dir": str(room)})
    try:
        cluster.add_node(num_cpus=1, resources={"second": 1}, object_store_memory=80 * 1024**2)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


@pytest.mark.fault(
    "launchers", "a sweep on a Ray cluster", "two nodes on this machine; jobs that only the second can run"
)
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own, of its way of starting processes
def test_a_ray_cluster_of_two_nodes_is_joined_by_its_address(reference, tmp_path, request):
    """The jobs ask for a resource that only the second node has: not the one that the sweep is handed to."""
    needs_extra("ray")
    room = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: a socket's path may have 107 characters
    request.addfinalizer(lambda: shutil.rmtree(room, ignore_errors=True))
    few = ("-m", "model=tfidf,random", *SWEEP[2:])
    with two_nodes(room) as address:
        done = Sweep(
            tmp_path,
            *few,
            "hydra/launcher=ray",
            f"hydra.launcher.ray.init.address={address}",
            "+hydra.launcher.ray.remote.resources={second:0.5}",
        ).end()
    assert done.status == 0, done.err
    assert done.records == {number: reference.records[number] for number in "0123"}
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", done.identities)


@pytest.mark.fault("launchers", "a sweep on Slurm", "munged, slurmctld and slurmd of one node; a job array")
@pytest.mark.slow
def test_slurm_runs_the_sweep_as_an_array(reference, tmp_path):
    """munged, slurmctld and slurmd of one node, for as long as the sweep lasts."""
    needs_extra("submitit_slurm")
    if one_node.absent():
        pytest.skip("Slurm is not installed: apt-get install slurm-wlm munge")
    # Short: a socket's path may have 107 characters.
    room = Path(tempfile.mkdtemp(prefix="evalkit-slurm-", dir="/tmp"))
    try:
        with one_node.cluster(room / "cluster") as environment:
            done = Sweep(
                tmp_path,
                *SWEEP,
                "hydra/launcher=submitit_slurm",
                "hydra.launcher.cpus_per_task=1",
                "hydra.launcher.mem_gb=4",
                "hydra.launcher.timeout_min=10",
                environment=environment,
            ).end()
        finished = (room / "cluster" / "jobs.txt").read_text(encoding="utf-8").splitlines()
    finally:
        keep_logs(room, tmp_path)
        shutil.rmtree(room, ignore_errors=True)
    assert done.status == 0, done.err
    assert done.records == reference.records
    assert done.board == reference.board
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", reference.identities)
    assert len(finished) == JOBS
    assert all("JobState=COMPLETED" in line for line in finished), finished


def keep_logs(room: Path, sweep: Path) -> None:
    """What the daemons and the jobs said, for who looks at CI's artifacts."""
    kept = os.environ.get("EVALKIT_ARTIFACTS")
    if kept is None:
        return
    target = Path(kept) / "slurm"
    target.mkdir(parents=True, exist_ok=True)
    for file in [*room.rglob("*.log"), *room.rglob("jobs.txt"), *(sweep / "sweep" / ".submitit").rglob("*_log.out")]:
        shutil.copyfile(file, target / file.name)


@pytest.mark.fault("launchers", "a launcher that is not installed", "its schema taken away")
@pytest.mark.parametrize("launcher", list(EXTRAS))
def test_a_launcher_whose_extra_is_missing_is_named_with_its_extra(evalkit, monkeypatch, launcher):
    from hydra.core.config_store import ConfigStore

    launchers.register()
    schemas = ConfigStore.instance().repo["hydra"].get(launchers.SCHEMAS, {})
    monkeypatch.delitem(schemas, f"{launcher}.yaml", raising=False)
    done = evalkit("-m", f"hydra/launcher={launcher}", *QUICK)
    assert done.status == 2
    assert f"pip install 'evalkit[{EXTRAS[launcher]}]'" in done.err
    assert "Traceback" not in done.err


def test_slurm_without_slurm_is_refused_before_anything_is_done(evalkit, monkeypatch):
    pytest.importorskip("submitit", reason="needs evalkit[slurm]")
    monkeypatch.setattr(launchers.shutil, "which", lambda name: None)
    done = evalkit("-m", "hydra/launcher=submitit_slurm", *QUICK)
    assert done.status == 2
    assert "found no srun" in done.err


def test_a_jobs_function_brings_the_process_to_the_sweeps_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packed = pickle.dumps(Carried(len))
    monkeypatch.chdir(tmp_path.parent)
    assert pickle.loads(packed)([1, 2]) == 2
    assert Path.cwd() == tmp_path
    gone = packed.replace(str(tmp_path).encode(), str(tmp_path)[:-1].encode() + b"?")
    with pytest.raises(EvaluationError, match="start it in a folder that every node sees"):
        pickle.loads(gone)


@pytest.mark.fault(
    "launchers", "kill -9 of one process of a launcher", "joblib, while it works; then the same command again"
)
@pytest.mark.slow
def test_a_killed_job_is_said_and_the_same_command_goes_on(reference, tmp_path):
    """kill -9 of one of joblib's processes while it works."""
    needs_extra("joblib")
    sweep = Sweep(tmp_path, *SWEEP, "hydra/launcher=joblib")
    end = time.monotonic() + 120
    workers: list[psutil.Process] = []
    while time.monotonic() < end and not workers and sweep.process.poll() is None:
        below = psutil.Process(sweep.process.pid).children(recursive=True)
        workers = [
            each for each in below if "loky" in " ".join(each.cmdline()) and "LokyProcess" in str(each.cmdline())
        ]
        time.sleep(0.1)
    assert workers, "joblib started no process"
    workers[0].kill()
    sweep.end()
    assert sweep.status == 1
    assert "lost a job" in sweep.err
    assert "Traceback" not in sweep.err
    again = Sweep(tmp_path, *SWEEP, "hydra/launcher=joblib").end()
    assert again.status == 0, again.err
    assert again.records == reference.records
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", reference.identities)
