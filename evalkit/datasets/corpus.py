"""From a table to a corpus: everything is checked here once, and nothing below checks again."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.datasets.table import Table, counted, listed, shown
from evalkit.datasets.validation import check_enough, check_options, parts, usable_rows
from evalkit.errors import RequestError
from evalkit.stats.stratified_rows import allot, draw_rows
from evalkit.types import Codes

FINGERPRINT_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Train and test rows in file order, with nothing dropped; the probe reads them."""

    train_texts: tuple[str, ...]
    test_texts: tuple[str, ...]
    train_labels: tuple[str, ...]
    test_labels: tuple[str, ...]
    train_rows: NDArray[np.int64]  # in the data, counted from 0; precomputed vectors are read by them
    test_rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Validated, de-duplicated labelled texts."""

    name: str  # in records and pictures: topics, the file's stem, …
    texts: tuple[str, ...]  # the N scored texts; with a split, those of the test rows
    labels: Codes  # (N,) label codes
    label_names: tuple[str, ...]  # of each code, in sorted order
    rows: NDArray[np.int64]  # (N,) row of each text in the data, counted from 0 before anything was dropped
    source_rows: int  # rows in the data
    queries: tuple[str, ...]  # texts whose nearest neighbours are listed
    split: Split | None  # train and test rows, None without a split column
    fingerprint: str  # hex SHA-256 over texts, labels and split; equal fingerprints mean equal data
    dropped: Mapping[str, int]  # rows left out by reason: duplicates, conflicts, blank, …
    warnings: tuple[str, ...] = ()  # sentences for the record and the terminal


def build_corpus(
    table: Table,
    *,
    name: str | None = None,
    limit: int | None = None,
    conflicts: str = "first",
    drop_blank: bool = False,
    drop_unlabelled: bool = False,
    ignore_labels: Sequence[Any] | None = None,
    queries: Sequence[str] | None = None,
    sample_seed: int = 0,
) -> Corpus:
    """Check a table, leave repeated rows out, and number the labels in sorted order.

    Texts and labels are kept as written; labels that differ by case and spaces only give a warning.

    Parameters
    ----------
    table
        What a reader gives. With splits, the test rows are scored, and all rows are in `Corpus.split`.
    name, queries
        Name of the corpus, and texts whose nearest neighbours are listed; None are the table's.
    limit
        Score only so many texts: a stratified sample with at least two texts a label where they fit; the
        train rows of a split are sampled down to as many. None, or as many as there are: all.
    conflicts
        A text under two labels: ``first`` keeps its first row and warns, ``drop`` leaves out all its rows,
        ``error`` refuses the table.
    drop_blank, drop_unlabelled
        Leave rows with a blank text or label, or those with a blank or missing label, out instead of refusing them.
    ignore_labels
        Leave rows with these labels out (BERTopic's -1).
    sample_seed
        Seed of the sample. Not the run's seed: runs that differ in that use the same texts.
    """
    queries = table.queries if queries is None else queries
    check_options(limit, conflicts, queries)
    ignored = frozenset(map(str, ignore_labels or ()))
    kept, dropped = usable_rows(table, drop_blank=drop_blank, drop_unlabelled=drop_unlabelled, ignored=ignored)
    train, scored = parts(table, kept)
    test = scored
    scored, repeated, warnings = _drop_repeated(table, scored, conflicts)
    dropped = {**repeated, **dropped}
    check_enough(table, scored, dropped)
    if limit is not None and limit < len(scored):
        dropped["limit"] = len(scored) - limit
        scored, sample_warnings = _stratify(table, scored, limit, sample_seed)
        warnings += sample_warnings
        chosen = {table.texts[row] for row in scored}
        test = [row for row in test if table.texts[row] in chosen]
        train = _stratify(table, train, limit, sample_seed)[0] if limit < len(train) else train
    split = None if table.splits is None else _split(table, train, test)
    texts, labels = _column(table.texts, scored), _column(table.labels, scored)
    label_names = tuple(sorted(set(labels)))
    codes = {label: code for code, label in enumerate(label_names)}
    return Corpus(
        name=name or table.name,
        texts=texts,
        labels=np.fromiter((codes[label] for label in labels), dtype=np.int32, count=len(labels)),
        label_names=label_names,
        rows=np.asarray(scored, dtype=np.int64),
        source_rows=len(table.texts),
        queries=tuple(queries),
        split=split,
        fingerprint=_fingerprint(texts, labels, split),
        dropped=dropped,
        warnings=(*table.warnings, *warnings, *_look_alikes(labels), *_untrained(split)),
    )


def loader(kind: str, read: Callable[..., Table]) -> Callable[..., Corpus]:
    """The `load` of a reader: reads a table by `read` and builds a corpus of it.

    Its signature has the options of both, so that a configuration's keys can be checked against it, and an option of
    `build_corpus` is written down once. `kind` is the choice of ``dataset``; as a name it means the table's own.
    """
    shared = dict(inspect.signature(build_corpus, eval_str=True).parameters)
    del shared["table"]

    @functools.wraps(read)
    def load(*arguments: Any, **options: Any) -> Corpus:
        own = {key: options.pop(key) for key in list(options) if key not in shared}
        if options.get("name") == kind:
            del options["name"]
        return build_corpus(read(*arguments, **own), **options)

    shared["name"] = shared["name"].replace(default=kind)
    signature = inspect.signature(read, eval_str=True)
    every = [*signature.parameters.values(), *shared.values()]
    vars(load)["__signature__"] = signature.replace(parameters=every, return_annotation=Corpus)
    return load


def _drop_repeated(table: Table, rows: list[int], conflicts: str) -> tuple[list[int], dict[str, int], list[str]]:
    """The rows in which a text stands first, how many others are left out, and a warning of conflicts."""
    import pandas as pd

    columns = {"text": [table.texts[row] for row in rows], "label": [table.labels[row] for row in rows]}
    pairs = pd.DataFrame(columns, index=rows, dtype=object).drop_duplicates()
    first = pairs.drop_duplicates("text")
    rivals = pairs.drop(first.index)
    dropped = {"duplicates": len(rows) - len(pairs), "conflicts": len(rivals)}
    if rivals.empty:
        return list(first.index), dropped, []
    disputed = first["text"].isin(rivals["text"])
    later = rivals.index[0]
    earlier = first.index[first["text"] == table.texts[later]][0]
    example = " and ".join(f"{shown(str(table.labels[row]))} in {table.name_row(row)}" for row in (earlier, later))
    if conflicts == "error":
        raise RequestError(
            f"{table.source} has the text {shown(str(table.texts[earlier]))} under two labels, "
            f"{example}, and dataset.conflicts is error: correct it, or choose first or drop."
        )
    if conflicts == "drop":
        dropped["conflicts"] += int(disputed.sum())
        return list(first.index[~disputed]), dropped, []
    # Rows, not texts: the warning also goes where texts may not (tracker.log_texts=false).
    warning = (
        f"{counted(int(disputed.sum()), 'text')} under more than one label, of which the first counts ({example}, "
        "say); dataset.conflicts=drop leaves such texts out."
    )
    return list(first.index), dropped, [warning]


def _stratify(table: Table, rows: list[int], limit: int, seed: int) -> tuple[list[int], list[str]]:
    """Draw `limit` of more than `limit` `rows`, stratified by label, in order; warn where labels had to be left out."""
    labels, codes = np.unique([str(table.labels[row]) for row in rows], return_inverse=True)
    sizes = np.bincount(codes)
    shares = allot(sizes, limit)
    drawn = [rows[place] for place in draw_rows(codes.astype(np.int32), shares, np.random.default_rng(seed))]
    kept = int(np.count_nonzero(shares))
    if kept == len(labels):
        return drawn, []
    return drawn, [
        f"dataset.limit={limit} holds only the {kept} largest of the {len(labels)} labels, "
        f"two texts of each; raise it to {int(np.minimum(sizes, 2).sum())} to keep all."
    ]


def _column(values: Sequence[str | None], rows: Iterable[int]) -> tuple[str, ...]:
    """Entries of the chosen rows, none of which is None."""
    return tuple(value for row in rows if (value := values[row]) is not None)


def _split(table: Table, train: list[int], test: list[int]) -> Split:
    """Train and test rows as they stand."""
    return Split(
        train_texts=_column(table.texts, train),
        test_texts=_column(table.texts, test),
        train_labels=_column(table.labels, train),
        test_labels=_column(table.labels, test),
        train_rows=np.asarray(train, dtype=np.int64),
        test_rows=np.asarray(test, dtype=np.int64),
    )


def _fingerprint(texts: Sequence[str], labels: Sequence[str], split: Split | None) -> str:
    """SHA-256 over the columns, lengths before contents, so that different corpora give different bytes."""
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
