"""Finished runs read from their folders, for leaderboards, galleries and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pandas as pd

from evalkit.errors import RequestError
from evalkit.records import find_records, read_record, run_name
from evalkit.types import Record, Score

NO_POOLING = "none"  # of a model that has no tokens to pool


@dataclass(frozen=True, slots=True, eq=False)
class LoadedRun:
    """One finished run: its record, its texts.parquet and its folder."""

    record: Record
    texts: pd.DataFrame
    folder: Path

    @property
    def name(self) -> str:
        """``model·pooling·projection·seed``."""
        return run_name(self.record)

    @property
    def model(self) -> str:
        """Short name of the model."""
        return str(self.record.settings.get("model_label") or self.record.encoder["name"])

    @property
    def pooling(self) -> str:
        """The resolved pooling."""
        return str(self.record.encoder["pooling"])

    @property
    def requested_pooling(self) -> str:
        """The pooling of the settings; models are compared at the same one (native: each at its own)."""
        return str(self.record.settings.get("pooling", "native"))

    @property
    def embedding(self) -> str:
        """Key of the embedding: runs that differ in projection or seed share it."""
        return str(self.record.encoder.get("key", self.record.identity))

    def score(self, name: str) -> Score | None:
        """Return the score of that name, or None."""
        return next((score for score in self.record.scores if score.name == name), None)


def collect(folders: Sequence[Path]) -> list[LoadedRun]:
    """Load every finished run at or below `folders`; refuse one without runs, and runs that cannot be read."""
    found = find_records(list(folders))
    if not found:
        listed = ", ".join(map(str, folders))
        raise RequestError(f"{listed} holds no record.json: give folders of finished runs or sweeps.")
    runs = []
    for folder in found:
        record = read_record(folder)
        try:
            texts = pd.read_parquet(folder / "texts.parquet")
        except (OSError, ValueError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RequestError(
                f"{folder / 'texts.parquet'} cannot be read ({why}): run this evaluation again."
            ) from None
        runs.append(LoadedRun(record, texts, folder))
    return runs


def unique(runs: Sequence[LoadedRun], by: str = "record.identity") -> list[LoadedRun]:
    """Return the first run of each identity (repeated runs and copies count once), or of another of its attributes."""
    first: dict[str, LoadedRun] = {}
    for run in runs:
        first.setdefault(attrgetter(by)(run), run)
    return list(first.values())


def one_corpus(runs: Sequence[LoadedRun]) -> None:
    """Refuse to compare runs of different corpora, whose scores differ for reasons other than the model."""
    first = runs[0]
    for run in runs[1:]:
        a, b = first.record.corpus, run.record.corpus
        if a["fingerprint"] != b["fingerprint"]:
            described = "; ".join(
                f"{c['name']}: {c['texts']} texts, {c['labels']} labels, {c['fingerprint'][:8]}" for c in (a, b)
            )
            raise RequestError(
                f"{first.folder} and {run.folder} evaluated different texts or labels ({described}), "
                "which cannot be compared: report on one corpus at a time."
            )
