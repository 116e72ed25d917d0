"""Labelled texts from the Hugging Face hub, or from a folder laid out like one of its data sets."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from evalkit.datasets.corpus import build_corpus
from evalkit.datasets.parquet_reader import column_text
from evalkit.datasets.table import Columns, Table, listed
from evalkit.errors import HubUnreachableError, RequestError
from evalkit.types import Corpus

__all__ = ["load", "read"]

ANSWER_SECONDS = 6.0
DEADLINE_SECONDS = 9.0
"""Name resolution has no timeout of its own; datasets itself would retry for half a minute and more."""
PSEUDO_SPLIT = "split"


def load(
    path: str,
    *,
    name: str = "hf",
    subset: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    split_column: str | None = None,
    limit: int | None = None,
    conflicts: str = "first",
    drop_blank: bool = False,
    queries: Sequence[str] | None = None,
    sample_seed: int = 0,
) -> Corpus:
    """The corpus in a data set of the hub; `build_corpus` says what the other options mean.

    Parameters
    ----------
    path
        ``owner/name``, or a folder.
    subset
        The data set's configuration, where it has several.
    split
        Which of its splits to take; None takes ``test`` where there is one, else ``train``, else the only one.
    revision
        Branch, tag or commit.
    split_column
        A column that says train or test a row; ``split``, where there is no such column, takes the data set's
        own splits train and test.

    Raises
    ------
    RequestError
        Where the data set, subset, split or column does not exist, or its content is unfit.
    HubUnreachableError
        Where the hub does not answer and the data set is not in the cache.
    """
    columns = Columns(text_column, label_column, split_column)
    table, warnings = read(path, columns, subset=subset, split=split, revision=revision)
    folder = Path(path).expanduser()
    corpus = build_corpus(
        table,
        name=name if name != "hf" else folder.resolve().name if folder.is_dir() else path,
        limit=limit,
        conflicts=conflicts,
        drop_blank=drop_blank,
        queries=queries,
        sample_seed=sample_seed,
    )
    return dataclasses.replace(corpus, warnings=(*warnings, *corpus.warnings))


def read(
    path: str, columns: Columns, *, subset: str | None = None, split: str | None = None, revision: str | None = None
) -> tuple[Table, list[str]]:
    """The needed columns, labels by their names, and warnings; raises as `load` does."""
    library = _library()
    splits, warnings = _fetch(library, path, subset, revision)
    if split is not None and split not in splits:
        raise RequestError(f"{path} has no split {split!r}, only {listed(list(splits))}: choose with dataset.split.")
    every = next(iter(splits.values())).column_names
    if columns.split == PSEUDO_SPLIT and PSEUDO_SPLIT not in every:
        if split is not None:
            raise RequestError(
                f"dataset.split={split} and dataset.split_column={PSEUDO_SPLIT} contradict each other, "
                "since the latter takes train and test: leave one of them out."
            )
        missing = [part for part in ("train", "test") if part not in splits]
        if missing:
            raise RequestError(
                f"{path} has no split {missing[0]!r}, only {listed(list(splits))}: leave dataset.split_column out."
            )
        plain = Columns(columns.text, columns.label)
        parts = [_table(path, splits[part], plain) for part in ("train", "test")]
        marks = [part for part, table in zip(("train", "test"), parts, strict=True) for _ in table.texts]
        texts = [text for table in parts for text in table.texts]
        labels = [label for table in parts for label in table.labels]
        return Table(path, texts, labels, marks), warnings
    return _table(path, splits[split or _default_split(path, list(splits))], columns), warnings


def _default_split(path: str, splits: list[str]) -> str:
    for usual in ("test", "train"):
        if usual in splits:
            return usual
    if len(splits) == 1:
        return splits[0]
    raise RequestError(f"{path} has the splits {listed(splits)}: choose one with dataset.split.")


def _table(path: str, dataset: Any, columns: Columns) -> Table:
    """One split as a table; integers of a ClassLabel become its names."""
    columns.check(dataset.column_names, path)
    found = []
    for option, column in columns.needed.items():
        values = column_text(dataset.with_format("arrow")[:].column(column), option, column, path)
        names = getattr(dataset.features[column], "names", None)
        if names is not None:  # −1 stands for a label that was withheld
            values = [None if value is None or int(value) < 0 else names[int(value)] for value in values]
        found.append(values)
    return Table(path, found[0], found[1], found[2] if len(found) > 2 else None)


def _library() -> ModuleType:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ImportError as error:
        raise RequestError(
            "dataset=hf needs the library datasets, which is not installed: pip install 'evalkit[hf]'."
        ) from error
    return datasets  # type: ignore[no-any-return]


def _fetch(
    library: ModuleType, path: str, subset: str | None, revision: str | None
) -> tuple[dict[str, Any], list[str]]:
    """Split name → data set, and a warning where the cached copy had to do."""
    if path and Path(path).expanduser().is_dir():
        with _explained(library, path, subset):
            return dict(library.load_dataset(str(Path(path).expanduser().absolute()), subset)), []
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path) or ".." in path:
        raise RequestError(
            f"dataset.path={path!r} is neither a folder nor a data set of the hub: write owner/name, or a folder."
        )
    offline = bool(library.config.HF_HUB_OFFLINE)
    reason = "HF_HUB_OFFLINE is set" if offline else _ask(path, revision)
    with _explained(library, path, subset, reason), _without_hub(library, reason is not None):
        splits = dict(library.load_dataset(path, subset, revision=revision))
    if reason is None:
        return splits, []
    commits = {Path(file["filename"]).parent.name for part in splits.values() for file in part.cache_files}
    if revision is not None and commits != {revision}:
        raise HubUnreachableError(_unreachable(f"{path} at revision {revision}", reason))
    return splits, [] if offline else [f"{path} was taken from the cache, as the hub did not answer ({reason})."]


def _ask(path: str, revision: str | None) -> str | None:
    """Why the hub cannot be reached; None where it answers and has the data set."""
    import huggingface_hub as hub
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    failures: list[Exception] = []

    def run() -> None:
        try:
            hub.HfApi().dataset_info(path, revision=revision, timeout=ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001  # looked at below, in the waiting thread
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True, name="ask the hub")
    thread.start()
    thread.join(DEADLINE_SECONDS)
    if thread.is_alive():
        return f"no answer in {DEADLINE_SECONDS:.0f} s"
    if not failures:
        return None
    (error,) = failures
    if isinstance(error, RevisionNotFoundError):
        raise RequestError(f"{path} has no revision {revision!r}: check dataset.revision.") from None
    if isinstance(error, GatedRepoError):
        raise RequestError(f"{path} is gated: ask for access on its page, then log in with `hf auth login`.") from None
    if isinstance(error, RepositoryNotFoundError):
        raise RequestError(
            f"the hub has no data set {path}, or it is private: check dataset.path, or log in with `hf auth login`."
        ) from None
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return f"it answered {error.response.status_code}"
    return type(error).__name__


@contextlib.contextmanager
def _without_hub(library: ModuleType, offline: bool) -> Iterator[None]:
    """Let datasets look into its cache at once, instead of asking a silent hub five times."""
    before = library.config.HF_HUB_OFFLINE
    library.config.HF_HUB_OFFLINE = offline or before
    try:
        yield
    finally:
        library.config.HF_HUB_OFFLINE = before


@contextlib.contextmanager
def _explained(library: ModuleType, path: str, subset: str | None, reason: str | None = None) -> Iterator[None]:
    """Turn the library's failures into sentences."""
    from huggingface_hub import logging as hub_logging

    verbosities = [(logging, logging.get_verbosity()) for logging in (library.logging, hub_logging)]
    for logging, _ in verbosities:
        logging.set_verbosity_error()
    try:
        yield
    except (OSError, ValueError, RuntimeError, library.exceptions.DatasetsError) as error:
        if reason is not None:
            raise HubUnreachableError(_unreachable(path, reason)) from error
        said = " ".join(str(error).split())
        named = f"{path} (subset {subset})" if subset is not None else path
        cure = "choose one with dataset.subset" if "onfig" in said else "check dataset.path and what is in it"
        raise RequestError(f"{named} cannot be read as a data set ({said[:300].rstrip('.')}): {cure}.") from error
    finally:
        for logging, verbosity in verbosities:
            logging.set_verbosity(verbosity)


def _unreachable(what: str, reason: str) -> str:
    return (
        f"{what} is not in the cache and the hub cannot be reached ({reason}): "
        "fill the cache where there is a network, or give a folder or file that holds the data set."
    )
