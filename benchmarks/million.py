"""A million precomputed vectors, every default evaluator, a UMAP map of all points: time, stages, memory.

    python benchmarks/million.py                   # 1,000,000 × 384 float32, memory-mapped, 100 labels
    python benchmarks/million.py --texts 100000    # fewer, to see how the stages grow

Vectors are drawn: label centres and spread in 24 dimensions, turned into 384, and noise in all of them, so that
labels overlap and scores lie between chance and best. No peer does all of this; silhouette and precision at 10 are
computed again by plain numpy, on all texts and on 500.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from measure import Report, Row, cores, environment, options
from numpy.typing import NDArray

DIMENSION, LATENT, LABELS = 384, 24, 100
BLOCK = 50_000
CHECKED = 500
FAMILIES = ("neighbours", "separation", "clustering", "geometry", "map", "hulls", "faithfulness")


def draw(n: int, folder: Path) -> None:
    """vectors.npy and texts.parquet, a block at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    codes = rng.choice(LABELS, size=n, p=rng.dirichlet(np.full(LABELS, 4.0)))
    codes[: 2 * LABELS] = np.arange(2 * LABELS) % LABELS
    centres = 0.8 * rng.normal(size=(LABELS, LATENT))
    spread = rng.uniform(0.8, 1.2, size=(LABELS, 1))
    turn = np.linalg.qr(rng.normal(size=(DIMENSION, LATENT)))[0].T.astype(np.float32)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (n, DIMENSION))
    for start in range(0, n, BLOCK):
        part = codes[start : start + BLOCK]
        latent = centres[part] + spread[part] * rng.normal(size=(part.size, LATENT))
        noise = rng.standard_normal((part.size, DIMENSION), dtype=np.float32)
        vectors[start : start + BLOCK] = latent.astype(np.float32) @ turn + 0.15 * noise
    vectors.flush()
    columns = {
        "text": [f"text {number:07d}" for number in range(n)],
        "label": [f"label {code:02d}" for code in codes],
    }
    parquet.write_table(pa.table(columns), folder / "texts.parquet")


def watch(command: list[str], folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """Run to the end; seconds, processor seconds, and the peak of the whole process tree's memory in GiB.

    The resident set counts the pages of memory-mapped files that are in memory at the moment, which the system may
    take back; `private` leaves out what is shared or mapped.
    """
    started = time.perf_counter()
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        root, resident, private, used = psutil.Process(process.pid), 0.0, 0.0, 0.0
        while process.poll() is None:
            try:
                memory = [each.memory_info() for each in (root, *root.children(recursive=True))]
                used = max(used, sum(root.cpu_times()[:4]))
            except psutil.NoSuchProcess:
                continue
            resident = max(resident, sum(part.rss for part in memory) / 2**30)
            private = max(private, sum(part.rss - part.shared for part in memory) / 2**30)
            time.sleep(0.2)
    if process.returncode:
        raise RuntimeError((folder / "output.txt").read_text(encoding="utf-8")[-3000:])
    return {
        "seconds": time.perf_counter() - started,
        "processor": used,
        "resident": resident,
        "private": private,
    }


def checked(folder: Path, record: dict[str, Any]) -> tuple[bool, str]:
    """Silhouette and precision at 10 by plain numpy."""
    import pandas as pd

    vectors: NDArray[np.float32] = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
    _, codes = np.unique(pd.read_parquet(folder / "texts.parquet")["label"], return_inverse=True)
    sizes = np.bincount(codes)
    unit = np.empty(vectors.shape, dtype=np.float32)
    sums = np.zeros((sizes.size, vectors.shape[1]))
    for start in range(0, len(unit), BLOCK):
        part = np.asarray(vectors[start : start + BLOCK], dtype=np.float64)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
        unit[start : start + BLOCK] = part
        for label in range(sizes.size):
            sums[label] += part[codes[start : start + BLOCK] == label].sum(axis=0)
    total = 0.0
    for start in range(0, len(unit), BLOCK):
        part, own = unit[start : start + BLOCK].astype(np.float64), codes[start : start + BLOCK]
        towards = part @ sums.T
        place = np.arange(own.size)
        a = 1 - (towards[place, own] - 1) / (sizes[own] - 1)
        other = 1 - towards / sizes
        other[place, own] = np.inf
        b = other.min(axis=1)
        total += float(((b - a) / np.maximum(a, b)).sum())
    silhouette = total / len(unit)
    rows = np.random.default_rng(1).choice(len(unit), CHECKED, replace=False)
    cosines = unit[rows] @ unit.T
    cosines[np.arange(CHECKED), rows] = -np.inf
    near = np.argpartition(-cosines, 9, axis=1)[:, :10]
    hits = (codes[near] == codes[rows, None]).mean(axis=1)
    low, high = hits.mean() - 3 * hits.std() / CHECKED**0.5, hits.mean() + 3 * hits.std() / CHECKED**0.5
    scores = {score["name"]: score["value"] for score in record["scores"]}
    apart = abs(scores["separation/silhouette"] - silhouette)
    found = scores["neighbours/precision_at_10"]
    said = (
        f"silhouette {scores['separation/silhouette']:.6f}, by numpy {silhouette:.6f}; precision at 10 {found:.4f}, by "
        f"numpy on {CHECKED} texts {hits.mean():.4f} ± {hits.std() / CHECKED**0.5:.4f}"
    )
    return apart < 1e-5 and low <= found <= high, said


def main() -> None:
    parser = options(__doc__, repeats=1)
    parser.add_argument("--texts", type=int, help="default 1,000,000, or 52,000 for small")
    parser.add_argument("--keep", type=Path, help="folder to work in, kept; default a temporary one")
    parser.add_argument("overrides", nargs="*", help="more of evalkit's options")
    arguments = parser.parse_args()
    n = arguments.texts or (1_000_000 if arguments.size == "full" else 52_000)
    report = Report("million", arguments.size, 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        draw(n, folder)
        command = [
            *(sys.executable, "-m", "evalkit.run", "model=precomputed", "model.path=vectors.npy", "dataset=parquet"),
            *("dataset.path=texts.parquet", "hydra.run.dir=run", "reuse=false", *arguments.overrides),
        ]
        used = watch(command, folder, environment())
        record = json.loads((folder / "run" / "record.json").read_text(encoding="utf-8"))
        same, said = checked(folder, record)
        written = sum(file.stat().st_size for file in (folder / "run").iterdir() if file.is_file())
    families = {score["name"].partition("/")[0] for score in record["scores"]}
    whole = families == set(FAMILIES) and record["projection"]["name"] == "umap"
    holds = same and whole and used["seconds"] < 1800 and used["resident"] < 12
    report.row(
        Row(
            work=f"{n:,} precomputed vectors, {DIMENSION} dimensions, {LABELS} labels, every default evaluator, UMAP",
            against="–",
            reach="under 30 minutes, peak under 12 GiB",
            ours=used["seconds"],
            peer=None,
            measured=f"{used['seconds'] / 60:.1f} minutes, peak {used['resident']:.1f} GiB",
            holds=bool(holds),
            same=said,
        )
    )
    stages = [{"stage": name, "s": seconds} for name, seconds in record["timings"].items()]
    rest = used["seconds"] - sum(record["timings"].values())
    report.detail("Stages", [*stages, {"stage": "start, reading, pictures, files, MLflow", "s": rest}])
    report.note(
        f"Processor {used['processor']:.0f} s on {cores()} cores; peak without mapped files {used['private']:.1f} GiB; "
        f"map by {record['projection']['name']}; {written / 2**20:.0f} MiB of files. "
        + " ".join(f"Said in the record: {warning}" for warning in record["warnings"])
    )
    report.finish(arguments.out)
    if os.environ.get("EVALKIT_BENCHMARK_STRICT") and not holds:
        sys.exit(1)


if __name__ == "__main__":
    main()
