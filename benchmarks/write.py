"""docs/benchmarks.md from benchmarks/results/*.json.

python benchmarks/write.py [--results FOLDER] [--out docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from measure import RESULTS, ROOT, cell, table

ORDER = {
    "sweep72": "sweep72.py",
    "snips12": "snips12.py",
    "encode": "encode.py",
    "encode_bfloat16": "encode.py --dtype bfloat16",
    "silhouette_scaling": "silhouette_scaling.py",
    "neighbours": "neighbours.py",
    "tsne": "tsne.py",
    "million": "million.py",
    "first_result": "first_result.py",
    "help": "help.py",
}
"""Results in the order of the page, and how each is measured."""

INTRODUCTION = """\
# Benchmarks

What evalkit costs beside what one would write without it. Each script under benchmarks/ runs both in turn in one
process tree, with the same inputs and threads and warm caches, takes medians, and checks that both computed the same.
Times are seconds of wall-clock; a reach is what was promised, and a row that misses it says so.

`python benchmarks/NAME.py` measures a row and writes benchmarks/results/NAME.json; `python benchmarks/write.py` makes
this page of them. `--size small` tries a script in little time, for no figure.

The machine's speed moves by a third from minute to minute, and a row of several minutes with it.
"""


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Results by name; a file of another name is refused, since the page would silently leave it out."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        if file.stem not in ORDER:
            raise SystemExit(f"{file.name} is no result that this page knows: add it to ORDER or delete it.")
        found[file.stem] = json.loads(file.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{folder} holds no results: run the scripts first.")
    return found


def page(results: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    chosen = {name: results[name] for name in ORDER if name in results}
    parts = [INTRODUCTION, _verdict(chosen), _summary(chosen), _machines(chosen)]
    parts += [_details(name, result) for name, result in chosen.items()]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def _verdict(results: dict[str, dict[str, Any]]) -> str:
    held = sum(row["holds"] for result in results.values() for row in result["rows"])
    missing = [name for name in ORDER if name not in results]
    small = [name for name, result in results.items() if result["size"] != "full"]
    said = f"{held} of {len(ORDER)} rows hold."
    if missing:
        said += f" Not measured yet: {', '.join(missing)}."
    if small:
        said += f" Tried at a small size only, which says nothing: {', '.join(small)}."
    return said


def _summary(results: dict[str, dict[str, Any]]) -> str:
    rows = [
        {
            "work": row["work"],
            "against": row["against"],
            "evalkit": _seconds(row["ours"], row["unit"]),
            "peer": _seconds(row["peer"], row["unit"]),
            "measured": row["measured"],
            "reach": row["reach"],
            "holds": row["holds"],
        }
        for result in results.values()
        for row in result["rows"]
    ]
    return table(rows)


def _seconds(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{cell(float(value))} {unit}"


def _machines(results: dict[str, dict[str, Any]]) -> str:
    """What the rows were measured on: said once for those that agree."""
    groups: dict[str, list[str]] = {}
    for name, result in results.items():
        groups.setdefault(_machine(result), []).append(name)
    lines = ["## Machine"]
    for said, names in groups.items():
        which = "All rows" if len(groups) == 1 else ", ".join(names)
        lines.append(f"{which}: {said}")
    return "\n\n".join(lines)


def _machine(result: dict[str, Any]) -> str:
    about = result["machine"]
    able = ", ".join(about["features"]) or "none of the vector units that matter"
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return (
        f"{about['processor']} ({able}), {about['cores']} cores, {about['memory_gib']} GiB, {about['system']}, Python "
        f"{about['python']}; {versions}."
    )


def _details(name: str, result: dict[str, Any]) -> str:
    changed = " with uncommitted changes" if result["dirty"] else ""
    parts = [
        f"## {name}",
        f"`python benchmarks/{ORDER[name]}`, {result['date']}, commit {result['commit'][:9]}{changed}; "
        f"{_counted(result['repeats'])}; load average before {result['machine']['load_before']}.",
        *(f"The same? {row['same']}." for row in result["rows"]),
        *(f"{part['title']}:\n\n{table(part['rows'])}" for part in result["tables"]),
        *result["notes"],
    ]
    return "\n\n".join(parts)


def _counted(repeats: int) -> str:
    return "measured once" if repeats == 1 else f"medians of {repeats}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.md")
    arguments = parser.parse_args()
    text = page(read(arguments.results))
    arguments.out.write_text(text, encoding="utf-8")
    print(f"{arguments.out.name} written")


if __name__ == "__main__":
    main()
