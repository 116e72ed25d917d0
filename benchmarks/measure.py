"""Clock, machine and JSON of the benchmarks: each script fills a `Report`, write.py makes the page of all of them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = [
    "RESULTS",
    "Report",
    "Row",
    "Timed",
    "alternate",
    "child",
    "cores",
    "environment",
    "machine",
    "median",
    "options",
    "table",
]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
"""What the speed of products hangs on, as Linux names it."""

LIBRARIES = (
    "evalkit", "faiss-cpu", "hydra-core", "matplotlib", "mlflow", "numba", "numpy", "openTSNE", "scikit-learn", "scipy",
    "sentence-transformers", "tokenizers", "torch", "transformers", "umap-learn",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of the issue's table.

    `ours` and `peer` are medians in seconds (a run, where `unit` says so), `measured` stands beside `reach`, and
    `same` says how it was checked that both computed the same.
    """

    work: str
    against: str
    reach: str
    ours: float
    peer: float | None
    measured: str
    holds: bool
    same: str
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        return None if self.peer is None else self.peer / self.ours


@dataclass(frozen=True)
class Timed:
    """Wall-clock and processor seconds of one call, and what it returned."""

    seconds: float
    processor: float
    value: Any


def _used() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(call: Callable[[], Any]) -> Timed:
    started, used = time.perf_counter(), _used()
    value = call()
    return Timed(time.perf_counter() - started, _used() - used, value)


def alternate(programs: Mapping[str, Callable[[], Any]], repeats: int, *, warm: bool = True) -> dict[str, list[Timed]]:
    """Every program in turn, `repeats` times, so that a busy minute falls on all of them; one warming round first."""
    if warm:
        for call in programs.values():
            call()
    found: dict[str, list[Timed]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, call in programs.items():
            found[name].append(timed(call))
    return found


def median(runs: Iterable[Timed]) -> float:
    return statistics.median(run.seconds for run in runs)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(**more: str) -> dict[str, str]:
    """Of a child process: this checkout's evalkit, and the same number of threads for everybody."""
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(cores())
    )
    quiet = {"PYTHONWARNINGS": "ignore", "MLFLOW_DISABLE_TELEMETRY": "true", "TOKENIZERS_PARALLELISM": "true"}
    own = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "HF_", "HYDRA_"))}
    return {**own, **threads, **quiet, "PYTHONPATH": str(ROOT), **more}


def child(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
    """Run to its end; what it printed. Raises, with the end of its stderr, where it fails."""
    done = subprocess.run(command, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def options(doc: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """The options that all scripts have: --size, --repeats, --out."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("full", "small"), default="full", help="small: seconds, to try the script")
    parser.add_argument("--repeats", type=int, default=defaults.get("repeats", 3))
    parser.add_argument("--out", type=Path, help="folder for NAME.json; default benchmarks/results, none for small")
    return parser


def machine() -> dict[str, Any]:
    """Processor, what it can, cores, memory, system."""
    import psutil

    name, flags = platform.processor() or platform.machine(), set[str]()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = set(value.split())
    except OSError:
        pass  # not Linux: the name has to do
    return {
        "processor": name,
        "features": [feature for feature in FEATURES if feature in flags],
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _versions() -> dict[str, str]:
    installed = {str(each.metadata["Name"]).lower() for each in metadata.distributions()}
    return {name: metadata.version(name) for name in LIBRARIES if name.lower() in installed}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _changed() -> bool:
    """Whether tracked files differ from the commit; other scripts' results and their page do not count."""
    return bool(_git("status", "--porcelain", "-uno", "--", ":!benchmarks/results", ":!docs/benchmarks.md"))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown table of rows that have the same columns."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(cell(row[column]) for column in columns) + " |" for row in rows])


def cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
        return f"{value:,.{digits}f}"
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if value is None else str(value)


@dataclass
class Report:
    """What one script measured. The commit and the load are those of its start."""

    name: str
    size: str
    repeats: int
    rows: list[Row] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    commit: str = field(default_factory=lambda: _git("rev-parse", "HEAD"))
    dirty: bool = field(default_factory=_changed)
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))

    def row(self, row: Row) -> None:
        self.rows.append(row)

    def detail(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """A table below the row, for whoever wants to know more."""
        self.tables.append({"title": title, "rows": [dict(row) for row in rows]})

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def described(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "size": self.size,
            "repeats": self.repeats,
            "date": time.strftime("%Y-%m-%d", time.gmtime(self.started)),
            "seconds": round(time.time() - self.started, 1),
            "commit": self.commit,
            "dirty": self.dirty,
            "machine": {**machine(), "load_before": self.load},
            "versions": _versions(),
            "rows": [{**dataclasses.asdict(row), "ratio": row.ratio} for row in self.rows],
            "tables": self.tables,
            "notes": self.notes,
        }

    def finish(self, out: Path | None) -> None:
        """Print the tables, and write NAME.json."""
        described = self.described()
        about = described["machine"]
        print(f"{about['processor']}, {about['cores']} cores, load before {self.load}; commit {self.commit[:9]}\n")
        shown = ("work", "against", "ours", "peer", "unit", "measured", "reach", "holds", "same")
        print(table([{key: row[key] for key in shown} for row in described["rows"]]))
        for part in self.tables:
            print(f"\n{part['title']}\n\n{table(part['rows'])}")
        for sentence in self.notes:
            print(f"\n{sentence}")
        folder = out or (RESULTS if self.size == "full" else None)
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")
        print(f"\n{self.name}.json written", file=sys.stderr)
