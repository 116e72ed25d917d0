"""Which t-SNE, and what compilation costs: ours, scikit-learn's, openTSNE's; UMAP beside umap-learn.

Each runs in a process of its own, two threads, after a warming run, so that caches on disk are full; a table of medians
goes to the terminal: import, first and second map in that process (with the neighbours, which the peers look for
themselves), processor time of the second, trustworthiness at 10 by cosine on up to 2,000 texts.

    python benchmarks/tsne.py                                     # made vectors: 30, 2,000, 20,000 × 384
    python benchmarks/tsne.py --vectors unit.npy --sizes 20000    # one's own
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROGRAMS = ("ours", "sklearn", "opentsne", "ours-umap", "umap-learn")


def made(n: int, d: int = 384, k: int = 77) -> NDArray[np.float32]:
    """Unit vectors of k unequal clusters that overlap."""
    rng = np.random.default_rng(0)
    labels = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, 3.0)))
    vectors = rng.normal(size=(k, d))[labels] + 1.4 * rng.normal(size=(n, d)) * rng.gamma(4, 0.25, size=(n, 1))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def draw(program: str, vectors: NDArray[np.float32], seed: int) -> NDArray[Any]:
    """One map, neighbours included."""
    n = len(vectors)
    perplexity = min(30.0, (n - 1) / 3)
    if program in ("ours", "ours-umap"):
        from evalkit import neighbours
        from evalkit.projections import tsne, umap

        module: Any = tsne if program == "ours" else umap
        return np.asarray(module.project(vectors, neighbours.nearest(vectors, module.needs(n)), seed=seed).points)
    if program == "sklearn":
        from sklearn.manifold import TSNE

        return np.asarray(TSNE(perplexity=perplexity, random_state=seed, n_jobs=2).fit_transform(vectors))
    if program == "opentsne":
        import openTSNE

        return np.asarray(openTSNE.TSNE(perplexity=perplexity, random_state=seed, n_jobs=2).fit(vectors))
    import umap as library

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = library.UMAP(n_neighbors=min(15, n - 1), metric="cosine", random_state=seed, n_jobs=1)
        return np.asarray(fitted.fit_transform(vectors))


def trust(vectors: NDArray[np.float32], points: NDArray[Any]) -> float:
    """Trustworthiness at 10 (or fewer than N/2); all programs are judged by the same texts."""
    from evalkit import neighbours
    from evalkit.metrics.faithfulness import trustworthiness_samples

    n = len(vectors)
    rows = np.sort(np.random.default_rng(0).permutation(n)[:2_000])
    near = neighbours.plane(points, min(10, (n - 1) // 2), queries=rows).indices
    return float(trustworthiness_samples(vectors, rows, near).mean())


def child(program: str, source: Path) -> None:
    """Measure one program, and print a line of JSON."""
    vectors = np.load(source, allow_pickle=False)
    started = time.perf_counter()
    if program == "sklearn":
        import sklearn.manifold  # noqa: F401
    elif program == "opentsne":
        import openTSNE  # noqa: F401
    elif program == "umap-learn":
        import umap  # noqa: F401
    else:
        import evalkit.projections.layout
        import evalkit.projections.tsne  # noqa: F401
    measured = {"import": time.perf_counter() - started}
    for name, seed in (("first", 0), ("second", 1)):
        started, processor = time.perf_counter(), time.process_time()
        points = draw(program, vectors, seed)
        measured[name], measured["processor"] = time.perf_counter() - started, time.process_time() - processor
    measured["trust"] = trust(vectors, points)
    print(json.dumps(measured))


def measure(program: str, source: Path, repeats: int) -> dict[str, float]:
    """Medians over processes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, "--child", program, "--vectors", str(source)]
    runs = []
    for _ in range(repeats):
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        runs.append(json.loads(found.stdout.splitlines()[-1]))
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--vectors", type=Path, help="unit vectors, .npy")
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 2_000, 20_000])
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.vectors)
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| texts | program | import s | first map s | second map s | processor s | trustworthiness |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for n in arguments.sizes:
            everything = made(n) if arguments.vectors is None else np.load(arguments.vectors, allow_pickle=False)
            rows = np.sort(np.random.default_rng(0).permutation(len(everything))[:n])
            source = Path(folder) / f"{n}.npy"
            np.save(source, np.ascontiguousarray(everything[rows], dtype=np.float32), allow_pickle=False)
            warm = Path(folder) / "warm.npy"
            np.save(warm, made(600), allow_pickle=False)
            for program in arguments.programs:
                measure(program, warm, 1)
                found = measure(program, source, 1 if n > 5_000 else arguments.repeats)
                figures = " | ".join(f"{found[name]:.2f}" for name in ("import", "first", "second", "processor"))
                print(f"| {n:,} | {program} | {figures} | {found['trust']:.4f} |", flush=True)


if __name__ == "__main__":
    main()
