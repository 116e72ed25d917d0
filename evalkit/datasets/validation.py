"""What makes a table unusable, and the sentences that refuse it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from evalkit.datasets.table import Table, counted, listed, shown
from evalkit.errors import RequestError

FEWEST_TEXTS = 4


def check_options(limit: int | None, conflicts: str, queries: Sequence[str]) -> None:
    """Refuse options without meaning, and queries that cannot be encoded."""
    if conflicts not in {"first", "drop", "error"}:
        raise RequestError(f"dataset.conflicts={conflicts} is none of first, drop and error: choose one of them.")
    if limit is not None and limit < FEWEST_TEXTS:
        raise RequestError(f"dataset.limit={limit} is too small, as {FEWEST_TEXTS} texts are the least: raise it.")
    for number, query in enumerate(queries, start=1):
        fault = "is blank" if not query.strip() else _unusable(query)
        if fault:
            raise RequestError(f"query {number} of queries {fault}: write a text there, or leave it out.")


def _unusable(text: str) -> str | None:
    """What a text holds that no tokenizer or file can represent."""
    bad = re.search(r"[\0\ud800-\udfff]", text)
    if bad is None:
        return None
    return "holds a NUL character" if bad[0] == "\0" else f"holds half a surrogate pair (U+{ord(bad[0]):04X})"


def usable_rows(
    table: Table, *, drop_blank: bool, drop_unlabelled: bool, ignored: frozenset[str]
) -> tuple[list[int], dict[str, int]]:
    """Numbers of the rows with a text and a label, and how many others are left out; else they are refused."""
    if not table.texts:
        raise RequestError(f"{table.source} has no rows below its header: give it texts and labels.")
    kept = []
    dropped: Counter[str] = Counter(blank=0)
    for row, (text, label) in enumerate(zip(table.texts, table.labels, strict=True)):
        blank_text, blank_label = text is None or not text.strip(), label is None or not label.strip()
        if label in ignored:
            dropped["ignored"] += 1
        elif blank_label and drop_unlabelled:
            dropped["unlabelled"] += 1
        elif (blank_text or blank_label) and drop_blank:
            dropped["blank"] += 1
        elif blank_text or blank_label:
            value, what, option = (text, "text", "blank") if blank_text else (label, "label", "unlabelled")
            how = f"no {what} (a missing value)" if value is None else f"a blank {what}"
            raise RequestError(
                f"{table.name_row(row)} of {table.source} has {how}: fill it in, or leave such rows out with "
                f"dataset.drop_{option}=true."
            )
        elif fault := _unusable(str(text)) or _unusable(str(label)):
            raise RequestError(f"{table.name_row(row)} of {table.source} {fault}: write it as plain UTF-8 text.")
        else:
            kept.append(row)
    if not kept:
        raise RequestError(
            f"all {len(table.texts)} rows of {table.source} have a blank text or label: check dataset.text_column and "
            "dataset.label_column."
        )
    return kept, dict(dropped)


def parts(table: Table, kept: list[int]) -> tuple[list[int], list[int]]:
    """Train rows and the rows that are scored: the test rows, or all where there is no split."""
    if table.splits is None:
        return [], kept
    strange = sorted({str(table.splits[row]) for row in kept} - {"train", "test"})
    if strange:
        first = next(row for row in kept if table.splits[row] not in {"train", "test"})
        raise RequestError(
            f"the split column of {table.source} holds {listed(strange, 5)} (first in {table.name_row(first)}), "
            "and only train and test are meant: rename or remove those rows, or leave dataset.split_column out."
        )
    split = {part: [row for row in kept if table.splits[row] == part] for part in ("train", "test")}
    for part, rows in split.items():
        if not rows:
            raise RequestError(
                f"the split column of {table.source} has no {part} row: mark some, or leave dataset.split_column out."
            )
    if len({table.labels[row] for row in split["train"]}) < 2:
        raise RequestError(
            f"the train rows of {table.source} bear one label only, {shown(str(table.labels[split['train'][0]]))}, "
            "and the probe needs two: mark rows of other labels as train, or leave dataset.split_column out."
        )
    return split["train"], split["test"]


def check_enough(table: Table, scored: Sequence[int], dropped: Mapping[str, int]) -> None:
    """Refuse what is too little to score: fewer than four texts, one label, or a label of its own a text."""
    where = "" if table.splits is None else " among its test rows"
    left = ", ".join(f"{count} as {reason}" for reason, count in dropped.items() if count)
    where += f" (left out: {left})" if left else ""
    if len(scored) < FEWEST_TEXTS:
        found = f"only {counted(len(scored), 'different text')}" if scored else "no text"
        raise RequestError(f"{table.source} has {found}{where}, and at least {FEWEST_TEXTS} are needed: add texts.")
    sizes = Counter(table.labels[row] for row in scored)
    if len(sizes) < 2:
        raise RequestError(
            f"{table.source} has one label only, {shown(str(next(iter(sizes))))} on all {len(scored)} texts{where}, "
            "and nothing can be told apart: add texts of another label, or name another dataset.label_column."
        )
    if len(sizes) == len(scored):
        raise RequestError(
            f"{table.source} has a label of its own on each of its {len(scored)} texts{where}, so that no two "
            "belong together: name the right dataset.label_column."
        )
