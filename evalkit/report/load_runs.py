"""Finished runs read back from their folders: what leaderboards, galleries and reports look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import RequestError
from evalkit.records import find_records, read_record, run_name
from evalkit.types import Record, Score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunView", "collect", "one_corpus", "unique"]


@dataclass(frozen=True, slots=True, eq=False)
class RunView:
    """One finished run.

    Attributes
    ----------
    record
        Its record.
    texts
        Its texts.parquet.
    folder
        Where it lies.
    """

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
    def asked_pooling(self) -> str:
        """The pooling as asked for: models are compared at the same asking (native: each at its own)."""
        return str(self.record.settings.get("pooling", "native"))

    def score(self, name: str) -> Score | None:
        """The score of that name, or None."""
        return next((score for score in self.record.scores if score.name == name), None)


def collect(folders: Sequence[Path]) -> list[RunView]:
    """Every finished run at or below `folders`.

    Raises
    ------
    RequestError
        Where a folder is missing, holds no finished run, or holds a record that cannot be read.
    """
    from pyarrow.parquet import ParquetFile

    found = find_records(list(folders))
    if not found:
        listed = ", ".join(str(folder) for folder in folders)
        raise RequestError(f"{listed} holds no record.json: give folders of finished runs or sweeps.")
    views = []
    for folder in found:
        record = read_record(folder)
        try:
            with ParquetFile(folder / "texts.parquet") as file:  # pandas' own way takes twice as long to a small one
                texts = file.read(use_threads=False).to_pandas(use_threads=False)
        except (OSError, ValueError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RequestError(
                f"{folder / 'texts.parquet'} cannot be read ({first}): run this evaluation again."
            ) from None
        views.append(RunView(record=record, texts=texts, folder=folder))
    return views


def unique(views: Sequence[RunView]) -> list[RunView]:
    """One view an identity, the first of each: repeated runs and copies count once."""
    return list({view.record.identity: view for view in reversed(views)}.values())[::-1]


def one_corpus(views: Sequence[RunView]) -> None:
    """Refuse to compare runs of different corpora: their scores differ for reasons that no model is to blame for.

    Raises
    ------
    RequestError
        Naming two corpora and how they differ.
    """
    first = views[0]
    for view in views[1:]:
        a, b = first.record.corpus, view.record.corpus
        if a["fingerprint"] != b["fingerprint"]:
            raise RequestError(
                f"{first.folder} and {view.folder} evaluated different texts or labels "
                f"({a['name']}: {a['texts']} texts, {a['labels']} labels, {a['fingerprint'][:8]}; "
                f"{b['name']}: {b['texts']} texts, {b['labels']} labels, "
                f"{b['fingerprint'][:8]}), which cannot be compared: report on one corpus at a time."
            )
