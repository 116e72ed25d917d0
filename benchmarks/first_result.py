"""README's first command in a fresh clone and a fresh home, from the end of ``pip install`` to the leaderboard.

The packages are those of this environment, byte-compiled as pip leaves them; evalkit's own sources and every cache
(numba's compiled loops among them) are new in each repeat.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, Report, Row, Timed, environment, median, options, timed

REACH = 30.0
COMMAND = ("-m", "evalkit.run", "-m", "model=minilm,tfidf,random")


def first_result(folder: Path) -> Timed:
    """Run the command in a new clone below `folder`; its standard output."""
    clone, home = folder / "evalkit", folder / "home"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    home.mkdir()
    env = environment(HOME=str(home), PYTHONPATH=str(clone))
    command = [sys.executable, *COMMAND]
    done = timed(lambda: subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True, check=True).stdout)
    shutil.rmtree(clone)
    shutil.rmtree(home)
    return done


def main() -> None:
    arguments = options(__doc__).parse_args()
    report = Report("first_result", arguments.size, 1 if arguments.size == "small" else arguments.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        runs = [first_result(Path(temporary)) for _ in range(report.repeats)]
    shown = all("minilm is ahead of tfidf" in run.value for run in runs)
    report.row(
        Row(
            work="first result: README's command in a fresh clone and home, to its leaderboard",
            against="–",
            reach=f"under {REACH:.0f} s",
            ours=median(runs),
            peer=None,
            measured=f"{median(runs):.1f} s",
            holds=median(runs) < REACH and shown,
            same="the leaderboard is printed" if shown else "no leaderboard was printed",
        )
    )
    report.note(f"Processor {runs[0].processor:.1f} s. Only the first command compiles; the same again takes a third.")
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
