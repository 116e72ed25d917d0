"""Read retrieval corpora of the Hugging Face hub."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import EvaluationError, HubUnreachableError, RequestError
from evalkit.retrieval.corpus import build_corpus
from evalkit.retrieval.readers import Grades, judgment_rows, source_of
from evalkit.retrieval.tables import Table
from evalkit.retrieval.types import RetrievalCorpus

__all__ = ["load_hub"]


def load_hub(
    path: str,
    *,
    name: str = "hf_retrieval",
    split: str = "test",
    revision: str | None = None,
    group_column: str | None = None,
    grades: Grades = None,
    allow_unjoined: bool = False,
) -> RetrievalCorpus:
    """A corpus of the hub (or a folder) in mteb's layout: configurations corpus, queries, and default or qrels.

    Raises
    ------
    RequestError
        The library datasets is not installed, or a configuration, split or column is missing.
    HubUnreachableError
        The hub does not answer and the data are not in the cache.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ImportError:
        raise RequestError("dataset=hf_retrieval needs the library datasets: pip install 'evalkit[hf]'.") from None
    location = str(Path(path).expanduser().resolve()) if Path(path).expanduser().is_dir() else path
    try:
        configurations = datasets.get_dataset_config_names(location, revision=revision)
        wanted = {part: _configuration(path, configurations, part) for part in ("corpus", "queries", "qrels")}
        parts = {
            part: datasets.load_dataset(location, configuration, revision=revision)
            for part, configuration in wanted.items()
        }
    except RequestError:
        raise
    except datasets.exceptions.DatasetNotFoundError as error:
        raise RequestError(
            f"{path} is no data set of the hub, or it is private ({error}): check dataset.path."
        ) from None
    except (ConnectionError, OSError) as error:
        raise HubUnreachableError(f"the hub did not answer for {path} ({error}): try again, or work offline.") from None
    except ValueError as error:
        raise EvaluationError(
            f"{path} cannot be loaded by the library datasets ({error}): check the data set."
        ) from None
    qrels = parts["qrels"]
    if split not in qrels:
        raise RequestError(
            f"{path} has no judgments of split {split!r}, only {', '.join(qrels)}: choose dataset.split."
        )
    tables = {part: _whole(path, parts[part]) for part in ("corpus", "queries")}
    judged = {part: judgment_rows(_whole(path, {part: qrels[part]}), "dataset.path") for part in qrels}
    called = name if name != "hf_retrieval" else Path(path).name
    columns = (None, None, None, None, None, group_column)
    source = source_of(called, path, tables["corpus"], tables["queries"], judged.pop(split), columns)
    elsewhere = frozenset(query for others in judged.values() for query, *_ in others)
    source = dataclasses.replace(source, elsewhere=elsewhere)
    return build_corpus(source, grades=grades, allow_unjoined=allow_unjoined)


def _configuration(path: str, names: list[str], part: str) -> str:
    for each in ("default", "qrels") if part == "qrels" else (part,):
        if each in names:
            return each
    raise RequestError(
        f"{path} has the configurations {', '.join(names)} and none for {part}: mteb's layout has corpus, queries and "
        "default."
    )


def _whole(path: str, splits: Mapping[str, Any]) -> Table:
    """All rows of the only split, or of the one called as its configuration is."""
    (rows,) = (
        [splits[next(iter(splits))]] if len(splits) == 1 else [splits["corpus" if "corpus" in splits else "queries"]]
    )
    columns = {name: ["" if value is None else _plain(value) for value in rows[name]] for name in rows.column_names}
    return Table(path, columns)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
