"""A study's runs → its results, which git tracks: rounded tables, maps, and the tables in its README."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import procrustes

from evalkit.errors import RequestError
from evalkit.records import write_json
from evalkit.report import claims
from evalkit.report.build_report import compare
from evalkit.report.gallery.page import write_gallery
from evalkit.report.leaderboard_text import cell_text, markdown, markdown_table, shown_scores
from evalkit.report.load_runs import LoadedRun, collect, one_corpus, unique
from evalkit.report.run_folder import neighbour_table, write_csv

DECIMALS = 4
MAP_SCORES = (
    "map/silhouette", "map/centroid_accuracy", "map/neighbourhood_hit_at_5", "hulls/overlap",
    "faithfulness/trustworthiness_at_10", "faithfulness/label_continuity",
)  # fmt: skip


def write_results(folder: Path) -> list[Path]:
    """Write the results of the study in `folder` from its runs; return the files."""
    kept, results = folder / "runs", folder / "results"
    if not kept.is_dir():
        raise RequestError(f"{kept} is no folder: evaluate first, `python -m evalkit.study evaluate {folder.name}`.")
    every = collect([kept])
    one_corpus(every)
    runs = unique(every)
    rank_by = str(runs[0].record.settings["rank_by"])
    vectors = {file.stem: np.load(file, allow_pickle=False) for file in sorted((kept / "vectors").glob("*.npy"))}
    tables = compare(every, rank_by, vectors)
    timeless = tables["leaderboard"].assign(texts_per_second=float("nan"))
    write_gallery(runs, {**tables, "leaderboard": timeless}, out=folder / "gallery.html", rank_by=rank_by)
    tables["leaderboard"] = timeless.drop(columns="texts_per_second")
    tables |= {"neighbours": _neighbours(runs), "replicates": seed_spread(runs)}
    if (folder / "claims.csv").is_file():
        tables["claims"] = claims.check(claims.read(folder / "claims.csv"), runs)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    write_json(_metrics(tables["leaderboard"], rank_by), results / "leaderboard.json")
    for title, table in tables.items():
        write_csv(table.round(DECIMALS), results / f"{title}.csv")
    _copy_maps(runs, results / "maps")
    texts = {title: _markdown(table) for title, table in tables.items()}
    _fill(folder / "README.md", {**texts, "leaderboard": markdown(timeless, rank_by)})
    return sorted(results.iterdir())


def _metrics(board: pd.DataFrame, rank_by: str) -> dict[str, Any]:
    """Model → pooling → the leaderboard's values: what ``dvc metrics`` shows and compares."""
    found: dict[str, Any] = {}
    for row in board.to_dict("records"):
        figures = {name: round(float(row[name]), DECIMALS) for name in shown_scores(board, rank_by)}
        found.setdefault(str(row["model"]), {})[str(row["pooling"])] = {"rank": int(row["rank"]), **figures}
    return found


def _neighbours(runs: Sequence[LoadedRun]) -> pd.DataFrame:
    """The nearest texts of every query, of every embedding."""
    columns = ["model", "pooling", "query", "rank", "text", "label", "similarity"]
    tables = [
        neighbour_table(run.record).assign(model=run.model, pooling=run.pooling)
        for run in unique(runs, "embedding")
        if run.record.queries
    ]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def seed_spread(runs: Sequence[LoadedRun]) -> pd.DataFrame:
    """Return how much the map scores vary over the seeds of a model's projection: the same vectors, projected again.

    The last row of each group is the Procrustes distance over pairs of seeds: 0 is the same picture up to turning,
    mirroring and size, 1 nothing in common. Empty where no projection was drawn twice.
    """
    groups: dict[tuple[str, str, str], list[LoadedRun]] = {}
    for run in runs:
        groups.setdefault((run.model, run.pooling, str(run.record.projection["name"])), []).append(run)
    rows: list[tuple[object, ...]] = []
    for key, group in groups.items():
        if len(group) < 2:
            continue
        found = [(name, score.value) for name in MAP_SCORES for run in group if (score := run.score(name)) is not None]
        maps = [run.texts[["x", "y"]].to_numpy(dtype=float) for run in group]
        pairs = itertools.combinations(maps, 2)
        found += [("procrustes distance between two seeds", float(procrustes(a, b)[2])) for a, b in pairs]
        rows += [(*key, name, value) for name, value in found]
    columns = ["model", "pooling", "projection", "score"]
    table = pd.DataFrame(rows, columns=[*columns, "value"]).astype({"value": float}).dropna()
    values = table.groupby(columns, sort=False)["value"]
    return values.agg(runs="count", mean="mean", spread="std", lowest="min", highest="max").reset_index()


def _copy_maps(runs: Sequence[LoadedRun], maps: Path) -> None:
    """Copy the first seed's map of every model, pooling and projection; the gallery has them all."""
    for run in sorted(runs, key=lambda run: int(run.record.projection["seed"])):
        name = re.sub(r"[^\w.-]+", "_", "-".join((run.model, run.pooling, str(run.record.projection["name"]))))
        if (run.folder / "map.png").is_file() and not (maps / f"{name}.png").exists():
            maps.mkdir(exist_ok=True)
            shutil.copyfile(run.folder / "map.png", maps / f"{name}.png")


def _markdown(table: pd.DataFrame) -> str:
    """A table as markdown, figures with four decimals."""

    def cell(value: object) -> str:
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
        return "" if text == "nan" else cell_text(text)

    rows = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return markdown_table([str(name) for name in table.columns], rows)


def _fill(readme: Path, tables: Mapping[str, str]) -> None:
    """Put the tables between their marks in the study's README."""
    if not readme.is_file():
        return
    text = readme.read_text(encoding="utf-8")
    for title, table in tables.items():
        mark, end = f"<!-- {title} -->", f"<!-- end of {title} -->"
        before, found, rest = text.partition(mark)
        _, closed, after = rest.partition(end)
        if found and closed:
            text = f"{before}{mark}\n{table}{end}{after}"
    readme.write_text(text, encoding="utf-8")
