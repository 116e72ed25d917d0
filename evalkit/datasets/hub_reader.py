"""Labelled texts from the Hugging Face hub, or from a folder with one of its data sets."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from evalkit.datasets.corpus import loader
from evalkit.datasets.parquet_reader import column_texts
from evalkit.datasets.table import Columns, Table, listed
from evalkit.errors import HubUnreachableError, RequestError
from evalkit.runtime.deadline import call_within

ANSWER_SECONDS = 6.0
DEADLINE_SECONDS = 9.0
"""Longest wait for the hub's first answer: the resolution of its name has no timeout."""
OFFLINE = "HF_HUB_OFFLINE is set"

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # huggingface_hub reads it when it is imported


def read(
    path: str,
    *,
    subset: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    split_column: str | None = None,
) -> Table:
    """The needed columns of a data set, labels by their names.

    Parameters
    ----------
    path, revision
        ``owner/name`` on the hub, and a branch, tag or commit; or a folder of files, or one that `save_to_disk` wrote.
    subset
        The data set's configuration, where it has several.
    split
        Which of its splits to take; None takes ``test`` where there is one, else ``train``, else the only one.
    split_column
        A column that says train or test a row; ``split``, where there is no such column, takes the data set's
        own splits train and test.
    """
    folder = Path(path).expanduser()
    local = bool(path) and folder.is_dir()
    splits, warnings = (_local(path, folder, subset), []) if local else _remote(path, subset, revision)
    own_splits = split_column == "split" and "split" not in next(iter(splits.values())).column_names
    if own_splits and split is not None:
        raise RequestError(f"dataset.split={split} and split_column=split contradict each other: leave one out.")
    chosen = ["train", "test"] if own_splits else [split or _default_split(path, list(splits))]
    for part in chosen:
        if part not in splits:
            cure = "leave dataset.split_column out" if own_splits else "choose with dataset.split"
            raise RequestError(f"{path} has no split {part!r}, only {listed(list(splits))}: {cure}.")
    columns = Columns(text_column, label_column, None if own_splits else split_column)
    tables = [_columns(path, splits[part], columns) for part in chosen]
    texts, labels, *marks = (list(chain.from_iterable(values)) for values in zip(*tables, strict=True))
    if own_splits:
        marks = [[part for part, table in zip(chosen, tables, strict=True) for _ in table[0]]]
    name = folder.resolve().name if local else path
    return Table(path, texts, labels, marks[0] if marks else None, name=name, warnings=warnings)


load = loader("hf", read)


def _default_split(path: str, splits: list[str]) -> str:
    """The split that is taken where none is chosen."""
    usual = [name for name in ("test", "train") if name in splits]
    if not usual and len(splits) > 1:
        raise RequestError(f"{path} has the splits {listed(splits)}: choose one with dataset.split.")
    return (usual or splits)[0]


def _columns(path: str, dataset: Any, columns: Columns) -> list[list[str | None]]:
    """The needed columns of one split."""
    columns.check(dataset.column_names, path)
    classes = {name: getattr(feature, "names", None) for name, feature in dataset.features.items()}
    return column_texts(dataset.with_format("arrow")[:], columns, path, classes)


def _local(path: str, folder: Path, subset: str | None) -> dict[str, Any]:
    """Split name → data set, from a folder."""
    with _library(path, subset) as library:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            saved = library.load_from_disk(str(folder))
            return dict(saved) if isinstance(saved, dict) else {str(saved.split or "train"): saved}
        return dict(library.load_dataset(str(folder.absolute()), subset))


def _remote(path: str, subset: str | None, revision: str | None) -> tuple[dict[str, Any], list[str]]:
    """Split name → data set, from the hub or its cache, and a warning where the hub did not answer."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path) or ".." in path:
        raise RequestError(f"dataset.path={path!r} is neither a folder nor a data set of the hub: write owner/name.")
    reason = _unreachable_because(path, revision)
    if reason is not None:
        # datasets reads this when it is imported, and then opens its cache at once instead of asking five times.
        os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    with _library(path, subset, reason) as library:
        splits = dict(library.load_dataset(path, subset, revision=revision))
    commits = {Path(file["filename"]).parent.name for part in splits.values() for file in part.cache_files}
    if reason is not None and revision is not None and commits != {revision}:
        raise _unreachable(f"{path} at revision {revision}", reason)
    if reason in {None, OFFLINE}:
        return splits, []
    return splits, [f"{path} was taken from the cache, as the hub did not answer ({reason})."]


def _unreachable_because(path: str, revision: str | None) -> str | None:
    """Why the hub cannot be reached; None where it answers and has the data set."""
    from huggingface_hub import HfApi, errors

    try:
        call_within(DEADLINE_SECONDS, lambda: HfApi().dataset_info(path, revision=revision, timeout=ANSWER_SECONDS))
    except errors.OfflineModeIsEnabled:
        return OFFLINE
    except errors.RevisionNotFoundError:
        raise RequestError(f"{path} has no revision {revision!r}: check dataset.revision.") from None
    except errors.GatedRepoError:
        raise RequestError(f"{path} is gated: ask for access on its page, then log in with `hf auth login`.") from None
    except errors.RepositoryNotFoundError:
        raise RequestError(f"the hub has no data set {path}, or it is private: check dataset.path or log in.") from None
    except errors.HfHubHTTPError as error:
        return f"it answered {error.response.status_code}"
    except Exception as error:  # noqa: BLE001  # of the network library, which differs from version to version
        return type(error).__name__
    return None


@contextlib.contextmanager
def _library(path: str, subset: str | None, reason: str | None = None) -> Iterator[ModuleType]:
    """The library datasets, silenced, with its failures as one sentence; `reason` is why the hub is out of reach."""
    try:
        import datasets as library
    except ImportError as error:
        raise RequestError(
            "dataset=hf needs the library datasets, which is not installed: pip install 'evalkit[hf]'."
        ) from error
    from huggingface_hub import logging as hub_logging

    verbosities = [(logging, logging.get_verbosity()) for logging in (library.logging, hub_logging)]
    for logging, _ in verbosities:
        logging.set_verbosity_error()
    try:
        yield library
    except (OSError, ValueError, RuntimeError, library.exceptions.DatasetsError) as error:
        if reason is not None:
            raise _unreachable(path, reason) from error
        message = " ".join(str(error).split())[:300].rstrip(".")
        named = f"{path} (subset {subset})" if subset is not None else path
        cure = "choose one with dataset.subset" if "onfig" in message else "check dataset.path and what is in it"
        raise RequestError(f"{named} cannot be read as a data set ({message}): {cure}.") from error
    finally:
        for logging, verbosity in verbosities:
            logging.set_verbosity(verbosity)


def _unreachable(what: str, reason: str) -> HubUnreachableError:
    """Neither the cache nor the hub has the data set."""
    return HubUnreachableError(
        f"{what} is not in the cache and the hub cannot be reached ({reason}): "
        "fill the cache where there is a network, or give a folder or file that holds the data set."
    )
