"""A table of labelled texts as a reader gives it, before any check."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from evalkit.errors import RequestError


def name_row(row: int) -> str:
    """How messages name row number `row` (counted from 0)."""
    return f"row {row + 1}"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of text, unchanged, one entry a row; None where the source has no value."""

    source: str  # its name in messages: the path as the user wrote it
    texts: Sequence[str | None]
    labels: Sequence[str | None]
    splits: Sequence[str | None] | None = None  # train or test a row; None without a split column
    name_row: Callable[[int], str] = field(default=name_row)  # row from 0 → how messages name it: row 5 (line 7)
    name: str = ""  # the corpus' name, unless the user gives one
    queries: Sequence[str] = ()  # that come with the data
    warnings: Sequence[str] = ()  # sentences for the record


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a reader takes from its source."""

    text: str
    label: str
    split: str | None = None

    @property
    def needed(self) -> dict[str, str]:
        """Option → column name."""
        options = {"dataset.text_column": self.text, "dataset.label_column": self.label}
        return options if self.split is None else {**options, "dataset.split_column": self.split}

    def check(self, names: Sequence[str], source: str) -> None:
        """Refuse a source whose columns, `names`, do not have each needed one once."""
        for option, column in self.needed.items():
            times = names.count(column)
            if times > 1:
                raise RequestError(f"{source} has the column {column!r} {times} times: rename all but one of them.")
            if times == 0:
                folded = {name.strip().casefold(): name for name in reversed(names)}
                near = difflib.get_close_matches(column.strip().casefold(), folded, 1)
                cure = f"try {option}={folded[near[0]]}" if near else f"name one of them with {option}=COLUMN"
                raise RequestError(f"{source} has no column {column!r}, only {listed(names)}: {cure}.")


def shown(text: str, width: int = 60) -> str:
    """`text` on one line in quotes, cut to about `width` characters."""
    return repr(text if len(text) <= width else text[: width - 1] + "…")


def listed(names: Sequence[str], most: int = 12) -> str:
    """``'a', 'b' and 3 more``."""
    text = ", ".join(shown(name, 40) for name in names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


def counted(number: int, noun: str) -> str:
    """``1 text``, ``2 texts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
