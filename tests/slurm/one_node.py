"""A Slurm cluster of one node on this machine, for as long as one command runs: munged, slurmctld, slurmd.

``python one_node.py ROOM [--] COMMAND…`` sets it up in the folder ROOM (configuration, logs, state), runs the
command with SLURM_CONF set, tears everything down whatever happens, and exits with the command's status.
All daemons are this user's and listen on loopback; a Slurm that is installed on this machine is not touched.
"""

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
    # Accounting is off. A container has no cgroups to give away: processes are tracked through /proc.
    return f"""
ClusterName=evalkit
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={room}/munge/socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={room}/state
SlurmdSpoolDir={room}/spool
SlurmctldPidFile={room}/slurmctld.pid
SlurmdPidFile={room}/slurmd.pid
SlurmctldLogFile={room}/slurmctld.log
SlurmdLogFile={room}/slurmd.log
SlurmdDebug=verbose
SlurmctldDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={room}/jobs.txt
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,defer
SlurmdParameters=config_overrides
ReturnToService=2
MaxArraySize=1001
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=65536 State=UNKNOWN
PartitionName=evalkit Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
""".lstrip()


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
