"""A sweep of 72 beside a plain loop: four base-size models × mean, cls, max × t-SNE, UMAP × 3 seeds on thirty words.

The models have the true configurations and generated weights (no network); evalkit runs all default evaluators, and
both log to MLflow.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import sweeps
from measure import Report, Row, median, options

REACH = 1.5


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
    arguments = parser.parse_args()
    setting = setting_of(arguments.size, arguments.models)
    seeds = range(1 if arguments.size == "small" else 3)
    report = Report("sweep72", arguments.size, arguments.repeats)
    ours, plain, careful = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.size == "full":
            # Compiled loops and the page cache are filled by a sweep that is not counted.
            sweeps.sweep(setting, [0], folder / "ours")
            sweeps.loop(setting, [0], folder / "loop", careful=True)
        for _ in range(arguments.repeats):
            ours.append(sweeps.sweep(setting, seeds, folder / "ours"))
            plain.append(sweeps.loop(setting, seeds, folder / "loop"))
            careful.append(sweeps.loop(setting, seeds, folder / "loop", careful=True))
    agreement = sweeps.agreement(ours[0].value, plain[0].value)
    ratio = median(plain) / median(ours)
    report.row(
        Row(
            work=f"sweep of {setting.count(len(seeds))}: {len(setting.models)} base-size models × "
            f"{', '.join(setting.poolings)} × {', '.join(setting.projections)} × {len(seeds)} seeds, thirty words",
            against="plain loop: transformers, scikit-learn, umap-learn, matplotlib, MLflow",
            reach=f"{REACH} ×",
            ours=median(ours),
            peer=median(plain),
            measured=f"{ratio:.1f} ×",
            holds=ratio >= REACH and agreement.silhouette < 1e-4 and agreement.precision < 0.02,
            same=agreement.sentence,
        )
    )
    programs = {"evalkit": ours, "plain loop": plain, "careful loop": careful}
    report.detail(
        "Sweep and loops",
        [{"program": name, "s": median(runs), "processor s": runs[0].processor} for name, runs in programs.items()],
    )
    report.note(
        "The plain loop's jobs stand by themselves, each loads its model and encodes; the careful one loads each model "
        "once and keeps the vectors. evalkit computes all default evaluators (the loops: silhouette and precision), "
        "writes the files of each run, and at the end leaderboard, comparisons and gallery. The loops' map shows what "
        "evalkit's does, in its size: points, hulls, words, legend."
    )
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
