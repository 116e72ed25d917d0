"""The leaderboard as text: markdown, and the columns of the terminal's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalkit.records import HEADLINE_SCORES
from evalkit.report.terminal import Column, figure

TERMINAL_SCORES = {
    "neighbours/precision_at_1": "precision@1",
    "separation/silhouette": "silhouette",
    "hulls/overlap": "hull overlap ↓",
}


def terminal_columns(board: pd.DataFrame, rank_by: str) -> list[Column]:
    """Return the leaderboard's columns for `terminal.print_table`."""
    first, *others = shown_scores(board, rank_by)
    columns = [
        Column("rank", [str(rank) for rank in board["rank"]]),
        Column("model", list(board["model"]), words=True),
        Column("pooling", list(board["pooling"]), importance=2, words=True),
        Column(first.partition("/")[2], [_value_and_interval(row, first) for _, row in board.iterrows()]),
        Column("chance", [figure(value) for value in board[f"{first}.chance"]], importance=3),
    ]
    for place, name in enumerate(others, start=4):
        if name in TERMINAL_SCORES:
            columns.append(Column(TERMINAL_SCORES[name], [figure(value) for value in board[name]], importance=place))
    return [*columns, Column("tied with", list(board["tied_with"]), importance=1, words=True)]


def markdown(board: pd.DataFrame, rank_by: str) -> str:
    """Return the leaderboard as markdown: rank, model, ranking score with interval and chance, headline scores."""
    names = shown_scores(board, rank_by)
    headings = [name + (" ↓" if name.startswith("hulls/") else "") for name in names]
    rows = []
    for _, row in board.iterrows():
        speed = row["texts_per_second"]
        rank = f"{row['rank']}{' =' if row['tied_with'] else ''}"
        scores = [_markdown_cell(row, name) for name in names]
        last = ["–" if pd.isna(speed) else f"{speed:,.0f}", str(row["dimension"])]
        rows.append([rank, cell_text(row["model"]), cell_text(row["pooling"]), *scores, *last])
    table = markdown_table(["rank", "model", "pooling", *headings, "texts/s", "dimension"], rows, words=3)
    legend = (
        "Cells: value [95 % interval], chance level. `=`: tied with another model, see comparisons.csv. "
        "↓: lower is better.\n"
    )
    by_value = untested(board, rank_by)
    return "\n".join([table, legend, f"{by_value}\n"] if by_value else [table, legend])


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, words: int | None = None) -> str:
    """Return a markdown table; columns after the first `words` are right-aligned."""
    left = len(headings) if words is None else words
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * left + " ---: |" * (len(headings) - left)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def untested(board: pd.DataFrame, rank_by: str) -> str:
    """Return a sentence where ranks go by value alone, since the ranking score has no interval and no paired test."""
    low = f"{rank_by}.ci_low"
    if len(board) < 2 or (low in board and board[low].notna().any()):
        return ""
    return f"Ranked by value alone: {rank_by} has no interval and no paired test on this corpus (docs/metrics.md)."


def cell_text(text: object) -> str:
    """Return text fit for a cell of a markdown table: data, never markup."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def shown_scores(board: pd.DataFrame, rank_by: str) -> list[str]:
    """Return the ranking score and the headline scores that the board has."""
    return [name for name in dict.fromkeys((rank_by, *HEADLINE_SCORES)) if name in board]


def _value_and_interval(row: pd.Series[Any], name: str) -> str:
    low, high = row.get(f"{name}.ci_low"), row.get(f"{name}.ci_high")
    return figure(row[name]) + ("" if pd.isna(low) or pd.isna(high) else f" [{low:.3f}, {high:.3f}]")


def _markdown_cell(row: pd.Series[Any], name: str) -> str:
    chance = row.get(f"{name}.chance")
    # No "[…] (…)": markdown would take that for a link and swallow the chance level.
    return _value_and_interval(row, name) + ("" if pd.isna(chance) or pd.isna(row[name]) else f", chance {chance:.3f}")
