"""One text counts once: rows that repeat a text are left out and counted."""

from __future__ import annotations

from evalkit.datasets.table import Table, shown
from evalkit.errors import RequestError

__all__ = ["drop_repeated"]


def drop_repeated(table: Table, rows: list[int], conflicts: str) -> tuple[list[int], dict[str, int], list[str]]:
    """Leave out rows that repeat a text.

    Parameters
    ----------
    rows
        Row numbers to look at, ascending.
    conflicts
        What to do with a text under two labels: ``first``, ``drop`` or ``error``.

    Returns
    -------
    rows
        Those that stay: each text once, where it first stands.
    dropped
        ``duplicates``: rows with the text and label of an earlier one; ``conflicts``: the other rows left out.
    warnings
        One sentence where texts stand under two labels and the first was taken.

    Raises
    ------
    RequestError
        Where ``conflicts`` is ``error`` and there is one.
    """
    first: dict[str | None, int] = {}
    pairs: set[tuple[str | None, str | None]] = set()
    unique: list[int] = []
    rivals: list[tuple[int, int]] = []  # (first row of the text, row with another label)
    for row in rows:
        text, label = table.texts[row], table.labels[row]
        earlier = first.setdefault(text, row)
        if earlier == row:
            unique.append(row)
        elif label != table.labels[earlier] and (text, label) not in pairs:
            pairs.add((text, label))
            rivals.append((earlier, row))
    duplicates = len(rows) - len(unique) - len(rivals)
    if not rivals:
        return unique, {"duplicates": duplicates, "conflicts": 0}, []
    earlier, later = rivals[0]
    if conflicts == "error":
        raise RequestError(
            f"{table.source} has the text {shown(str(table.texts[earlier]))} under two labels, "
            f"{_example(table, earlier, later)}, and dataset.conflicts is error: correct it, or choose first or drop."
        )
    disputed = {earlier for earlier, _ in rivals}
    if conflicts == "drop":
        unique = [row for row in unique if row not in disputed]
        return unique, {"duplicates": duplicates, "conflicts": len(rivals) + len(disputed)}, []
    # Rows, not texts: the warning goes where the texts may not (tracker.log_texts=false).
    one = len(disputed) == 1
    subject = "1 text stands" if one else f"{len(disputed)} texts stand"
    counted = "counts under its first" if one else "count under their first"
    warning = (
        f"{subject} under more than one label and {counted} ({_example(table, earlier, later)}, say); "
        "dataset.conflicts=drop leaves such texts out."
    )
    return unique, {"duplicates": duplicates, "conflicts": len(rivals)}, [warning]


def _example(table: Table, earlier: int, later: int) -> str:
    first, second = shown(str(table.labels[earlier])), shown(str(table.labels[later]))
    return f"{first} in {table.name_row(earlier)} and {second} in {table.name_row(later)}"
