"""Passwords and tokens under every launcher: what jobs exchange, what they log and what they leave holds none."""

import re
from pathlib import Path

import pytest
from launcher_fixtures import SLURM, Sweep, needs_extra, needs_slurm, short_room
from slurm import one_node
from tracker_fixtures import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SWEEP = ("-m", "model=tfidf,random", "projection=pca", "evaluators=[neighbours]", "hydra.sweep.dir=sweep")

TOKENS = {
    "HF_TOKEN": "hf_aB3dGeheim1xYz0123456789",
    "MLFLOW_TRACKING_PASSWORD": "geheim2",
    "AWS_SECRET_ACCESS_KEY": "geheim3/abc",
}
"""Of the environment; with the override's, each has the word that no file may hold."""

SECRET = re.compile(rb"geheim", re.IGNORECASE)


def holding(*folders: Path) -> list[str]:
    """Files below that hold a secret, in their name or in their bytes."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    assert files
    return [str(file) for file in files if SECRET.search(file.name.encode()) or SECRET.search(file.read_bytes())]


def started(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Sweep:
    """The sweep with a password in its tracker's address, where no server answers: the jobs must say so."""
    address = f"tracker.uri=http://anna:geheim@127.0.0.1:{free_port()}"
    return Sweep(folder, *SWEEP, address, *options, environment={**(environment or {}), **TOKENS})


def look(done: Sweep, *rooms: Path) -> None:
    """Both jobs are done and had the address, the terminal says once what to do, and no secret is anywhere."""
    assert len(done.records) == 2
    assert done.err.count("no server answers at http://anna:***@127.0.0.1") == 1, done.err
    assert not SECRET.search((done.out + done.err).encode())
    left = {file.name for file in done.folder.rglob("*")}
    assert {"overrides.yaml", "config.yaml", "hydra.yaml", "multirun.yaml", "record.json", "sweep.json"} <= left
    assert ".untracked" not in left
    assert holding(done.folder, *rooms) == []


@pytest.mark.fault(
    "security",
    "secrets under a launcher",
    "a password in tracker.uri, three tokens in the environment: every file searched",
)
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_no_file_of_a_launchers_sweep_holds_a_secret(tmp_path, launcher):
    needs_extra(launcher)
    done = started(tmp_path, f"hydra/launcher={launcher}").end()
    look(done)
    pickles = [file.name for file in (done.folder / "sweep").rglob("*.pkl")]
    assert bool(pickles) == (launcher == "submitit_local"), pickles  # they are among the files searched


@pytest.mark.fault("security", "secrets under Ray", "the same, and every file of Ray's session")
def test_no_file_of_rays_session_holds_a_secret(tmp_path):
    needs_extra("ray")
    with short_room("ray") as room:
        done = started(tmp_path, "hydra/launcher=ray", f"+hydra.launcher.ray.init._temp_dir={room}").end()
        logs = [file for file in room.rglob("worker-*.err") if b"no server answers" in file.read_bytes()]
        look(done, room)
    assert not logs  # said by the sweep's end, not by each worker


@pytest.mark.fault(
    "security", "secrets under Slurm", "the same, and every file of Slurm's daemons but the environment of a queued job"
)
def test_no_file_of_a_slurm_sweep_holds_a_secret(tmp_path):
    """sbatch hands the environment on, so slurmctld keeps it until it forgets the job: for its own user only."""
    needs_slurm()
    with short_room("evalkit-slurm") as room:
        with one_node.cluster(room / "cluster") as environment:
            done = started(tmp_path, "hydra/launcher=submitit_slurm", *SLURM, environment=environment).end()
        kept = list((room / "cluster" / "state").glob("hash.*/job.*/environment"))
        assert kept
        for file in kept:
            assert file.stat().st_mode & 0o077 == 0, file
            file.unlink()
        look(done, room)
    assert list((done.folder / "sweep" / ".submitit").rglob("*.pkl"))
