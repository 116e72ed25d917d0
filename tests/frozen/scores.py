"""Scores of given vectors, frozen: ``python -m tests.frozen.scores`` writes tests/data/frozen_scores.json anew.

Do that only where a number is meant to change. The vectors are sums of a hash's signs: equal on every machine.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent.parent
FROZEN = ROOT / "tests" / "data" / "frozen_scores.json"
EVALUATORS = "evaluators=[neighbours,separation,probe,geometry]"
FIELDS = ("value", "best", "chance", "adjusted", "p_value", "ci_low", "ci_high")
DIMENSIONS = (384, 48)
ROWS = 2_000


def vectors(texts: list[str], dimension: int) -> np.ndarray:
    """(N, dimension) float32 whole numbers: sums over character trigrams of a hash's signs."""
    signs: dict[str, np.ndarray] = {}

    def of(trigram: str) -> np.ndarray:
        if trigram not in signs:
            digest = hashlib.shake_256(trigram.encode()).digest(dimension // 8)
            signs[trigram] = np.unpackbits(np.frombuffer(digest, dtype=np.uint8)).astype(np.int64) * 2 - 1
        return signs[trigram]

    padded = [f"  {text.lower()} " for text in texts]
    rows = [sum(of(text[place : place + 3]) for place in range(len(text) - 2)) for text in padded]
    return np.asarray(rows, dtype=np.float32)


CORPORA = ("topics", "snips", "clinc150_domains")


def corpus(name: str, shared_data: Path | None) -> Path:
    """CSV with columns text and label."""
    if shared_data is None:
        return ROOT / "evalkit" / "datasets" / "topics.csv"
    return shared_data / {"snips": "snips/data.csv", "clinc150_domains": "clinc150/data_domain.csv"}[name]


def measure(file: Path, folder: Path) -> dict[str, float | None]:
    """Every score, per-text column and paired test of both embeddings of the file's first rows, by name."""
    with file.open(encoding="utf-8", newline="") as handle:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(handle)][:ROWS]
    data = folder / "data.csv"
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(data, index=False)
    for dimension in DIMENSIONS:
        np.save(folder / f"d{dimension}.npy", vectors([text for text, _ in rows], dimension), allow_pickle=False)
    paths = ",".join(str(folder / f"d{dimension}.npy") for dimension in DIMENSIONS)
    command = [
        sys.executable, "-m", "evalkit.run", "-m", "model=precomputed", f"model.path={paths}", "dataset=csv",
        f"dataset.path={data}", "projection=pca", "tracker=none", EVALUATORS, f"hydra.sweep.dir={folder / 'sweep'}",
        f"store={folder / 'store'}",
    ]  # fmt: skip
    inherited = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return collected(folder / "sweep")


def collected(sweep: Path) -> dict[str, float | None]:
    """What a finished sweep holds, as one flat table."""
    found: dict[str, float | None] = {}
    for record_file in sorted(sweep.glob("*/record.json")):
        record = json.loads(record_file.read_text(encoding="utf-8"))
        name = f"d{record['encoder']['dimension']}"
        for score in record["scores"]:
            found.update({f"{name} {score['name']} {field}": score[field] for field in FIELDS})
        texts = pd.read_parquet(record_file.with_name("texts.parquet"))
        for column in texts.columns:
            if "/" in column:
                values = texts[column].to_numpy(dtype=float)
                found[f"{name} {column} mean"] = float(values.mean())
                found[f"{name} {column} deviation"] = float(values.std())
    for row in pd.read_csv(sweep / "comparisons.csv").to_dict("records"):
        for field in ("difference", "ci_low", "ci_high", "p_value", "p_holm", "texts_needed"):
            found[f"comparison {row['score']} {field}"] = _number(row[field])
    return found


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(float(value)) else float(value)


def main() -> None:
    """Write the frozen values of this checkout."""
    shared_data = Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared")) / "data"
    frozen = {}
    for name in CORPORA:
        with tempfile.TemporaryDirectory() as room:
            frozen[name] = measure(corpus(name, None if name == "topics" else shared_data), Path(room))
        print(name, len(frozen[name]))
    FROZEN.write_text(json.dumps(frozen, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
