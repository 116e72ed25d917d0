"""The door: a table becomes a corpus, or is refused in one sentence. Nothing below checks again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from evalkit.datasets.duplicates import drop_repeated
from evalkit.datasets.stratified_sample import stratify
from evalkit.datasets.table import Table, counted, listed, shown
from evalkit.datasets.validation import check_enough, check_options, parts, usable_rows
from evalkit.types import Corpus, Split

__all__ = ["build_corpus"]

FINGERPRINT_BLOCK = 1 << 16


def build_corpus(
    table: Table,
    *,
    name: str,
    limit: int | None = None,
    conflicts: str = "first",
    drop_blank: bool = False,
    queries: Sequence[str] | None = None,
    sample_seed: int = 0,
) -> Corpus:
    """Check a table, leave repeated rows out, and number the labels in sorted order.

    Texts and labels are kept as written: case and spaces count, and labels that differ by nothing else are
    warned of.

    Parameters
    ----------
    table
        What a reader found. With splits, the test rows are scored, and all rows stand in `Corpus.split`.
    name
        What to call the corpus.
    limit
        Score only so many texts: a stratified sample with at least two texts a label where they fit; the
        train rows of a split are sampled down to as many. None, or as many as there are: all.
    conflicts
        A text under two labels: ``first`` keeps its first row and warns, ``drop`` leaves out all its rows,
        ``error`` refuses the table.
    drop_blank
        Leave rows with a blank text or label out, instead of refusing them.
    queries
        Texts whose nearest neighbours are listed.
    sample_seed
        Seed of the sample. Not the run's seed: runs that differ in that shall see the same texts.

    Raises
    ------
    RequestError
        What is wrong, what was found, what to do.
    """
    check_options(limit, conflicts, queries or ())
    kept = usable_rows(table, drop_blank=drop_blank)
    dropped = {"duplicates": 0, "conflicts": 0, "blank": len(table.texts) - len(kept)}
    train, scored = parts(table, kept)
    test = scored
    scored, repeated, warnings = drop_repeated(table, scored, conflicts)
    dropped.update(repeated)
    check_enough(table, scored, dropped)
    if limit is not None and limit < len(scored):
        dropped["limit"] = len(scored) - limit
        scored, sample_warnings = stratify(table, scored, limit, sample_seed)
        warnings += sample_warnings
        chosen = {table.texts[row] for row in scored}
        test = [row for row in test if table.texts[row] in chosen]
        train = stratify(table, train, limit, sample_seed)[0] if limit < len(train) else train
    split = None if table.splits is None else _split(table, train, test)
    texts, labels = _column(table.texts, scored), _column(table.labels, scored)
    label_names = tuple(sorted(set(labels)))
    codes = {label: code for code, label in enumerate(label_names)}
    return Corpus(
        name=name,
        texts=texts,
        labels=np.fromiter((codes[label] for label in labels), dtype=np.int32, count=len(labels)),
        label_names=label_names,
        rows=np.asarray(scored, dtype=np.int64),
        source_rows=len(table.texts),
        queries=tuple(queries or ()),
        split=split,
        fingerprint=_fingerprint(texts, labels, split),
        dropped=dropped,
        warnings=(*warnings, *_look_alikes(labels), *_untrained(split)),
    )


def _column(values: Sequence[str | None], rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(value for row in rows if (value := values[row]) is not None)


def _split(table: Table, train: list[int], test: list[int]) -> Split:
    return Split(
        train_texts=_column(table.texts, train),
        test_texts=_column(table.texts, test),
        train_labels=_column(table.labels, train),
        test_labels=_column(table.labels, test),
        train_rows=np.asarray(train, dtype=np.int64),
        test_rows=np.asarray(test, dtype=np.int64),
    )


def _fingerprint(texts: Sequence[str], labels: Sequence[str], split: Split | None) -> str:
    """SHA-256 over the columns, each length before its content, so that no two corpora spell the same bytes."""
    columns = [texts, labels]
    if split is not None:
        columns += [split.train_texts, split.train_labels, split.test_texts, split.test_labels]
    running = hashlib.sha256(f"evalkit corpus {len(columns)}".encode("ascii"))
    for column in columns:
        running.update(len(column).to_bytes(8, "little"))
        rest = iter(column)
        while block := [text.encode() for text in islice(rest, FINGERPRINT_BLOCK)]:
            running.update(np.fromiter(map(len, block), dtype="<i8", count=len(block)).tobytes())
            running.update(b"".join(block))
    return running.hexdigest()


def _look_alikes(labels: Sequence[str]) -> list[str]:
    """A warning where labels differ by spaces or case only: most likely one label was meant."""
    sizes = Counter(labels)
    groups: dict[str, list[str]] = {}
    for label in sizes:
        groups.setdefault("".join(label.casefold().split()), []).append(label)
    alike = [sorted(group) for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    example = " and ".join(f"{shown(label)} ({counted(sizes[label], 'text')})" for label in alike[0])
    more = f", and {counted(len(alike) - 1, 'more such group')}" if len(alike) > 1 else ""
    return [
        f"labels that differ only by spaces or case count as different: {example}{more}; rename them if one is meant."
    ]


def _untrained(split: Split | None) -> list[str]:
    """A warning where the test rows bear labels that the probe cannot have learnt."""
    unknown = sorted(set(split.test_labels) - set(split.train_labels)) if split is not None else []
    if not unknown:
        return []
    labels = f"{counted(len(unknown), 'label')} of the test rows ({listed(unknown, 5)})"
    return [f"no train row bears {labels}: the probe errs there."]
