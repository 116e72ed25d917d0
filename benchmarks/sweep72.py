"""A sweep of 72 beside a plain loop: four base-size models × mean, cls, max × t-SNE, UMAP × 3 seeds on thirty words.

The models have the true configurations and generated weights (no network); evalkit runs all default evaluators, and
both log to MLflow. The marginal run is the slope between 24 and 144 runs (1 and 6 seeds).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import sweeps
from measure import Report, Row, Timed, median, options

WHOLE, MARGINAL, SLOPE = 3.0, 5.0, 0.2


def setting_of(size: str, models: Path) -> sweeps.Setting:
    """The sweep's models, poolings, projections and texts."""
    peers, env = sweeps.four_models(models, "true" if size == "full" else "small")
    texts, labels = sweeps.topics()
    few = size == "small"
    return sweeps.Setting(
        models=sweeps.FOUR[:1] if few else sweeps.FOUR,
        peers=peers[:1] if few else peers,
        poolings=("mean",) if few else ("mean", "cls", "max"),
        projections=("tsne", "umap"),
        texts=texts,
        labels=labels,
        env=env,
    )


def main() -> None:
    parser = options(__doc__, repeats=1)
    parser.add_argument("--models", type=Path, default=sweeps.MODELS, help="where the four checkpoints are kept")
    parser.add_argument("--seeds", type=int, nargs=3, default=(1, 3, 6), help="seeds of the three sweeps")
    arguments = parser.parse_args()
    setting = setting_of(arguments.size, arguments.models)
    seeds = (1, 2, 2) if arguments.size == "small" else arguments.seeds
    report = Report("sweep72", arguments.size, arguments.repeats)
    runs: dict[tuple[str, int], list[Timed]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.size == "full":
            # Compiled loops and the page cache are filled by a sweep that is not counted.
            sweeps.sweep(setting, [0], folder / "ours")
            sweeps.loop(setting, [0], folder / "loop", careful=True)
        for _ in range(arguments.repeats):
            for count in sorted(set(seeds)):
                chosen = range(count)
                runs.setdefault(("evalkit", count), []).append(sweeps.sweep(setting, chosen, folder / "ours"))
                runs.setdefault(("plain loop", count), []).append(sweeps.loop(setting, chosen, folder / "loop"))
                careful = sweeps.loop(setting, chosen, folder / "loop", careful=True)
                runs.setdefault(("careful loop", count), []).append(careful)
    fill(report, setting, seeds, runs)
    report.finish(arguments.out)


def fill(report: Report, setting: sweeps.Setting, seeds: Any, runs: dict[tuple[str, int], list[Timed]]) -> None:
    few, middle, many = seeds
    between = setting.count(many) - setting.count(few)
    slopes = {
        name: (median(runs[name, many]) - median(runs[name, few])) / between
        for name in ("evalkit", "plain loop", "careful loop")
    }
    found = sweeps.agreement(runs["evalkit", middle][0].value, runs["plain loop", middle][0].value)
    same = found.silhouette < 1e-4 and found.precision < 0.02
    ours, peer = median(runs["evalkit", middle]), median(runs["plain loop", middle])
    marginal = slopes["plain loop"] / slopes["evalkit"]
    what = (
        f"sweep of {setting.count(middle)}: {len(setting.models)} base-size models × {', '.join(setting.poolings)} × "
        f"{', '.join(setting.projections)} × {middle} seeds, thirty words"
    )
    loop = "plain loop: transformers, scikit-learn, umap-learn, matplotlib, MLflow"
    report.row(
        Row(
            work=what,
            against=loop,
            reach=f"{WHOLE:.0f} × less time; {MARGINAL:.0f} × on the marginal run, at most {SLOPE} s",
            ours=ours,
            peer=peer,
            measured=f"{peer / ours:.1f} × in all; {marginal:.1f} × on the marginal run, {slopes['evalkit']:.2f} s",
            holds=peer / ours >= WHOLE and marginal >= MARGINAL and slopes["evalkit"] <= SLOPE and same,
            same=found.sentence,
        )
    )
    report.detail(
        "Sweeps and loops",
        [
            {
                "program": name,
                **{f"{setting.count(count)} runs, s": median(runs[name, count]) for count in seeds},
                "marginal run, s": slopes[name],
                "processor s of the largest": runs[name, many][0].processor,
            }
            for name in slopes
        ],
    )
    report.note(
        "The plain loop's jobs stand by themselves, each loads its model and encodes; the careful one loads each model "
        "once and keeps the vectors. evalkit computes all default evaluators (the loops: silhouette and precision), "
        "writes the files of each run, and at the end leaderboard, comparisons and gallery. The loops' map shows what "
        "evalkit's does, in its size: points, hulls, words, legend (points alone: 0.09 s less a run)."
    )


if __name__ == "__main__":
    main()
