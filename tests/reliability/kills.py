"""A sweep that is killed at random moments and started again until it is done: what of it is lost?

Undisturbed it shows how often each phase is seen; kills then aim at phases in turn and at any moment. A folder suffers
up to five, each followed by the same command, and is then checked against the undisturbed sweep.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hub import checkpoints
from hub.hub_server import HubServer
from reliability.victim import Ended, strike

AIMS = ("downloading", "encoding", "projecting", "scoring", "writing", "logging", "closing")
ANY = "any moment"
A_FOLDER = 5
"""Kills that one folder suffers before it is let finish."""

TIMES = frozenset({"timings", "environment"})
STOPPED = "stopped: what is done is kept"

OPTIONS = (
    "-m", "model=bge,tfidf", "projection=pca,tsne", "seed=0,1", "evaluators=[neighbours]",
    "dataset=csv", "dataset.path=texts.csv", "batch_tokens=8", "store=store",
    "tracker.uri=sqlite:///mlflow.db", "hydra.sweep.dir=sweep",
)  # fmt: skip
"""Eight evaluations of two models. Few tokens a batch: encoding shall last long enough to be hit."""

HUB_SECONDS = 0.04
"""Before each of the hub's answers, for the same reason."""


class SlowHub(HubServer):
    """Takes its time."""

    def __init__(self, models: dict[tuple[str, str], Path]) -> None:
        super().__init__(models)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # killed clients hang up

    def note(self, method: str, path: str) -> None:
        super().note(method, path)
        time.sleep(HUB_SECONDS)


@contextlib.contextmanager
def slow_hub(folder: Path) -> Iterator[HubServer]:
    """A hub that has bge, small and generated."""
    model = checkpoints.MODELS["bge"]
    server = SlowHub({(model.repo, model.commit): checkpoints.build("bge", folder / "bge", seed=3)})
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Sweep:
    """The sweep in a folder of its own, started as often as need be."""

    folder: Path
    hub: str
    started: int = 0
    struck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        animals, places = ("zebra", "lion", "tiger", "giraffe"), ("canada", "mexico", "brazil", "uk")
        rows = [
            f"{what} {word},{label}"
            for label, words in (("animals", animals), ("places", places))
            for what in ("the", "a", "my", "near")
            for word in words
        ]
        (self.folder / "texts.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")

    def start(self, how: signal.Signals | None = None, **where: Any) -> Ended:
        """The same command again; with a signal, struck there."""
        self.started += 1
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "MLFLOW_", "EVALKIT_"))}
        kept.pop("PYTEST_CURRENT_TEST", None)
        local = {
            "HF_ENDPOINT": self.hub,
            "HF_HOME": str(self.folder / "huggingface"),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "COLUMNS": "160",
            "OMP_NUM_THREADS": "1",
        }
        ended = strike(self.folder, list(OPTIONS), {**kept, **local}, how, **where)
        if ended.struck is not None:
            self.struck.append(ended.struck)
        return ended

    def entries(self) -> dict[str, tuple[int, int]]:
        """Every entry of the store, with what changes when it is made anew."""
        found = {}
        for manifest in (self.folder / "store" / "v1").glob("*/??/*/entry.json"):
            state = manifest.stat()
            found[str(manifest.parent.relative_to(self.folder / "store" / "v1"))] = (state.st_ino, state.st_mtime_ns)
        return found

    def records(self) -> dict[str, dict[str, Any]]:
        """Job number → record, without what times and places change."""
        found = {}
        for file in (self.folder / "sweep").glob("*/record.json"):
            record = json.loads(file.read_text(encoding="utf-8"))
            record["encoder"].pop("texts_per_second")
            found[file.parent.name] = {key: value for key, value in record.items() if key not in TIMES}
        return found

    def files(self) -> dict[str, bytes]:
        """The runs' pictures and tables but for the sweep's own, which tell times."""
        kept = ("labels.csv", "confusion.csv", "pairs.csv", "neighbours.csv", "map.png", "map.svg", "texts.parquet")
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted((self.folder / "sweep").glob("*/*"))
            if file.name in kept
        }

    def tracked(self) -> list[dict[str, Any]]:
        """MLflow's runs, deleted ones too: identity (or "sweep"), status, stage, how much they hold."""
        path = self.folder / "mlflow.db"
        if not path.is_file() or not path.stat().st_size:
            return []
        with contextlib.closing(sqlite3.connect(path)) as base:
            rows = base.execute("select run_uuid, status, lifecycle_stage, artifact_uri from runs").fetchall()
            found = []
            for run, status, stage, place in rows:
                tags = dict(base.execute("select key, value from tags where run_uuid = ?", (run,)).fetchall())
                held = [
                    base.execute(f"select count(*) from {table} where run_uuid = ?", (run,)).fetchone()[0]
                    for table in ("latest_metrics", "params")
                ]
                files = sorted(file.name for file in Path(place.removeprefix("file://")).glob("*"))
                who = tags.get("evalkit.identity") or tags.get("evalkit.kind", "?")
                found.append({"who": who, "status": status, "stage": stage, "held": held, "files": files})
        return found


def live(sweep: Sweep) -> dict[str, list[Any]]:
    """Of the FINISHED runs that are not deleted: who → how much they hold."""
    found: dict[str, list[Any]] = {}
    for run in sweep.tracked():
        if run["stage"] == "active" and run["status"] == "FINISHED":
            found.setdefault(run["who"], []).append((run["held"], run["files"]))
    return found


def faulty_entries(sweep: Sweep) -> list[str]:
    """Warnings of a new look at every entry of the store."""
    from evalkit.store import Store

    store = Store(sweep.folder / "store")
    for place in sweep.entries():
        kind, _, key = place.split("/")
        store.find(kind, key)
    return store.warnings


def complaints(sweep: Sweep, whole: Sweep, kept: dict[str, tuple[int, int]], last: Ended) -> list[str]:
    """All in which a sweep that was let finish differs from an undisturbed one, or made entries `kept` before again."""
    found = []
    if last.status != 0:
        found.append(f"the last command's status is {last.status}: {last.err[-300:]}")
    if sweep.records() != whole.records():
        found.append("records differ from the undisturbed sweep's")
    different = [name for name, content in whole.files().items() if sweep.files().get(name) != content]
    if different:
        found.append(f"{len(different)} files differ, first {different[0]}")
    now = sweep.entries()
    if now.keys() != whole.entries().keys():
        found.append(f"the store holds {len(now)} entries, the undisturbed one's {len(whole.entries())}")
    again = [place for place, state in kept.items() if now.get(place) != state]
    if again:
        found.append(f"{len(again)} entries were made again, first {again[0]}")
    found += faulty_entries(sweep)
    found += [f"{path} was left in the store" for path in (sweep.folder / "store" / "v1" / "pending").glob("*")]
    left = [*(sweep.folder / "sweep").glob(".*"), *(sweep.folder / "sweep").glob("*/.*")]
    found += [f"{path} was left" for path in left if path.name != ".hydra"]
    if live(sweep) != live(whole):
        found.append(f"MLflow's finished runs differ: {Counter({k: len(v) for k, v in live(sweep).items()})}")
    running = [run for run in sweep.tracked() if run["status"] not in {"FINISHED", "KILLED", "FAILED"}]
    found += [f"MLflow has a run {run['status']} of {run['who'][:12]}" for run in running]
    return found


def undisturbed(folder: Path, hub: str) -> tuple[Sweep, Ended]:
    sweep = Sweep(folder, hub)
    ended = sweep.start()
    if ended.status != 0 or len(sweep.records()) != 8 or len(live(sweep)) != 9:
        raise SystemExit(f"the undisturbed sweep failed ({ended.status}): {ended.err}")
    return sweep, ended


def aims(number: int, random: np.random.Generator) -> list[str]:
    """The phases in turn, shuffled anew every round, and as often any moment as three phases together."""
    drawn: list[str] = []
    while len(drawn) < number:
        drawn += random.permutation([*AIMS, ANY, ANY, ANY]).tolist()
    return drawn[:number]


def in_order(drawn: list[str], random: np.random.Generator) -> list[str]:
    """Phases as they follow each other, since one that is over does not come again; any moment anywhere between."""
    places = {aim: float(place) for place, aim in enumerate(AIMS)}
    return sorted(drawn, key=lambda aim: places[aim] if aim in places else random.uniform(-1, len(AIMS)))


def where(aim: str, measured: Ended, random: np.random.Generator) -> dict[str, Any]:
    """A moment in a phase, or any moment; in the first half, as a sweep resumed has less, and after python's start."""
    if aim == ANY:
        return {"after": float(random.uniform(min(1.0, measured.seconds / 2), measured.seconds / 2))}
    return {"phase": aim, "looks": int(random.integers(0, max(1, measured.seen.get(aim, 1) // 2)))}


@dataclass
class Tally:
    """Where the signals hit, and what was wrong afterwards."""

    struck: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    started: int = 0
    killed_runs: int = 0


def strike_many(
    root: Path, hub: str, whole: Sweep, measured: Ended, number: int, how: signal.Signals, random: np.random.Generator
) -> Tally:
    """Strike so often; let each folder finish after some strikes, or where it finished before its strike."""
    tally = Tally()
    left = aims(number, random)
    folder = 0
    while left:
        folder += 1
        sweep = Sweep(root / f"{how.name}-{folder}", hub)
        kept: dict[str, tuple[int, int]] = {}
        wrong: list[str] = []
        last = None
        for aim in in_order(left[:A_FOLDER], random):
            ended = sweep.start(how, **where(aim, measured, random))
            kept |= sweep.entries()
            if ended.struck is None:
                last = ended  # it was done before: a phase that was not seen is replaced by any moment
                left[left.index(aim)] = ANY
                break
            left.remove(aim)
            wrong += stopped_badly(sweep, ended) if how is not signal.SIGKILL else []
        wrong += complaints(sweep, whole, kept, last or sweep.start())
        dead = sum(run["status"] == "KILLED" for run in sweep.tracked())
        tally.struck.update(sweep.struck)
        tally.wrong += [f"{how.name} in folder {folder} ({', '.join(sweep.struck)}): {entry}" for entry in wrong]
        tally.started += sweep.started
        tally.killed_runs += dead
    return tally


def stopped_badly(sweep: Sweep, ended: Ended) -> list[str]:
    """What is not as it should be where a sweep was asked to stop."""
    wrong = []
    if ended.status != 130 or STOPPED not in ended.err:
        wrong.append(f"status {ended.status} while {ended.struck}, and said: {ended.err[-1000:]}")
    if "Traceback" in ended.err:
        wrong.append(f"a traceback while {ended.struck}: {ended.err[-1000:]}")
    wrong += [
        f"a run RUNNING when stopped while {ended.struck}" for run in sweep.tracked() if run["status"] == "RUNNING"
    ]
    return wrong
