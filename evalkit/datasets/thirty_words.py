"""The thirty words that come with evalkit: five topics of six words, and five queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.datasets.corpus import build_corpus
from evalkit.datasets.csv_reader import read
from evalkit.datasets.table import Columns
from evalkit.types import Corpus

__all__ = ["QUERIES", "load"]

QUERIES = ("bitcoin", "melon", "gazelle", "swimming", "Uganda")


def load(
    *,
    name: str = "topics",
    limit: int | None = None,
    conflicts: str = "first",
    drop_blank: bool = False,
    queries: Sequence[str] | None = None,
    sample_seed: int = 0,
) -> Corpus:
    """The thirty words; `queries` None takes their own five. `build_corpus` says what the other options mean."""
    table = read(str(Path(__file__).with_name("topics.csv")), Columns("text", "label"))
    return build_corpus(
        table,
        name=name,
        limit=limit,
        conflicts=conflicts,
        drop_blank=drop_blank,
        queries=QUERIES if queries is None else queries,
        sample_seed=sample_seed,
    )
