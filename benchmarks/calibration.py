"""Are chance levels, p-values, intervals and paired tests what they say? Simulated, everything drawn anew.

In every draw, texts are drawn about fixed label centres in 32 dimensions, normalised, graphs and maps built
anew, and evaluated by evalkit's own evaluators. What is looked at:

- no structure: P(p ≤ α) of the permutation tests, and the mean of `adjusted` (should be 0);
- structure: how often the 95 % interval covers the score's expectation over draws, and how wide it is
  beside 3.92 standard deviations, which is what one would take who knew the truth;
- two equal models (same centres, noise drawn apart, or half shared): how often the paired test rejects;
- a better model (centres a quarter farther apart): how often it is told apart.

    python benchmarks/calibration.py --draws 500 --write docs/calibration.md --sum-up docs/metrics.md
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.metrics import clustering, hulls, neighbours, probe, separation
from evalkit.metrics import map_separation as mapped
from evalkit.neighbours.exact import nearest, plane
from evalkit.stats import paired_test as paired
from evalkit.stats.labelled_graph import graph_depth
from evalkit.types import Codes, Evaluation, Sample, Vectors

FAMILIES = (separation, clustering, mapped, hulls, probe)
SEPARATIONS = {"none": 0.0, "weak": 2.0, "middling": 4.0, "strong": 6.5}
SHARES = {"equal": (6, 6, 6, 6, 6), "unequal": (12, 8, 5, 3, 2)}
DIMENSIONS = 32
CENTRE_SEED = 5
PROBE_PERMUTATIONS = 19  # the evaluator's own number
PART = 20  # draws that a worker makes at a time; a multiple of COSTLY_EVERY, so that parts cost alike
COSTLY_EVERY = 2  # map scores and the probe cost most: every second draw
ALPHAS = (0.01, 0.05, 0.1, 0.5)
OPENING, CLOSING = "<!-- calibration -->", "<!-- /calibration -->"


@dataclass(frozen=True)
class Condition:
    """One row of a table: so many texts, label sizes, distance of the label centres from the origin."""

    texts: int
    labels: str
    separation: str
    centre_seed: int = CENTRE_SEED

    @property
    def codes(self) -> Codes:
        sizes = np.array(SHARES[self.labels]) * self.texts // 30
        return np.repeat(np.arange(sizes.size, dtype=np.int32), sizes)


def centres(scale: float, seed: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng(seed).normal(size=(5, DIMENSIONS))
    scaled: NDArray[np.float64] = scale * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return scaled


def draw(condition: Condition, noise: NDArray[np.float64], *, factor: float = 1.0) -> Vectors:
    """Unit vectors about the centres."""
    scattered = centres(SEPARATIONS[condition.separation] * factor, condition.centre_seed)[condition.codes] + noise
    unit: Vectors = (scattered / np.linalg.norm(scattered, axis=1, keepdims=True)).astype(np.float32)
    return unit


def sample_of(unit: Vectors, labels: Codes) -> Sample:
    """What the pipeline would hand over, with a PCA map."""
    graph = nearest(unit, graph_depth(labels, (1, 5, 10)))
    left, scales, _ = np.linalg.svd((unit - unit.mean(axis=0)).astype(np.float64), full_matrices=False)
    points = left[:, :2] * scales[:2]
    return Sample(unit, unit, labels, int(labels.max()) + 1, graph, graph, points, plane(points, 11))


def neighbour_scores(sample: Sample, rng: np.random.Generator, count: int) -> Evaluation:
    """The neighbour scores without hubness, which no labels enter."""
    return neighbours.evaluate_graph(
        sample.graph, sample.labels, rng, ks=(1, 5, 10), prefix="neighbours/precision_at_", space="embedding",
        r_prefix="neighbours/", permutations=count,
    )  # fmt: skip


def evaluate(unit: Vectors, labels: Codes, seed: int, count: int, families: Sequence[ModuleType] = ()) -> Evaluation:
    """The neighbour scores and those of the families together, with a number of permutations one can afford."""
    sample = sample_of(unit, labels)
    found = [neighbour_scores(sample, np.random.default_rng(seed), count)]
    for number, family in enumerate(families):
        fewer = mock.patch.object(family, "permutation_count", return_value=count)
        options = {"permutations": min(count, PROBE_PERMUTATIONS)} if family is probe else {}
        with fewer if hasattr(family, "permutation_count") else contextlib.nullcontext():
            found.append(family.evaluate(sample, np.random.default_rng([seed, number]), **options))
    return Evaluation(
        scores=tuple(score for each in found for score in each.scores if score.ranks_models),
        per_text={name: column for each in found for name, column in each.per_text.items()},
    )


def simulate(condition: Condition, draws: Iterable[int], *, seed: int, permuted: int = 199) -> pd.DataFrame:
    """A row a draw and score: value, adjusted, p, ci_low, ci_high, false (equal models), shared, power.

    A draw depends on its number alone, so that a condition can be simulated in parts.
    """
    labels = condition.codes
    structured = condition.separation != "none"
    rows = []
    for number in draws:
        rng = np.random.default_rng([seed, number])
        common, own, other = rng.normal(size=(3, labels.size, DIMENSIONS))
        costly = number % COSTLY_EVERY == 0
        paired_families = (separation, probe) if costly else (separation,)
        families = (*paired_families, mapped) if costly else paired_families
        first = evaluate(
            draw(condition, own), labels, number, 1 if structured else permuted, families if structured else FAMILIES
        )
        alike = [
            evaluate(draw(condition, (common + noise) / np.sqrt(2)), labels, number, 1, paired_families).per_text
            for noise in (own, other)
        ]
        equal = evaluate(draw(condition, other), labels, number, 1, paired_families).per_text
        better = evaluate(draw(condition, other, factor=1.25), labels, number, 1, paired_families).per_text
        for score in first.scores:
            row = {
                "score": score.name,
                "value": score.value,
                "adjusted": score.adjusted,
                "p": score.p_value,
                "ci_low": score.ci_low,
                "ci_high": score.ci_high,
            }
            column = f"{score.name}.pseudo"
            if column in equal:
                row["false"] = paired.compare(first.per_text[column], equal[column]).p
                row["shared"] = paired.compare(alike[0][column], alike[1][column]).p
                row["power"] = paired.compare(better[column], first.per_text[column]).p
            rows.append(row)
    frame = pd.DataFrame(rows)
    numeric = frame.columns.drop("score")
    frame[numeric] = frame[numeric].astype(float)
    return frame


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a score: what a simulation of one condition shows."""
    rows = {}
    for name, part in frame.groupby("score", sort=False):
        truth = part["value"].mean()
        row = {
            "expectation": truth,
            "sd": part["value"].std(),
            "adjusted": part["adjusted"].mean(),
            "adjusted_error": part["adjusted"].std() / np.sqrt(len(part)),
            "draws": len(part),
        }
        for alpha in ALPHAS:
            row[f"p<={alpha}"] = (part["p"] <= alpha + 1e-12).mean() if part["p"].notna().any() else np.nan
        if part["ci_low"].notna().any():
            covers = (part["ci_low"] <= truth + 1e-12) & (part["ci_high"] >= truth - 1e-12)
            widths = part["ci_high"] - part["ci_low"]
            row |= {"coverage": covers.mean(), "width": widths.mean(), "least_width": widths.min()}
        for column in ("false", "shared", "power"):
            if column in part and part[column].notna().any():
                row[column] = (part[column] <= 0.05).mean()
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def run(condition: Condition, draws: range, seed: int) -> tuple[pd.DataFrame, float]:
    """Part of a condition's draws, and the processor's seconds they took."""
    started = time.process_time()
    return simulate(condition, draws, seed=seed), time.process_time() - started


def run_all(
    jobs: Sequence[tuple[Condition, int]], seed: int, workers: int
) -> list[tuple[Condition, pd.DataFrame, float]]:
    """Every condition, its draws in parts so that all workers are busy to the end; the costly ones first."""
    parts = [
        (condition, range(first, min(first + PART, draws)))
        for condition, draws in sorted(jobs, key=lambda job: -job[0].texts)
        for first in range(0, draws, PART)
    ]
    with ProcessPoolExecutor(workers) as pool:
        futures = [(condition, pool.submit(run, condition, draws, seed)) for condition, draws in parts]
        found: dict[Condition, list[tuple[pd.DataFrame, float]]] = {condition: [] for condition, _ in jobs}
        for condition, future in futures:
            found[condition].append(future.result())
            print(condition, f"{found[condition][-1][1]:.0f} s", file=sys.stderr, flush=True)
    return [
        (condition, summarise(pd.concat([frame for frame, _ in done])), sum(seconds for _, seconds in done))
        for condition, done in found.items()
    ]


def _table(rows: list[list[str]], header: list[str]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _show(value: float, digits: int = 3) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def _null_table(results: list[tuple[Condition, pd.DataFrame, float]]) -> str:
    rows = [
        [
            *(str(name), str(c.texts), c.labels, f"{_show(row['adjusted'], 4)} ± {_show(row['adjusted_error'], 4)}"),
            *(_show(row[f"p<={alpha}"]) for alpha in ALPHAS),
        ]
        for c, frame, _ in results
        if c.separation == "none"
        for name, row in frame.iterrows()
    ]
    return _table(rows, ["score", "texts", "labels", "mean adjusted ± s.e.", *(f"P(p ≤ {a})" for a in ALPHAS)])


def _interval_table(results: list[tuple[Condition, pd.DataFrame, float]]) -> str:
    rows = [
        [
            *(str(name), str(c.texts), c.labels, c.separation, _show(row["expectation"]), _show(row["coverage"])),
            *(_show(row["width"]), _show(3.92 * row["sd"]), _show(row["least_width"], 4)),
        ]
        for c, frame, _ in results
        for name, row in frame.iterrows()
        if "coverage" in row and np.isfinite(row["coverage"])
    ]
    header = [
        "score",
        "texts",
        "labels",
        "separation",
        "expectation",
        "coverage",
        "mean width",
        "3.92 sd",
        "least width",
    ]
    return _table(rows, header)


def _paired_table(results: list[tuple[Condition, pd.DataFrame, float]]) -> str:
    rows = [
        [str(name), str(c.texts), c.labels, c.separation, *(_show(row[x]) for x in ("false", "shared", "power"))]
        for c, frame, _ in results
        for name, row in frame.iterrows()
        if "false" in row and np.isfinite(row["false"])
    ]
    header = ["score", "texts", "labels", "separation", "false rejections", "half the noise shared", "power"]
    return _table(rows, header)


def page(results: list[tuple[Condition, pd.DataFrame, float]], command: str, commit: str) -> str:
    """The Markdown page."""
    seconds = sum(each[2] for each in results)
    counts = sorted({int(frame["draws"].iloc[0]) for _, frame, _ in results})
    drawn = ", ".join(
        f"{int(frame['draws'].iloc[0])} draws of {c.texts} texts, {c.separation}"
        for c, frame, _ in results
        if c.labels == results[0][0].labels
    )
    return "\n\n".join(
        [
            "# Calibration",
            "Simulated by `benchmarks/calibration.py`: vectors drawn, graphs and maps built anew in every draw; "
            f"five labels, {DIMENSIONS} dimensions, centres at "
            + ", ".join(f"{scale:g} ({name})" for name, scale in SEPARATIONS.items())
            + f" from the origin with unit noise. Label sizes of 30 texts: {SHARES['equal']} or {SHARES['unequal']}; "
            f"ten times these of 300. {drawn}; map scores and the probe in every second. The Monte-Carlo standard "
            "error of a share of 0.05 is "
            + ", ".join(f"{np.sqrt(0.05 * 0.95 / draws):.3f} ({draws} draws)" for draws in counts)
            + f". Command: `{command}`; commit {commit}; {seconds:.0f} s of processor time.",
            "## No structure: p-values and chance levels",
            "P(p ≤ α) should be at most α (less where few values are possible), mean `adjusted` 0.",
            _null_table(results),
            "## Intervals",
            "Coverage of the score's expectation at this number of texts should be 0.95 (at least 0.93); 3.92 sd is "
            "the width one would choose who knew the truth. The intervals of centroid_accuracy, of the map scores and "
            "of the probe hold the centroids, the map or the fitted probes for given and say so; here these are drawn "
            "anew as well, so that for them the table shows what the condition hides. Macro scores have no interval "
            "and no paired test where more than a tenth of the labels have fewer than five texts: 30 texts, unequal.",
            _interval_table(results),
            "## Paired comparison",
            "Share of p ≤ 0.05 for two equal models (noise drawn apart; half of it shared), and for a model whose "
            "centres stand a quarter farther apart.",
            _paired_table(results),
        ]
    ) + "\n"  # fmt: skip


def summary(results: list[tuple[Condition, pd.DataFrame, float]]) -> str:
    """A row a score: the range of its coverage, its width, and the highest shares of the paired test."""
    names = dict.fromkeys(str(name) for _, frame, _ in results for name in frame.index if "false" in frame)
    texts = sorted({c.texts for c, _, _ in results})
    rows = []
    for name in names:
        cells = [name]
        for count in texts:
            found = [frame.loc[name] for c, frame, _ in results if c.texts == count and name in frame.index]
            table = pd.DataFrame([row for row in found if np.isfinite(row.get("false", np.nan))])
            if name.startswith("map/") or table.empty:
                break
            least = 3.92 * table["sd"]
            cells += [
                f"{table['coverage'].min():.3f}–{table['coverage'].max():.3f}",
                f"{table['width'].mean():.3f} ({(table['width'].mean() / least.mean()):.2f} ×)",
                f"{table[['false', 'shared']].mean(axis=1).max():.3f} (of one condition: "
                f"{table[['false', 'shared']].max().max():.3f})",
                f"{table['power'].max():.2f}",
            ]
        else:
            rows.append(cells)
    header = ["score"]
    for count in texts:
        header += [f"coverage, {count} texts", "mean width (× the least possible)", "false rejections", "power"]
    return _table(rows, header)


def write_summary(text: str, path: Path) -> None:
    """Put the summary between the page's two marks."""
    page = path.read_text(encoding="utf-8")
    before, rest = page.split(OPENING, 1)
    after = rest.split(CLOSING, 1)[1]
    path.write_text(f"{before}{OPENING}\n{text}\n{CLOSING}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--draws", type=int, default=500, help="draws a condition; a third of 300 texts without structure"
    )
    parser.add_argument("--texts", type=int, nargs="+", default=[30, 300])
    parser.add_argument("--labels", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--separations", nargs="+", choices=SEPARATIONS, default=list(SEPARATIONS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--centres", type=int, default=CENTRE_SEED, help="seed of the label centres")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--commit", help="what the page calls the sources; default git's HEAD")
    parser.add_argument("--write", type=Path, help="Markdown file for all conditions")
    parser.add_argument("--sum-up", type=Path, help="Markdown page whose summary is renewed")
    arguments = parser.parse_args()
    jobs = [
        (
            Condition(texts, labels, name, arguments.centres),
            arguments.draws if texts < 100 or name != "none" else max(1, arguments.draws // 3),
        )
        for texts in arguments.texts
        for labels in arguments.labels
        for name in arguments.separations
    ]
    # Now: the tree may have moved on when the simulation ends.
    commit = (
        arguments.commit
        or subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip()
    )
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers: as many processes as there are cores
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    results = run_all(jobs, arguments.seed, arguments.workers)
    text = page(results, "python " + " ".join(sys.argv), commit or "unknown")
    if arguments.sum_up:
        write_summary(summary(results), arguments.sum_up)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
