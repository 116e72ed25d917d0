"""``python one_node.py ROOM [--] COMMAND…``: run a command beside a Slurm of one node, this user's and on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "sinfo", "squeue")
PATIENCE_SECONDS = 60.0


def absent() -> list[str]:
    """The programs that are not installed."""
    return [name for name in PROGRAMS if _which(name) is None]


def _which(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def _ports(number: int) -> list[int]:
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    found = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return found


def _configuration(room: Path) -> str:
    controller, daemon = _ports(2)
    host = socket.gethostname().partition(".")[0]
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    template = Path(__file__).with_name("slurm.conf").read_text(encoding="utf-8")
    return template.format(controller=controller, daemon=daemon, host=host, user=user, room=room)


@contextmanager
def _daemon(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(
    said: str, command: list[str], environment: dict[str, str], daemons: dict[str, subprocess.Popen[bytes]]
) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    answer = ""
    while time.monotonic() < end:
        for name, process in daemons.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: see its log")
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
        answer = (done.stdout + done.stderr).strip()
        if done.returncode == 0 and said in done.stdout:
            return
        time.sleep(0.5)
    raise RuntimeError(f"{' '.join(command)} did not say {said!r} within {PATIENCE_SECONDS:.0f} s, but: {answer}")


@contextmanager
def cluster(room: Path) -> Iterator[dict[str, str]]:
    """A running cluster; yields the environment in which sbatch and srun reach it."""
    room = room.absolute()
    for name in ("munge", "state", "spool"):
        (room / name).mkdir(parents=True)
    room.chmod(0o755)
    (room / "munge").chmod(0o755)
    key = room / "munge" / "key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))
    configuration = room / "slurm.conf"
    configuration.write_text(_configuration(room), encoding="utf-8")
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    munge = [
        str(_which("munged")), "--foreground", "--force", f"--key-file={key}", f"--socket={room}/munge/socket",
        f"--pid-file={room}/munge/pid", f"--log-file={room}/munge/log", f"--seed-file={room}/munge/seed",
        "--num-threads=2",
    ]  # fmt: skip
    daemons: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:

        def start(name: str, command: list[str]) -> None:
            daemons[name] = stack.enter_context(_daemon(command, room / f"{name}.out", environment))

        start("munged", munge)
        _until("socket", ["ls", str(room / "munge")], environment, daemons)
        start("slurmctld", [str(_which("slurmctld")), "-D", "-f", str(configuration)])
        start("slurmd", [str(_which("slurmd")), "-D", "-f", str(configuration)])
        _until("idle", ["sinfo", "--noheader", "--format=%T"], environment, daemons)
        stack.callback(_empty, environment)
        yield environment


def _empty(environment: dict[str, str]) -> None:
    """Cancel what is left in the queue and wait for it to go: slurmd would outlive no job, but its steps would."""
    subprocess.run(
        ["scancel", "--signal=KILL", "--full", "--partition=evalkit"], env=environment, check=False, timeout=30
    )
    subprocess.run(["scancel", "--partition=evalkit"], env=environment, check=False, timeout=30)
    for _ in range(40):
        done = subprocess.run(
            ["squeue", "--noheader"], env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        if not done.stdout.strip():
            return
        time.sleep(0.5)


def main(arguments: list[str]) -> int:
    """Run the command in a cluster of its own; its exit status."""
    missing = absent()
    if missing:
        print(f"not installed: {', '.join(missing)} (apt-get install slurm-wlm munge)", file=sys.stderr)
        return 2
    room, *command = [argument for argument in arguments if argument != "--"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with cluster(Path(room)) as environment:
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
