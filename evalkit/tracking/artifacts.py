"""Files of a folder that go to the tracker, with texts and with `tracker.log_texts=false`.

Without texts only files that are known to hold none are logged (label names do not count as texts).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.records import REPORT_FILES
from evalkit.tracking.mlflow_fields import TEXT_SETTINGS
from evalkit.types import Record

RECORD = "record.json"
SWEEP_FILES = frozenset(REPORT_FILES)
TEXTLESS_FILES = frozenset({"labels.csv", "pairs.csv", "confusion.csv", "confusion.png", "confusion.svg"}) | (
    SWEEP_FILES - {"gallery.html"}
)
"""Files of label names and numbers. record.json is logged as `without_texts`, and maps where no words are on them."""

NOT_LOGGED = frozenset({".log", ".yaml", ".yml", ".tmp", ".lock"})  # about the process; the record holds the settings


def run_files(folder: Path, record: Record, *, log_texts: bool = True) -> list[Path]:
    """Files of a run's folder to log unchanged; without texts not record.json (log `without_texts` instead)."""
    from evalkit.plots.map import WORDS

    maps = {"map.png", "map.svg"} if (record.corpus.get("texts") or 0) > WORDS else set()  # else with words on them
    return [file for file in _plain_files(folder) if log_texts or file.name in TEXTLESS_FILES | maps]


def sweep_files(folder: Path, *, log_texts: bool = True) -> list[Path]:
    """Files of a sweep's folder to log: tables and gallery, of each corpus; without texts the tables alone."""
    allowed = SWEEP_FILES if log_texts else SWEEP_FILES & TEXTLESS_FILES
    places = [folder, *sorted(place for place in folder.glob("corpus-*") if place.is_dir())]
    return [file for place in places for file in _plain_files(place) if file.name in allowed]


def _plain_files(folder: Path) -> list[Path]:
    files = (file for file in sorted(folder.iterdir()) if file.is_file() and not file.is_symlink())
    return [file for file in files if not file.name.startswith((".", "error.json")) and file.suffix not in NOT_LOGGED]


def without_texts(record: Record) -> Record:
    """The record without queries, their neighbours, settings that hold texts, and warnings (which may quote one)."""
    return dataclasses.replace(
        record,
        settings=_pruned(record.settings),
        encoder=_pruned(record.encoder),
        queries=(),
        warnings=("Texts and warnings were left out: tracker.log_texts=false.",),
    )


def _pruned(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _pruned(value) if isinstance(value, Mapping) else value
        for key, value in tree.items()
        if key not in TEXT_SETTINGS
    }
