"""A table of labelled texts as a reader found it, before any check."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.errors import RequestError

__all__ = ["Columns", "Table", "counted", "listed", "name_row", "named_after", "shown"]


def name_row(row: int) -> str:
    """What the user calls row number `row` (counted from 0)."""
    return f"row {row + 1}"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of text, row by row as they stand; None where the source has no value.

    Attributes
    ----------
    source
        What to call it in messages: the path as the user wrote it.
    texts, labels
        One entry a row.
    splits
        ``train`` or ``test`` a row, or None without a split column.
    name_row
        Row number from 0 → what the user finds it by (``row 5 (line 7)``).
    """

    source: str
    texts: Sequence[str | None]
    labels: Sequence[str | None]
    splits: Sequence[str | None] | None = None
    name_row: Callable[[int], str] = field(default=name_row)


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

    def check(self, found: Sequence[str], source: str) -> None:
        """Refuse a source that has not each needed column once.

        Raises
        ------
        RequestError
            Names the missing column and those found, and the one that was probably meant.
        """
        for option, column in self.needed.items():
            if found.count(column) > 1:
                raise RequestError(
                    f"{source} has the column {column!r} {found.count(column)} times: rename all but one of them."
                )
            if column not in found:
                near = difflib.get_close_matches(
                    column.strip().casefold(), [name.strip().casefold() for name in found], 1
                )
                meant = next((name for name in found if near and name.strip().casefold() == near[0]), None)
                cure = f"try {option}={meant}" if meant else f"name one of them with {option}=COLUMN"
                raise RequestError(f"{source} has no column {column!r}, only {listed(found)}: {cure}.")


def named_after(path: str, name: str, kind: str) -> str:
    """What to call a corpus: `name` where the user gave one other than the reader's own, else the file's stem."""
    return name if name != kind else Path(path).stem or kind


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
