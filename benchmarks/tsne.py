"""Which t-SNE, and what compilation costs: ours, scikit-learn's, openTSNE's; UMAP beside umap-learn.

Each runs in a process of its own, two threads, after a warming run, so that caches on disk are full; a table of medians
goes to the terminal: import, first and second map in that process (with the neighbours, which the peers look for
themselves), processor time of the second, trustworthiness at 10 by cosine on up to 2,000 texts.

    python benchmarks/tsne.py                                     # ours and scikit-learn on 20,000 × 384, made
    python benchmarks/tsne.py --sizes 30 2000 20000 --programs ours sklearn opentsne ours-umap umap-learn
    python benchmarks/tsne.py --vectors unit.npy --sizes 20000    # one's own
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from measure import ROOT, Report, Row, child, environment, options
from numpy.typing import NDArray

PROGRAMS = ("ours", "sklearn", "opentsne", "ours-umap", "umap-learn")

REACH = 4.0

TOLERANCE = 0.0005
"""The mean of 2,000 texts moves by so much with the seed: a smaller difference in trustworthiness is none."""


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
        from evalkit.neighbours import exact as neighbours
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
    from evalkit.metrics.faithfulness import trustworthiness_samples
    from evalkit.neighbours import exact as neighbours

    n = len(vectors)
    rows = np.sort(np.random.default_rng(0).permutation(n)[:2_000])
    near = neighbours.plane(points, min(10, (n - 1) // 2), queries=rows).indices
    return float(trustworthiness_samples(vectors, rows, near).mean())


def perform(program: str, source: Path) -> None:
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
        import evalkit.projections.tsne_gradient  # noqa: F401
    measured = {"import": time.perf_counter() - started}
    for name, seed in (("first", 0), ("second", 1)):
        started, processor = time.perf_counter(), time.process_time()
        points = draw(program, vectors, seed)
        measured[name], measured["processor"] = time.perf_counter() - started, time.process_time() - processor
    measured["trust"] = trust(vectors, points)
    print(json.dumps(measured))


def measure(program: str, source: Path, repeats: int) -> dict[str, float]:
    """Medians over processes."""
    command = [sys.executable, __file__, "--child", program, "--vectors", str(source)]
    runs = [json.loads(child(command, cwd=ROOT, env=environment()).splitlines()[-1]) for _ in range(repeats)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--child", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--vectors", type=Path, help="unit vectors, .npy")
    parser.add_argument("--sizes", type=int, nargs="+", help="default 20,000, or 600 for small")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=["ours", "sklearn"])
    arguments = parser.parse_args()
    if arguments.child:
        perform(arguments.child, arguments.vectors)
        return
    sizes = arguments.sizes or ([20_000] if arguments.size == "full" else [600])
    report = Report("tsne", arguments.size, arguments.repeats)
    found: dict[tuple[int, str], dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            everything = made(n) if arguments.vectors is None else np.load(arguments.vectors, allow_pickle=False)
            rows = np.sort(np.random.default_rng(0).permutation(len(everything))[:n])
            source = Path(folder) / f"{n}.npy"
            np.save(source, np.ascontiguousarray(everything[rows], dtype=np.float32), allow_pickle=False)
            warm = Path(folder) / "warm.npy"
            np.save(warm, made(600), allow_pickle=False)
            for program in arguments.programs:
                measure(program, warm, 1)
                found[n, program] = measure(program, source, arguments.repeats)
                print(n, program, found[n, program], file=sys.stderr, flush=True)
    fill(report, found)
    report.finish(arguments.out)


def fill(report: Report, found: dict[tuple[int, str], dict[str, float]]) -> None:
    """The row (the largest size of ours and scikit-learn's) and the table of all programs."""
    largest = max(n for n, _ in found)
    if (largest, "ours") in found and (largest, "sklearn") in found:
        ours, peer = found[largest, "ours"], found[largest, "sklearn"]
        ratio = peer["second"] / ours["second"]
        report.row(
            Row(
                work=f"t-SNE of {largest:,} × 384, neighbours included",
                against="sklearn TSNE",
                reach=f"{REACH:.0f} ×, trustworthiness no lower",
                ours=ours["second"],
                peer=peer["second"],
                measured=f"{ratio:.1f} ×",
                holds=ratio >= REACH and ours["trust"] >= peer["trust"] - TOLERANCE,
                same=f"trustworthiness at 10 of the same 2,000 texts: {ours['trust']:.4f}, sklearn {peer['trust']:.4f}",
            )
        )
    report.detail(
        "Maps",
        [
            {
                "texts": n,
                "program": program,
                "import s": figures["import"],
                "first map s": figures["first"],
                "second map s": figures["second"],
                "processor s": figures["processor"],
                "trustworthiness": f"{figures['trust']:.4f}",
            }
            for (n, program), figures in found.items()
        ],
    )


if __name__ == "__main__":
    main()
