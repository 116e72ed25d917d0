"""Markdown notes of runs, sweeps and the experiment: the verdict first, then the map, then scores with chance."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.runtime.redaction import mask
from evalkit.tracking import RunContext
from evalkit.tracking.artifacts import run_files
from evalkit.types import Record, Score

NOTE = "mlflow.note.content"
LENGTH = 7900  # MLflow cuts a tag at 8,000 characters

EXPERIMENT_NOTE = (
    "Evaluations of embedding models on labelled texts, written by evalkit.\n\n"
    "One run is one model · pooling · projection · seed on one corpus; a run named `sweep` holds the leaderboard, "
    "the paired comparisons and the gallery of a whole sweep.\n\n"
    "Each score stands beside its chance level (`.chance`), its place between chance (0) and perfect (1) "
    "(`.adjusted`), a permutation p-value (`.p_value`) and, where it is a mean over texts, a 95 % interval "
    "(`.ci_low`, `.ci_high`). Scores named `map/…`, `hulls/…` and `faithfulness/…` describe the picture, "
    "never the model alone.\n\n"
    "Group by the tags evalkit.sweep, evalkit.model, evalkit.pooling; "
    """find a sweep with `tags."evalkit.sweep" = "…"`."""
)
"""Explanation on the experiment's page."""

_BRACKET = re.compile(r"(?<!\\)([\[\]])")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~^$-])")


def escape(text: str) -> str:
    """Escape text from data for a markdown table cell: no markup, no HTML, no line break."""
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(":", "&#58;")
    return _MARKDOWN.sub(r"\\\1", line)


def run_note(record: Record, folder: Path, run_id: str, context: RunContext) -> str:
    """Verdict, picture, scores with chance, overlapping topics, warnings; at most 7,900 characters."""
    corpus, rank_by = record.corpus, str(record.settings.get("rank_by", ""))
    model, data = escape(str(record.encoder.get("name"))), escape(str(corpus.get("name")))
    head = [
        f"**{_verdict(record, rank_by)}**", "",
        f"{model} on {data}: {corpus.get('texts')} texts, {corpus.get('labels')} labels.", "",
        *_image(folder, record, run_id, context),
    ]  # fmt: skip
    overlaps = ["", _overlaps(folder)]
    warnings = [f"- {escape(mask(warning))}" for warning in record.warnings] if context.log_texts else []
    scores = [score for score in record.scores if not score.name.endswith("_macro") or score.name == rank_by]
    text = "\n".join([*head, *_table(scores), *overlaps, "", *warnings]).strip()
    if len(text) <= LENGTH:
        return text
    ranking = [score for score in scores if score.ranks_models]
    text = "\n".join([*head, *_table(ranking[:12]), *overlaps, "", "All scores are in the metrics."]).strip()
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def _verdict(record: Record, rank_by: str) -> str:
    """The ranking score against chance, in one sentence."""
    by_name = {score.name: score for score in record.scores}
    score = by_name.get(rank_by) or next((s for s in record.scores if s.ranks_models), None)
    if score is None or score.value is None:
        return "No score that ranks models is defined on these data."
    text = f"{escape(score.name)} is {score.value:.3f}"
    if score.chance is not None:
        text += f"; chance would give {score.chance:.3f}"
    if score.ci_low is not None and score.ci_high is not None:
        text += f" (95 % interval {score.ci_low:.3f} to {score.ci_high:.3f})"
    if score.p_value is None:
        return f"{text}."
    beyond = "the labels are told apart beyond chance" if score.p_value < 0.05 else "no more than chance can give"
    return f"{text}: {beyond} (p = {score.p_value:.3g})."


def _image(folder: Path, record: Record, run_id: str, context: RunContext) -> list[str]:
    """The map, served by the tracking server, where it is among the artifacts."""
    # The SVG first: MLflow shows pictures at their own size, and the PNG has twice as many pixels.
    names = {file.name for file in run_files(folder, record, log_texts=context.log_texts)}
    name = next((name for name in ("map.svg", "map.png") if name in names), None)
    return [] if name is None else [f"![The map](get-artifact?path={name}&run_uuid={run_id})", ""]


def _table(scores: Sequence[Score]) -> list[str]:
    rows = ["| score | value | chance | adjusted | 95 % interval | p |", "|:--|--:|--:|--:|--:|--:|"]
    for score in scores:
        interval = "" if score.ci_low is None or score.ci_high is None else f"{score.ci_low:.3f} – {score.ci_high:.3f}"
        arrow = "" if score.higher_is_better else " ↓"
        p_value = "" if score.p_value is None else f"{score.p_value:.3g}"
        cells = (_figure(score.value), _figure(score.chance), _figure(score.adjusted), interval, p_value)
        rows.append(f"| {escape(score.name)}{arrow} | {' | '.join(cells)} |")
    return [*rows, "", "adjusted: 0 is chance, 1 is perfect. ↓: lower is better."]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _overlaps(folder: Path) -> str:
    """The labels that overlap most on the map, and how well the vectors tell them apart."""
    try:
        with (folder / "pairs.csv").open(encoding="utf-8", newline="") as stream:
            pairs = list(csv.DictReader(stream))
    except OSError:
        return ""  # no hulls were evaluated
    if not pairs:
        return "No two topics overlap on the map."
    first, overlap = pairs[0], f"{len(pairs)} pairs of topics overlap on the map"
    try:
        names = f"{escape(first['label_a'])} and {escape(first['label_b'])} (IoU {float(first['iou']):.2f})"
        apart = f"the vectors tell these two apart with accuracy {float(first['accuracy']):.2f} (chance 0.50)"
    except (KeyError, TypeError, ValueError):
        return f"{overlap} (pairs.csv)."
    return f"{overlap}, most of all {names}; {apart}."


def sweep_note(folder: Path, summary: Mapping[str, Any]) -> str:
    """The best model, the sweep's summary and its leaderboard; at most 7,900 characters."""
    rest, head = dict(summary), []
    if {"best", "rank_by"} <= set(rest) and rest["rank_by"] in rest:
        best, rank_by = rest.pop("best"), rest.pop("rank_by")
        head = [f"**Best: {escape(mask(str(best)))}, with {escape(rank_by)} of {_shown(rest.pop(rank_by))}.**", ""]
    lines = [f"- {escape(str(key))}: {escape(mask(_shown(value)))}" for key, value in rest.items()]
    try:
        board = (folder / "leaderboard.md").read_text(encoding="utf-8").strip()
    except OSError:
        board = ""  # a sweep without a single finished run has none
    # MLflow's markdown takes "[low, high] (chance)" for a link and swallows the chance.
    board = _BRACKET.sub(r"\\\1", board)
    text = "\n".join([*head, *lines, "", board, "", "Gallery and tables: under Artifacts."]).strip()
    if len(text) <= LENGTH:
        return text
    return text[: LENGTH - 60].rpartition("\n")[0] + "\n\nThe whole table is in leaderboard.md."


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
