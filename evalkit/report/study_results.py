"""A study's runs → its results, which git tracks: rounded tables, maps, and the tables in its README."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import RequestError
from evalkit.records import HEADLINE_SCORES, write_json

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.report.load_runs import LoadedRun

__all__ = ["write_results"]

DECIMALS = 4


def write_results(folder: Path) -> list[Path]:
    """Write the results of the study in `folder` from its runs; return the files.

    Raises
    ------
    RequestError
        Where the study has not been evaluated.
    """
    import numpy as np

    from evalkit.report import claims, gallery, leaderboard_text, seed_spread
    from evalkit.report.build_report import compare
    from evalkit.report.load_runs import collect, one_corpus, unique
    from evalkit.report.run_folder import write_csv

    kept, results = folder / "runs", folder / "results"
    if not kept.is_dir():
        raise RequestError(f"{kept} is no folder: evaluate first, `python -m evalkit.study evaluate {folder.name}`.")
    every = collect([kept])
    one_corpus(every)
    runs = unique(every)
    rank_by = str(runs[0].record.settings["rank_by"])
    vectors = {file.stem: np.load(file, allow_pickle=False) for file in sorted((kept / "vectors").glob("*.npy"))}
    tables = compare(every, rank_by, vectors)
    tables["leaderboard"] = tables["leaderboard"].drop(columns="texts_per_second")
    timeless = tables["leaderboard"].assign(texts_per_second=float("nan"))
    gallery.write(
        runs, timeless, *list(tables.values())[1:], out=folder / "gallery.html", theme="auto", rank_by=rank_by
    )
    tables |= {"neighbours": _neighbours(runs), "replicates": seed_spread.seed_spread(runs)}
    if (folder / "claims.csv").is_file():
        tables["claims"] = claims.check(claims.read(folder / "claims.csv"), runs)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    write_json(_metrics(tables["leaderboard"], rank_by), results / "leaderboard.json")
    for title, table in tables.items():
        write_csv(table.round(DECIMALS), results / f"{title}.csv")
    _copy_maps(runs, results / "maps")
    markdown = {title: _markdown(table) for title, table in tables.items()}
    _fill(folder / "README.md", {**markdown, "leaderboard": leaderboard_text.markdown(timeless, rank_by)})
    return sorted(results.iterdir())


def _metrics(board: pd.DataFrame, rank_by: str) -> dict[str, Any]:
    """Model → pooling → the leaderboard's values: what ``dvc metrics`` shows and compares."""
    names = [name for name in dict.fromkeys((rank_by, *HEADLINE_SCORES)) if name in board]
    found: dict[str, Any] = {}
    for row in board.to_dict("records"):
        figures = {name: round(float(row[name]), DECIMALS) for name in names}
        found.setdefault(str(row["model"]), {})[str(row["pooling"])] = {"rank": int(row["rank"]), **figures}
    return found


def _neighbours(runs: Sequence[LoadedRun]) -> pd.DataFrame:
    """The nearest texts of every query, of every embedding."""
    import pandas as pd

    from evalkit.report.run_folder import neighbour_table

    first: dict[str, LoadedRun] = {}
    for run in runs:
        first.setdefault(run.embedding, run)
    tables = [
        neighbour_table(run.record).assign(model=run.model, pooling=run.pooling)
        for run in first.values()
        if run.record.queries
    ]
    columns = ["model", "pooling", "query", "rank", "text", "label", "similarity"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _copy_maps(runs: Sequence[LoadedRun], maps: Path) -> None:
    """Copy the first seed's map of every model, pooling and projection; the gallery has them all."""
    done: set[str] = set()
    for run in sorted(runs, key=lambda run: int(run.record.projection["seed"])):
        name = "-".join((run.model, run.pooling, str(run.record.projection["name"])))
        name = re.sub(r"[^\w.-]+", "_", name)
        if name not in done and (run.folder / "map.png").is_file():
            maps.mkdir(exist_ok=True)
            shutil.copyfile(run.folder / "map.png", maps / f"{name}.png")
        done.add(name)


def _markdown(table: pd.DataFrame) -> str:
    """A table as markdown, figures with four decimals."""
    from evalkit.report.leaderboard_text import cell_text, markdown_table

    def cell(value: object) -> str:
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
        return "" if text == "nan" else cell_text(text)

    rows = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return markdown_table([str(name) for name in table.columns], rows)


def _fill(readme: Path, written: dict[str, str]) -> None:
    """Put the tables between their marks in the study's README."""
    if not readme.is_file():
        return
    text = readme.read_text(encoding="utf-8")
    for title, table in written.items():
        mark, end = f"<!-- {title} -->", f"<!-- end of {title} -->"
        before, found, rest = text.partition(mark)
        _, closed, after = rest.partition(end)
        if found and closed:
            text = f"{before}{mark}\n{table}{end}{after}"
    readme.write_text(text, encoding="utf-8")
