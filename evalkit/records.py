"""Record ↔ record.json: the one truth that MLflow, DVC and the report agree on."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.errors import EvaluationError, RequestError
from evalkit.runtime.atomic_write import atomic_write
from evalkit.types import Record, Score
from evalkit.version import __version__

FORMAT = 1
"""Version of record.json's shape; raised when an older reader would misread it."""

RECORD_NAME = "record.json"

HEADLINE_SCORES = (
    "neighbours/map_at_r_macro",
    "neighbours/precision_at_1",
    "neighbours/precision_at_5",
    "probe/accuracy",
    "separation/centroid_accuracy",
    "separation/silhouette",
    "clustering/ami",
    "map/silhouette",
    "hulls/overlap",
    "faithfulness/trustworthiness_at_10",
    "faithfulness/label_continuity",
)
"""The scores that leaderboards, studies and the terminal show, in this order; record.json holds all."""

REPORT_FILES = ("leaderboard.csv", "leaderboard.md", "comparisons.csv", "agreement.csv", "topics.csv", "gallery.html")
"""The files of a sweep or of a report on several runs."""


def plain(value: Any) -> Any:
    """Turn mappings, tuples and numpy values into JSON values; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def record_to_json(record: Record) -> dict[str, Any]:
    """All of a record as JSON values, `format` first; parameters by name, whether computed or read from the store."""
    fields = {entry.name: getattr(record, entry.name) for entry in dataclasses.fields(record)}
    fields["scores"] = [_ordered(dataclasses.asdict(score)) for score in record.scores]
    fields["projection"] = _ordered(record.projection)
    return {"format": FORMAT, **plain(fields)}


def _ordered(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "parameters": dict(sorted(entry["parameters"].items()))} if "parameters" in entry else {**entry}


def record_from_json(data: Any, source: str = "the record") -> Record:
    """Rebuild a record; fields of a later version of the same format are passed over."""
    if not isinstance(data, dict) or "identity" not in data or "scores" not in data:
        raise RequestError(f"{source} is no evalkit record: give a folder that `python -m evalkit.run` wrote.")
    form = data.get("format", 1)
    if not isinstance(form, int) or form > FORMAT:
        raise RequestError(
            f"{source} has record format {form}, and this evalkit {__version__} reads up to {FORMAT}: "
            f"use evalkit {data.get('evalkit_version', 'of a newer version')} to read it."
        )
    try:
        scores = tuple(Score(**_known(Score, score)) for score in data["scores"])
        fields = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return Record(**_known(Record, {**fields, "scores": scores}))
    except (TypeError, AttributeError) as error:
        raise RequestError(f"{source} is a damaged evalkit record ({error}): run its evaluation again.") from None


def _known(of: type, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {entry.name for entry in dataclasses.fields(of)}
    return {key: value for key, value in data.items() if key in names}


def read_record(path: Path) -> Record:
    """Read record.json (`path` is the file, or the folder that holds it)."""
    file = path / RECORD_NAME if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"{file} cannot be read ({error.strerror}): give a folder with a record.json.") from None
    except ValueError as error:
        raise RequestError(f"{file} is not whole JSON ({error}): run its evaluation again.") from None
    return record_from_json(data, str(file))


def write_json(data: Any, path: Path) -> None:
    """Write JSON, whole or not at all (`write_whole`), and flushed to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plain(data), ensure_ascii=False, indent=1, allow_nan=False)
    write_whole(path, lambda file: file.write_text(text + "\n", encoding="utf-8"), durable=True)


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """Let `write` fill a temporary file, then rename it: `path` holds all of it or is not changed."""
    try:
        with atomic_write(path, durable=durable) as temporary:
            write(temporary)
    except OSError as error:
        raise EvaluationError(
            f"{path} cannot be written ({error.strerror or error}): free some space or choose another folder."
        ) from error


def write_record(record: Record, folder: Path) -> None:
    """Write record.json into `folder`, whole or not at all; written last, its presence means a finished run."""
    write_json(record_to_json(record), folder / RECORD_NAME)


def run_name(record: Record) -> str:
    """``model·pooling·projection·seed``: what MLflow, the pictures and the terminal call a run."""
    model = record.settings.get("model_label") or record.encoder["name"]
    return f"{model}·{record.encoder['pooling']}·{record.projection['name']}·{record.projection['seed']}"


def find_records(folders: list[Path]) -> list[Path]:
    """Folders at or below `folders` that hold a record.json, sorted, each once."""
    found: dict[Path, None] = {}
    for folder in folders:
        if folder.is_file() and folder.name == RECORD_NAME:
            found[folder.parent] = None
            continue
        if not folder.is_dir():
            raise RequestError(f"{folder} is no folder: give folders that `python -m evalkit.run` wrote.")
        for file in sorted(folder.rglob(RECORD_NAME), key=_natural):
            found[file.parent] = None
    return list(found)


def _natural(path: Path) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in path.parts]
