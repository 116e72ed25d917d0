"""A study's runs → its results, which git tracks: rounded tables, maps, and the tables in its README."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import RequestError
from evalkit.records import write_json

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from evalkit.report.load_runs import RunView

__all__ = ["write_findings"]

DECIMALS = 4


def write_findings(folder: Path) -> list[Path]:
    """Write the results of the study in `folder` from its runs; returns the files.

    Raises
    ------
    RequestError
        Where the study has not been evaluated.
    """
    from evalkit.report import claims, gallery, leaderboard, leaderboard_text
    from evalkit.report import seed_spread as replicates
    from evalkit.report.load_runs import collect, one_corpus, unique
    from evalkit.report.run_folder import write_csv

    runs, results = folder / "runs", folder / "results"
    if not runs.is_dir():
        raise RequestError(f"{runs} is no folder: evaluate first, `python -m evalkit.study evaluate {folder.name}`.")
    every = collect([runs])
    one_corpus(every)
    views = unique(every)
    rank_by = str(views[0].record.settings["rank_by"])
    board = leaderboard.leaderboard(every, rank_by).drop(columns="texts_per_second")
    tables = {
        "leaderboard": board,
        "comparisons": leaderboard.comparisons(every),
        "agreement": leaderboard.agreement(views, _vectors(runs)),
        "topics": leaderboard.topics(views),
        "neighbours": _neighbours(views),
        "replicates": replicates.replicates(views),
    }
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    write_json(_metrics(board, rank_by), results / "leaderboard.json")
    written = {"leaderboard": leaderboard_text.markdown(board.assign(texts_per_second=float("nan")), rank_by)}
    if (folder / "claims.csv").is_file():
        tables["claims"] = claims.check(claims.read(folder / "claims.csv"), views)
    for title, table in tables.items():
        write_csv(table.round(DECIMALS), results / f"{title}.csv")
        written.setdefault(title, _markdown(table))
    _copy_maps(views, results / "maps")
    _fill(folder / "README.md", written)
    gallery.write(
        views, board.assign(texts_per_second=None), tables["comparisons"], tables["agreement"], tables["topics"],
        out=folder / "gallery.html", theme="auto", rank_by=rank_by,
    )  # fmt: skip
    return sorted(results.iterdir())


def _vectors(runs: Path) -> dict[str, NDArray[np.float32]]:
    import numpy as np

    return {file.stem: np.load(file, allow_pickle=False) for file in sorted((runs / "vectors").glob("*.npy"))}


def _metrics(board: pd.DataFrame, rank_by: str) -> dict[str, Any]:
    """Model → pooling → the leaderboard's values: what ``dvc metrics`` shows and compares."""
    from evalkit.report.leaderboard import MAIN_SCORES

    names = [name for name in dict.fromkeys((rank_by, *MAIN_SCORES)) if name in board]
    found: dict[str, Any] = {}
    for row in board.to_dict("records"):
        figures = {name: round(float(row[name]), DECIMALS) for name in names}
        found.setdefault(str(row["model"]), {})[str(row["pooling"])] = {"rank": int(row["rank"]), **figures}
    return found


def _neighbours(views: Sequence[RunView]) -> pd.DataFrame:
    """Every embedding's nearest texts of every query."""
    import pandas as pd

    from evalkit.report.run_folder import neighbour_table

    first: dict[str, RunView] = {}
    for view in views:
        first.setdefault(str(view.record.encoder.get("key")), view)
    tables = [
        neighbour_table(view.record).assign(model=view.model, pooling=view.pooling)
        for view in first.values()
        if view.record.queries
    ]
    columns = ["model", "pooling", "query", "rank", "text", "label", "similarity"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _copy_maps(views: Sequence[RunView], maps: Path) -> None:
    """The first seed's map of every model, pooling and projection; the gallery has them all."""
    done: set[str] = set()
    for view in sorted(views, key=lambda view: int(view.record.projection["seed"])):
        name = "-".join((view.model, view.pooling, str(view.record.projection["name"])))
        name = re.sub(r"[^\w.-]+", "_", name)
        if name not in done and (view.folder / "map.png").is_file():
            maps.mkdir(exist_ok=True)
            shutil.copyfile(view.folder / "map.png", maps / f"{name}.png")
        done.add(name)


def _markdown(table: pd.DataFrame) -> str:
    """A table as markdown, figures with four decimals."""
    from evalkit.report import leaderboard_text

    def cell(value: object) -> str:
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
        return "" if text == "nan" else leaderboard_text.escaped(text)

    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def _fill(readme: Path, written: dict[str, str]) -> None:
    """Put the results' tables between their marks in the study's README."""
    if not readme.is_file():
        return
    text = readme.read_text(encoding="utf-8")
    for title, table in written.items():
        mark, end = f"<!-- {title} -->", f"<!-- end of {title} -->"
        pattern = re.compile(re.escape(mark) + r".*?" + re.escape(end), re.DOTALL)
        text = pattern.sub(lambda _, filled=f"{mark}\n{table}{end}": filled, text)  # type: ignore[misc]
    readme.write_text(text, encoding="utf-8")
