"""``python -m evalkit.study evaluate|report NAME``: the two stages of a study in experiments/NAME.

`evaluate` runs the sweep of conf/experiment/NAME.yaml and keeps in experiments/NAME/runs what the same command
reproduces to the bit: no times, no machine, no folders. `report` reads only that and writes experiments/NAME/results,
which git tracks, with figures of four decimals.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError, RequestError
from evalkit.records import read_record, write_json
from evalkit.runtime.signals import stoppable
from evalkit.runtime.surroundings import settle
from evalkit.store import Store, digest

STUDIES = Path("experiments")
KEPT = ("texts.parquet", "map.png", "pairs.csv", "neighbours.csv")

VOLATILE = ("tracker", "store", "device", "batch_tokens", "reuse", "theme")
"""Settings of where and how a run was made, which its result does not depend on."""

NAMED_ELSEWHERE = ("model", "pooling", "dataset", "queries", "dtype", "rank_by")
"""Settings that the encoder's key and the corpus' fingerprint determine."""


def evaluate(name: str, overrides: Sequence[str]) -> int:
    """Run the study's sweep and keep what is reproducible; the sweep's exit status (1: some models failed)."""
    from evalkit.cli import run

    folder = _folder(name)
    sweep = folder / "sweep"
    shutil.rmtree(sweep, ignore_errors=True)
    arguments = [f"experiment={name}", f"hydra.sweep.dir={sweep.as_posix()}", "reuse=false"]
    root = os.environ.get("DVC_ROOT")
    if root and Path(root).resolve() != Path.cwd().resolve():
        # `dvc exp run --temp` works in a copy that is thrown away: what is to stay goes to the repository.
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{Path(root) / 'mlflow.db'}")
        arguments.append(f"store={Path(root) / '.evalkit'}")
    status = 0
    try:
        run.main([*arguments, *overrides])
    except SystemExit as end:
        status = int(end.code or 0)
    if status not in {0, 1} or not any(sweep.rglob("record.json")):
        return status or 1
    freeze(sweep, folder / "runs")
    return status


def freeze(sweep: Path, runs: Path) -> None:
    """Copy the finished runs of `sweep` into `runs`, without what differs between repetitions."""
    import numpy as np

    from evalkit.pipeline.embed import stored_vectors

    shutil.rmtree(runs, ignore_errors=True)
    for file in sorted(sweep.rglob("record.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        target = runs / file.parent.relative_to(sweep)
        target.mkdir(parents=True)
        for kept in (file.with_name(name) for name in KEPT):
            if kept.is_file():
                shutil.copyfile(kept, target / kept.name)
        key = str(data["encoder"].get("key"))
        vectors = stored_vectors(Store(Path(data["settings"]["store"])), key)
        if vectors is not None:
            (runs / "vectors").mkdir(exist_ok=True)
            np.save(runs / "vectors" / f"{key}.npy", np.ascontiguousarray(vectors), allow_pickle=False)
        write_json(_lasting(data), target / "record.json")
        read_record(target)


def _lasting(data: dict[str, Any]) -> dict[str, Any]:
    """The record without times, machine and folders, and with an identity of its settings alone.

    The record's own identity changes with every evaluating source file, also with those that the study does not use.
    """
    settings = {key: value for key, value in data["settings"].items() if key not in VOLATILE}
    encoder = {**data["encoder"], "texts_per_second": None}
    asked = {key: value for key, value in settings.items() if key not in NAMED_ELSEWHERE}
    identity = digest({"asked": asked, "encoder": encoder.get("key"), "corpus": data["corpus"]["fingerprint"]})
    lasting = {
        **data, "identity": identity, "settings": settings, "encoder": encoder, "timings": {}, "environment": {},
    }  # fmt: skip
    return {key: _steady(value) for key, value in lasting.items()}


def _steady(value: Any) -> Any:
    """The value with figures cut at ten decimals: parallel sums may differ in their last bit."""
    if isinstance(value, float):
        return round(value, 10)
    if isinstance(value, dict):
        return {key: _steady(entry) for key, entry in value.items()}
    return [_steady(entry) for entry in value] if isinstance(value, list) else value


def _folder(name: str) -> Path:
    folder = STUDIES / name
    if not re.fullmatch(r"\w+", name) or not folder.is_dir():
        known = ", ".join(sorted(path.name for path in STUDIES.glob("*") if path.is_dir())) or "none"
        raise RequestError(f"{folder} is no study: there are {known}, seen from the repository's root.")
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exits 0, 1 or 2 as `evalkit.run` does."""
    settle()
    parser = argparse.ArgumentParser(prog="python -m evalkit.study", description=__doc__.partition("\n\n")[0])
    parser.add_argument("stage", choices=("evaluate", "report"))
    parser.add_argument("name", help="a folder in experiments/")
    parser.add_argument("overrides", nargs="*", help="for evaluate: overrides for evalkit.run")
    arguments = parser.parse_args(argv)
    try:
        if arguments.stage == "evaluate":
            sys.exit(evaluate(arguments.name, arguments.overrides))
        if arguments.overrides:
            raise RequestError(f"report takes no overrides, and {arguments.overrides[0]} was given: leave them out.")
        from evalkit.report.study_results import write_results

        with stoppable("the same command writes the results anew."):
            write_results(_folder(arguments.name))
    except EvalkitError as error:
        print(f"evalkit: {error}", file=sys.stderr)  # noqa: T201  # a command's answer
        sys.exit(error.exit_status)
