"""Writes docs/reliability.md from the lines that tests and scripts left (see `reliability.notes`).

PYTHONPATH=tests python -m reliability.table [docs/reliability.md] LINES.jsonl… [--write docs/reliability.md]

A page among the files gives its own rows, so that a part can be renewed: what was noted again replaces its old row.
"""

from __future__ import annotations

import argparse
import json
import re
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
PYTHONPATH=tests python -m reliability.kills --kills 30 --stops 6
PYTHONPATH=tests python -m reliability.endurance --runs 500 --tracked 500
PYTHONPATH=tests python -m reliability.fuzz --seconds 300
PYTHONPATH=tests python -m reliability.table docs/reliability.md reliability.jsonl --write docs/reliability.md
```

Rows that were not tried again keep the commit that they were tried at.
"""


COLUMNS = ("fault", "made", "tried", "lost", "found", "by", "commit")


def read(files: Iterable[Path]) -> list[dict[str, Any]]:
    """All lines, oldest first; of a page those of its rows that nothing after it notes again."""
    lines: list[dict[str, Any]] = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".md":
            lines += rows_of(text)
        else:
            lines += [json.loads(line) for line in text.splitlines() if line]
    noted = {_subject(line) for line in lines if not line.get("printed")}
    return [line for line in lines if not line.get("printed") or _subject(line) not in noted]


def _subject(line: dict[str, Any]) -> tuple[str, ...]:
    """What a line is about, as the page has it: fault and test, a script without its numbers."""
    by = re.sub(r" -.*", "", line["by"])
    return (line["part"], *(cell(part) for part in (line["fault"], by)))


def rows_of(page: str) -> list[dict[str, Any]]:
    """The rows of a page that `render` wrote, as lines."""
    parts = {title: part for part, title in PARTS.items()}
    part, lines = "", []
    for row in page.splitlines():
        if row.startswith("## "):
            part = parts[row[3:]]
        elif row.startswith("| ") and not row.startswith("| fault |"):
            entries = [entry.strip().replace("\\|", "|") for entry in re.split(r"(?<!\\)\|", row)[1:-1]]
            line = dict(zip(COLUMNS, entries, strict=True))
            lines.append({**line, "part": part, "tried": int(line["tried"]), "printed": True})
    return lines


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
    plain = str(text).replace("&lt;", "<")  # a row that was read from a page
    return " ".join(plain.replace("|", "\\|").replace("<", "&lt;").split())


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
