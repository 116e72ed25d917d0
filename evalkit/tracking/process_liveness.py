"""Whether the process that logs a RUNNING run is known to be dead: only then may the run be closed.

A run names its process by tags. A process of another host, or of another container (process-id namespace) of this
boot, cannot be examined and counts as alive.
"""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

HOST, MACHINE, BOOT = "evalkit.host", "evalkit.machine", "evalkit.boot"
PID, STARTED = "evalkit.pid", "evalkit.process_started"

CLOCK_TOLERANCE_SECONDS = 60.0  # a start time is read off the wall clock, which may be set while the process runs


def process_tags() -> dict[str, str]:
    """Host, machine, boot, process and its start, as run tags."""
    import psutil

    started = psutil.Process().create_time()
    return {**_place(), PID: str(os.getpid()), STARTED: f"{started:.2f}"}


def known_dead(tags: Mapping[str, str]) -> bool:
    """Whether a run's tags name a process of this host and machine that has ended, or from before its last boot."""
    import psutil

    here = _place()
    if tags.get(HOST) != here[HOST] or tags.get(MACHINE) != here[MACHINE]:
        return False
    boot, _, namespace = tags.get(BOOT, "").partition(":")
    own_boot, _, own_namespace = here[BOOT].partition(":")
    if boot != own_boot:
        # Machines without an identifier of their own may share a name: then a boot tells nothing.
        return bool(boot and own_boot and here[MACHINE])
    if namespace != own_namespace:
        return False
    try:
        pid, started = int(tags[PID]), float(tags[STARTED])
        process = psutil.Process(pid)
        later = abs(process.create_time() - started) > CLOCK_TOLERANCE_SECONDS  # another one under the same number
        return bool(later or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except (KeyError, ValueError, psutil.AccessDenied):
        return False  # edited tags, or another user's process


@lru_cache(maxsize=1)
def _place() -> dict[str, str]:
    boot = _read("/proc/sys/kernel/random/boot_id")
    if boot:
        identifier = _read("/etc/machine-id")
        namespace = str(Path("/proc/self/ns/pid").readlink())
    else:  # no Linux: no namespaces, and the network card stands for the machine
        identifier, namespace = f"{uuid.getnode():x}", ""
    # machine-id is not meant to leave the machine as it stands.
    machine = hashlib.sha256(f"evalkit:{identifier}".encode()).hexdigest()[:16] if identifier else ""
    return {HOST: socket.gethostname(), MACHINE: machine, BOOT: f"{boot}:{namespace}"}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
