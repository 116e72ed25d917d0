"""The 72-run sweep again with everything stored: files copied, MLflow asked, nothing computed or logged twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

import sweeps
from measure import Report, Row, median, options
from sweep72 import setting_of

REACH = 0.1


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--models", type=Path, default=sweeps.MODELS, help="where the four checkpoints are kept")
    arguments = parser.parse_args()
    setting = setting_of(arguments.size, arguments.models)
    seeds = range(2 if arguments.size == "small" else 3)
    count = setting.count(len(seeds))
    report = Report("reuse", arguments.size, arguments.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "ours"
        first = sweeps.sweep(setting, seeds, folder)
        logged = sweeps.logged_runs(folder)
        again = [sweeps.sweep(setting, seeds, folder, fresh=False) for _ in range(arguments.repeats)]
        single = [sweeps.sweep(setting, seeds[:1], folder, fresh=False) for _ in range(arguments.repeats)]
        twice = sweeps.logged_runs(folder) - logged
        names = [{file.name for file in (folder / f"sweep{n}" / "0").iterdir() if file.is_file()} for n in (0, 1)]
    equal = all(run.value == first.value for run in again) and names[0] == names[1]
    each = median(again) / count
    slope = (median(again) - median(single)) / (count - setting.count(1))
    report.row(
        Row(
            work=f"the {count}-run sweep again, everything stored",
            against="–",
            reach=f"at most {REACH} s a run",
            ours=each,
            peer=None,
            measured=f"{each:.3f} s a run",
            holds=each <= REACH and equal and twice == 0 and logged == count,
            same=f"{len(first.value)} records and their files {'equal' if equal else 'differ'}; {logged} runs in "
            f"MLflow after the first sweep, {twice} more after the others",
            unit="s a run",
        )
    )
    report.note(
        f"The whole second sweep, start-up, leaderboard and gallery with it, takes {median(again):.1f} s (the first "
        f"{first.seconds:.1f} s); a further run costs {slope:.3f} s."
    )
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
