"""`--help` beside `python -c "import hydra"`: what start-up costs above Hydra itself. Each in a process of its own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measure import Report, Row, alternate, child, environment, median, options

ALLOWED = 0.4

# Hydra's own way to its help page: what no program on Hydra can be quicker than.
BARE = """
import hydra
@hydra.main(version_base="1.3", config_path=None)
def main(config): ...
main()
"""


def main() -> None:
    arguments = options(__doc__, repeats=9).parse_args()
    report = Report("help", arguments.size, 1 if arguments.size == "small" else arguments.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        folder, env = Path(temporary), environment()
        (folder / "bare.py").write_text(BARE, encoding="utf-8")
        found = alternate(
            {
                "ours": lambda: child([sys.executable, "-m", "evalkit.run", "--help"], cwd=folder, env=env),
                "import hydra": lambda: child([sys.executable, "-c", "import hydra"], cwd=folder, env=env),
                "bare": lambda: child([sys.executable, "bare.py", "--help"], cwd=folder, env=env),
            },
            report.repeats,
        )
    page = found["ours"][0].value
    groups = ("model", "pooling", "projection", "evaluators", "dataset", "tracker")
    told = [group for group in groups if f"{group}: " in page]
    ours, peer = median(found["ours"]), median(found["import hydra"])
    report.row(
        Row(
            work="`python -m evalkit.run --help`",
            against='`python -c "import hydra"`',
            reach=f"at most {ALLOWED} s more",
            ours=ours,
            peer=peer,
            measured=f"{ours - peer:.2f} s more",
            holds=ours - peer <= ALLOWED and len(told) == len(groups),
            same=f"the page names {len(told)} of {len(groups)} groups",
        )
    )
    bare = median(found["bare"])
    report.note(
        f"An empty program on Hydra needs {bare:.2f} s for its `--help`; ours {ours - bare:.2f} s more than that."
    )
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
