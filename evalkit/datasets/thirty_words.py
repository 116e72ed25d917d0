"""The thirty words that come with evalkit: five topics of six words, and five queries."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from evalkit.datasets import csv_reader
from evalkit.datasets.corpus import loader
from evalkit.datasets.table import Table

QUERIES = ("bitcoin", "melon", "gazelle", "swimming", "Uganda")


def read() -> Table:
    """The thirty words, with their queries."""
    table = csv_reader.read(str(Path(__file__).with_name("topics.csv")))
    return dataclasses.replace(table, name="topics", queries=QUERIES)


load = loader("topics", read)
