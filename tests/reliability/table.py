"""Writes docs/reliability.md from the lines that tests and scripts left (see `reliability.notes`).

PYTHONPATH=tests python -m reliability.table LINES.jsonl… [--write docs/reliability.md]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reliability.notes import ENVIRONMENT, NOTHING

PARTS = {
    "launchers": "Launchers",
    "resuming": "Killed, stopped, resumed",
    "tracker": "MLflow away",
    "store": "The store",
    "input": "Bad input",
    "security": "Security",
    "endurance": "Long work",
}

HEAD = f"""# Reliability

Written by `tests/reliability/table.py` from what tests and scripts noted while they ran; not by hand. Every fault is
made for real. "Lost" is what a user would miss afterwards: a result, a run in MLflow, a file that was whole, an answer
within its time. A commit with `+` had uncommitted changes.

To renew it (the scripts take about an hour on two busy cores, the tests a quarter):

```
export {ENVIRONMENT}=$PWD/reliability.jsonl
python -m pytest -q -m fault
PYTHONPATH=tests python -m reliability.kills --kills 30 --stops 5
PYTHONPATH=tests python -m reliability.endurance --runs 500 --tracked 100
PYTHONPATH=tests python -m reliability.fuzz --seconds 300
PYTHONPATH=tests python -m reliability.table reliability.jsonl --write docs/reliability.md
```
"""


def read(files: Iterable[Path]) -> list[dict[str, Any]]:
    """All lines, oldest first."""
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line]


def gather(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for a fault, the way it is made, who tried it and the commit: the tries added up."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for line in lines:
        key = tuple(str(line[name]) for name in ("part", "fault", "made", "by", "commit"))
        row = rows.setdefault(key, {**line, "tried": 0, "losses": [], "founds": []})
        row["tried"] += line["tried"]
        if line["lost"] != NOTHING:
            row["losses"].append(line["lost"])
        if line["found"]:
            row["founds"].append(line["found"])
    return list(rows.values())


def cell(text: str) -> str:
    """Text that ends no cell of a table."""
    return " ".join(str(text).replace("|", "\\|").replace("<", "&lt;").split())


def render(lines: Iterable[dict[str, Any]]) -> str:
    """The page."""
    rows = gather(lines)
    unknown = sorted({row["part"] for row in rows} - PARTS.keys())
    if unknown:
        raise SystemExit(f"no section is called {', '.join(unknown)}: choose of {', '.join(PARTS)}")
    parts = [HEAD]
    tried, losing = sum(row["tried"] for row in rows), sum(bool(row["losses"]) for row in rows)
    parts.append(f"{len(rows)} faults, {tried} tries; something was lost in {losing or 'none'} of them.\n")
    for part, title in PARTS.items():
        own = [row for row in rows if row["part"] == part]
        if not own:
            parts.append(f"## {title}\n\nNothing was noted when this page was written.\n")
            continue
        table = [f"## {title}\n", "| fault | how it is made | tried | lost | seen | by | commit |"]
        table.append("|---|---|--:|---|---|---|---|")
        for row in own:
            lost = "; ".join(dict.fromkeys(row["losses"])) or NOTHING
            cells = (row["fault"], row["made"], row["tried"], lost, "; ".join(dict.fromkeys(row["founds"])))
            table.append("| " + " | ".join(cell(entry) for entry in (*cells, row["by"], row["commit"])) + " |")
        parts.append("\n".join(table) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    page = render(read(asked.files))
    if asked.write is None:
        sys.stdout.write(page)
    else:
        asked.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
