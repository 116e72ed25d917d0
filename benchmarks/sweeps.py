"""Sweeps by evalkit and by the plain loop, each in a process of its own with a store and a database of its own."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import ROOT, Timed, child, environment, timed

__all__ = [
    "FOUR",
    "MODELS",
    "Agreement",
    "Setting",
    "agreement",
    "four_models",
    "generated_checkpoints",
    "logged_runs",
    "loop",
    "read_csv",
    "sweep",
    "topics",
]

FOUR = ("bert", "distilbert", "mpnet", "bge")
MODELS = Path(tempfile.gettempdir()) / "evalkit-benchmark-models"


@dataclass(frozen=True)
class Setting:
    """What both programs are asked to do.

    `models` are evalkit's names; `peers` name, revision and max_length of the same checkpoints for transformers.
    """

    models: Sequence[str]
    peers: Sequence[dict[str, Any]]
    poolings: Sequence[str]
    projections: Sequence[str]
    texts: Sequence[str]
    labels: Sequence[str]
    overrides: Sequence[str] = ()
    env: dict[str, str] = field(default_factory=dict)

    def count(self, seeds: int) -> int:
        return len(self.models) * len(self.poolings) * len(self.projections) * seeds


def generated_checkpoints() -> Any:
    """The tests' module that builds checkpoints of true configurations with generated weights."""
    sys.path.insert(0, str(ROOT / "tests"))
    return importlib.import_module("hub.checkpoints")


def four_models(folder: Path, size: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The four base-size models with generated weights in a Hugging Face cache; as the peer names them, and the
    environment in which both find them. Kept: 2 GB that take half a minute to make.
    """
    generated = generated_checkpoints()
    cache = folder / f"{size}-cache"
    peers = []
    for number, name in enumerate(FOUR):
        model = generated.MODELS[name]
        marker = cache / ("models--" + model.repo.replace("/", "--")) / "refs" / "main"
        if not marker.is_file():
            built = folder / f"{size}-built" / name
            generated.build(name, built, size=size, seed=number)
            generated.lay_in_cache(built, cache, model.repo, model.commit)
            shutil.rmtree(built)
        longest = (model.library or {}).get("max_seq_length", 512)
        peers.append({"label": name, "name": model.repo, "revision": model.commit, "max_length": longest})
    return peers, {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}


def topics() -> tuple[list[str], list[str]]:
    """The thirty words and their topics."""
    from evalkit.datasets import thirty_words as words

    corpus = words.load()
    return list(corpus.texts), [corpus.label_names[code] for code in corpus.labels]


def read_csv(path: Path) -> tuple[list[str], list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def sweep(setting: Setting, seeds: Sequence[int], folder: Path, *, fresh: bool = True) -> Timed:
    """Evalkit's sweep in `folder` (its store and database there are new, unless `fresh` is False)."""
    if fresh and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("sweep*")))
    command = [
        *(sys.executable, "-m", "evalkit.run", "-m", f"model={','.join(setting.models)}"),
        *(f"pooling={','.join(setting.poolings)}", f"projection={','.join(setting.projections)}"),
        *(f"seed={','.join(map(str, seeds))}", f"hydra.sweep.dir=sweep{number}", *setting.overrides),
    ]
    done = timed(lambda: child(command, cwd=folder, env=environment(**setting.env)))
    return Timed(done.seconds, done.processor, _records(folder / f"sweep{number}"))


def _records(folder: Path) -> list[dict[str, Any]]:
    records = (json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*/record.json")))
    return [
        {
            "identity": record["identity"],
            "model": record["settings"]["model_label"],
            "pooling": record["encoder"]["pooling"],
            "projection": record["projection"]["name"],
            "seed": record["settings"]["seed"],
            "timings": record["timings"],
            **{score["name"]: score["value"] for score in record["scores"]},
        }
        for record in records
    ]


def loop(setting: Setting, seeds: Sequence[int], folder: Path, *, careful: bool = False) -> Timed:
    """The plain loop in `folder`, anew."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    asked = {
        "models": list(setting.peers),
        "poolings": list(setting.poolings),
        "projections": list(setting.projections),
        "seeds": list(seeds),
        "texts": list(setting.texts),
        "labels": list(setting.labels),
        "careful": careful,
        "uri": "sqlite:///mlflow.db",
    }
    (folder / "jobs.json").write_text(json.dumps(asked), encoding="utf-8")
    script = str(Path(__file__).with_name("plain_loop.py"))
    command = [sys.executable, script, "jobs.json", "found.json"]
    done = timed(lambda: child(command, cwd=folder, env=environment(**setting.env)))
    return Timed(done.seconds, done.processor, json.loads((folder / "found.json").read_text(encoding="utf-8")))


def logged_runs(folder: Path) -> int:
    """FINISHED runs in a folder's MLflow database, the sweep's own not counted."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        (count,) = database.execute(
            "SELECT count(*) FROM runs WHERE status = 'FINISHED' AND name != 'sweep'"
        ).fetchone()
    database.close()
    return int(count)


@dataclass(frozen=True)
class Agreement:
    """How far evalkit's and the loop's scores of the same runs lie apart at most."""

    runs: int
    silhouette: float
    precision: float

    @property
    def sentence(self) -> str:
        return (
            f"{self.runs} runs: largest difference of silhouette {self.silhouette:.1e}, "
            f"of precision at 5 {self.precision:.1e}"
        )


def agreement(ours: list[dict[str, Any]], peer: list[dict[str, Any]]) -> Agreement:
    """Compare run by run; every run of the one must be there in the other."""
    keys = ("model", "pooling", "projection", "seed")
    theirs = {tuple(run[key] for key in keys): run for run in peer}
    mine = {tuple(run[key] for key in keys): run for run in ours}
    if mine.keys() != theirs.keys():
        raise RuntimeError(f"the runs differ: {sorted(mine.keys() ^ theirs.keys())[:3]}")
    return Agreement(
        runs=len(mine),
        silhouette=max(abs(mine[key]["separation/silhouette"] - theirs[key]["silhouette"]) for key in mine),
        precision=max(abs(mine[key]["neighbours/precision_at_5"] - theirs[key]["precision_at_5"]) for key in mine),
    )
