"""The same sweep under every launcher: same records, same leaderboard, nothing lost."""

import json
import os
import pickle
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from launcher_fixtures import (
    SLURM,
    Sweep,
    assert_every_identity_is_finished_once,
    assert_nothing_is_left_over,
    needs_extra,
    needs_slurm,
    runs_in,
    short_room,
    wait_for,
)
from slurm import one_node

from evalkit.config import launchers
from evalkit.config.launchers import EXTRAS, Carried
from evalkit.errors import EvaluationError

SWEEP = ("-m", "model=tfidf,random,minilm", "projection=pca", "seed=0,1", "hydra.sweep.dir=sweep")
pytestmark = pytest.mark.timeout(2000)  # with the reference's sweep, on a machine that is busy

QUICK = ("projection=pca", "evaluators=[neighbours]")
JOBS = 6
LAUNCHERS = ("joblib", "submitit_local", "ray")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The sweep under Hydra's own launcher, one job after the other."""
    done = Sweep(tmp_path_factory.mktemp("basic"), *SWEEP).end()
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
    assert done.records == reference.records
    assert done.board == reference.board
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", reference.identities)
    assert_nothing_is_left_over(tmp_path)


AT_ONCE = {
    "basic": ("model=tfidf,random", "seed=0,1"),
    "joblib": ("model=random,minilm", "seed=0,1"),
    "submitit_local": ("model=minilm,tfidf", "seed=1,0"),
    "ray": ("model=tfidf,random,minilm", "seed=0,1"),
}
"""Launcher → its sweep: every identity is wanted by two to four of them."""


@pytest.mark.slow
def test_sweeps_of_several_launchers_at_once_on_one_store_lose_nothing(reference, tmp_path, reliability):
    """One fresh store, one fresh MLflow store, four sweeps that overlap, all started in the same moment."""
    for launcher in AT_ONCE.keys() - {"basic"}:
        needs_extra(launcher)
    database = tmp_path / "mlflow.db"
    shared = ("projection=pca", "hydra.sweep.dir=sweep", "store=../store", f"tracker.uri=sqlite:///{database}")
    sweeps = {
        launcher: Sweep(tmp_path / launcher, "-m", *asked, *shared, f"hydra/launcher={launcher}")
        for launcher, asked in AT_ONCE.items()
    }
    for sweep in sweeps.values():
        sweep.end()
    for launcher, asked in AT_ONCE.items():
        records = sweeps[launcher].by_identity
        assert len(records) == 2 * (asked[0].count(",") + 1), launcher
        assert records.items() <= reference.by_identity.items(), launcher
    own = {json.loads((sweep.folder / "sweep" / "sweep.json").read_text())["sweep"] for sweep in sweeps.values()}
    once = dict.fromkeys(((identity, "FINISHED") for identity in reference.identities), 1)
    assert Counter(runs_in(database)) == {**once, ("sweep", "FINISHED"): len(own)}
    assert_nothing_is_left_over(tmp_path)
    reliability(
        "launchers",
        "sweeps of several launchers at once",
        made="Hydra's own, joblib, submitit_local, Ray, started together on one fresh store and one fresh mlflow.db",
        tried=sum(len(sweep.records) for sweep in sweeps.values()),
        found=f"{len(reference.identities)} identities, each FINISHED once; {len(own)} runs of sweeps; none RUNNING",
    )


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
def test_a_ray_cluster_of_two_nodes_is_joined_by_its_address(reference, tmp_path):
    """The jobs ask for a resource that only the second node has: not the one that the sweep is handed to."""
    needs_extra("ray")
    few = ("-m", "model=tfidf,random", *SWEEP[2:])
    with short_room("ray") as room, two_nodes(room) as address:
        done = Sweep(
            tmp_path,
            *few,
            "hydra/launcher=ray",
            f"hydra.launcher.ray.init.address={address}",
            "+hydra.launcher.ray.remote.resources={second:0.5}",
        ).end()
    assert done.records == {number: reference.records[number] for number in "0123"}
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", done.identities)


@pytest.mark.fault("launchers", "a sweep on Slurm", "munged, slurmctld and slurmd of one node; a job array")
@pytest.mark.slow
def test_slurm_runs_the_sweep_as_an_array(reference, tmp_path):
    """munged, slurmctld and slurmd of one node, for as long as the sweep lasts."""
    needs_slurm()
    with short_room("evalkit-slurm") as room:
        try:
            with one_node.cluster(room / "cluster") as environment:
                done = Sweep(tmp_path, *SWEEP, "hydra/launcher=submitit_slurm", *SLURM, environment=environment).end()
            finished = (room / "cluster" / "jobs.txt").read_text(encoding="utf-8").splitlines()
        finally:
            keep_logs(room, tmp_path)
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
    packed = pickle.dumps(Carried(len, {}))
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

    def workers() -> list[psutil.Process]:
        below = psutil.Process(sweep.process.pid).children(recursive=True)
        return [process for process in below if "LokyProcess" in str(process.cmdline())]

    wait_for(workers, 120, lambda: "joblib started no process")
    workers()[0].kill()
    assert "lost a job" in sweep.end(status=1).err
    again = Sweep(tmp_path, *SWEEP, "hydra/launcher=joblib").end()
    assert again.records == reference.records
    assert_every_identity_is_finished_once(tmp_path / "mlflow.db", reference.identities)
