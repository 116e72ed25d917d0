"""What tests tried and what was lost: a line each in the file EVALKIT_RELIABILITY, and docs/reliability.md of them.

PYTHONPATH=tests python -m reliability.page LINES.jsonl > docs/reliability.md
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NOTHING = "nothing"

PARTS = {
    "launchers": "Launchers",
    "resuming": "Killed, stopped, resumed",
    "tracker": "MLflow away",
    "store": "The store",
    "input": "Bad input",
    "security": "Security",
    "endurance": "Long work",
}

HEAD = """# Reliability

Written by `tests/reliability/page.py` from what the tests noted while they ran. Every fault is made for real. "Lost" is
what a user would miss afterwards: a result, a run in MLflow, a file that was whole, an answer within its time.

To renew the page (about two hours on two cores; without the three sizes half an hour):

```bash
export EVALKIT_RELIABILITY=$PWD/reliability.jsonl EVALKIT_KILLS=30 EVALKIT_RUNS=500 EVALKIT_FUZZ_SECONDS=300
python -m pytest -q -n 2
PYTHONPATH=tests python -m reliability.page reliability.jsonl > docs/reliability.md
```
"""


def note(part: str, fault: str, *, made: str, by: str, tried: int = 1, lost: str = NOTHING, found: str = "") -> None:
    """Append a line: what goes wrong and how it is made, which test tried it how often, what was lost and seen."""
    file = os.environ.get("EVALKIT_RELIABILITY")
    if file:
        line = {"part": part, "fault": fault, "made": made, "by": by, "tried": tried, "lost": lost, "found": found}
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def render(lines: Iterable[dict[str, Any]], commit: str) -> str:
    """The page: a row a fault, the way it is made and the test; the tries added up."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for line in lines:
        row = rows.setdefault(tuple(line[name] for name in ("part", "fault", "made", "by")), {**line, "tried": 0})
        row["tried"] += line["tried"]
        row["lost"] = line["lost"] if row["lost"] == NOTHING else row["lost"]
    tried, losing = sum(row["tried"] for row in rows.values()), sum(row["lost"] != NOTHING for row in rows.values())
    page = [HEAD, f"{len(rows)} faults, {tried} tries at commit {commit}; something was lost in {losing or 'none'}."]
    for part, title in PARTS.items():
        page += [
            f"\n## {title}\n",
            "| fault | how it is made | tried | lost | seen | by |",
            "|---|---|--:|---|---|---|",
        ]
        for row in (row for row in rows.values() if row["part"] == part):
            cells = (_cell(row[name]) for name in ("fault", "made", "tried", "lost", "found", "by"))
            page.append(f"| {' | '.join(cells)} |")
    return "\n".join(page) + "\n"


def _cell(value: object) -> str:
    """Text that ends no cell of a table."""
    return " ".join(str(value).replace("|", "\\|").replace("<", "&lt;").split())


if __name__ == "__main__":
    noted = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    sys.stdout.write(render(map(json.loads, noted), head.stdout.strip()))
