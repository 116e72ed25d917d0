"""The leaderboard as one reads it: the columns of the terminal's table, and markdown."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.report.leaderboard import MAIN_SCORES

__all__ = ["escaped", "markdown", "shown_columns", "untested"]

TERMINAL_SCORES = {
    "neighbours/precision_at_1": "precision@1",
    "separation/silhouette": "silhouette",
    "hulls/overlap": "hull overlap ↓",
}


def shown_columns(board: pd.DataFrame, rank_by: str) -> list[tuple[str, str]]:
    """Columns of the leaderboard that the terminal shows, with their headings."""
    names = [name for name in dict.fromkeys((rank_by, *MAIN_SCORES)) if name in board]
    first = names[0] if names else rank_by
    columns = [("rank", "rank"), ("model", "model"), ("pooling", "pooling"), (first, first.partition("/")[2])]
    columns += [(f"{first}.ci_low", "95 % from"), (f"{first}.ci_high", "to"), (f"{first}.chance", "chance")]
    columns += [(name, TERMINAL_SCORES[name]) for name in names[1:] if name in TERMINAL_SCORES]
    return [*columns, ("tied_with", "tied with")]


def markdown(board: pd.DataFrame, rank_by: str) -> str:
    """The leaderboard as a markdown table: rank, model, ranking score with interval and chance, main scores."""
    names = [name for name in dict.fromkeys((rank_by, *MAIN_SCORES)) if name in board]
    headings = ["rank", "model", "pooling", *(_heading(name) for name in names), "texts/s", "dimension"]
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * 3 + " ---: |" * (len(headings) - 3)]
    for _, row in board.iterrows():
        tied = " =" if row["tied_with"] else ""
        cells = [f"{row['rank']}{tied}", escaped(row["model"]), escaped(row["pooling"])]
        cells += [_cell(row, name) for name in names]
        speed = row["texts_per_second"]
        cells += ["–" if pd.isna(speed) else f"{speed:,.0f}", str(row["dimension"])]
        lines.append("| " + " | ".join(cells) + " |")
    legend = "Cells: value [95 % interval], chance level. `=`: tied with another model, see comparisons.csv."
    lines += ["", legend + " ↓: lower is better."]
    alone = untested(board, rank_by)
    lines += ["", alone] if alone else []
    return "\n".join(lines) + "\n"


def untested(board: pd.DataFrame, rank_by: str) -> str:
    """A sentence where ranks go by value alone, since the ranking score has no interval and no paired test."""
    low = f"{rank_by}.ci_low"
    if len(board) < 2 or (low in board and board[low].notna().any()):
        return ""
    return f"Ranked by value alone: {rank_by} has no interval and no paired test on this corpus (docs/metrics.md)."


def _heading(name: str) -> str:
    return name + (" ↓" if name.startswith("hulls/") else "")


def escaped(text: str) -> str:
    """Text fit for a cell of a markdown table: data, never markup."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _cell(row: pd.Series[Any], name: str) -> str:
    value, low, high, chance = (row.get(key) for key in (name, f"{name}.ci_low", f"{name}.ci_high", f"{name}.chance"))
    if pd.isna(value):
        return "–"
    interval = "" if pd.isna(low) or pd.isna(high) else f" [{low:.3f}, {high:.3f}]"
    # No "[…] (…)": markdown would take that for a link and swallow the chance level.
    return f"{value:.3f}{interval}" + ("" if pd.isna(chance) else f", chance {chance:.3f}")
