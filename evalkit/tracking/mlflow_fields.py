"""Names, params, metrics and tags of a record. Pure functions without a tracking library."""

from __future__ import annotations

import getpass
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.records import run_name
from evalkit.runtime.redaction import mask, mask_tree
from evalkit.tracking import RunContext
from evalkit.types import Record

IDENTITY, SWEEP, KIND = "evalkit.identity", "evalkit.sweep", "evalkit.kind"

PARAM_LENGTH = 6000
TEXT_SETTINGS = frozenset({"queries", "texts"})  # kept back with log_texts=false
NOT_DISTINGUISHING = frozenset({"tracker", "store", "reuse", "theme"})  # settings that do not change a result
NOT_PARAMS = frozenset({"texts_per_second", "truncated_share", "key"})  # measured, or of use to the store alone

_NAME = re.compile(r"[^\w\-. :/]", re.ASCII)


def logged_name(record: Record) -> str:
    """``model·pooling·projection·seed`` on one line, masked."""
    return " ".join(mask(run_name(record)).split())


def run_params(record: Record, *, log_texts: bool = True) -> dict[str, str]:
    """Every setting that is set and distinguishes runs, and the resolved encoder: flat, masked, cut at 6,000."""
    settings = {key: value for key, value in record.settings.items() if key not in NOT_DISTINGUISHING}
    settings["model_name"] = settings.pop("model_label", None)
    encoder = {key: value for key, value in record.encoder.items() if key not in NOT_PARAMS}
    tree = mask_tree({**settings, "encoder": encoder})
    return {
        _NAME.sub("_", key)[:250]: value if len(value) <= PARAM_LENGTH else value[: PARAM_LENGTH - 1] + "…"
        for key, value in _flat(tree, "")
        if log_texts or not TEXT_SETTINGS & set(key.split("."))
    }


def _flat(tree: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        key = f"{before}{name}"
        if isinstance(value, Mapping):
            if key == "evaluators":
                yield key, ", ".join(map(str, value))
            yield from _flat(value, f"{key}.")
        elif value is None or (name == "_target_" and str(value).startswith("evalkit.")):
            continue  # not set; or evalkit's own code, which the other settings name
        elif isinstance(value, list | tuple):
            yield key, json.dumps(value, ensure_ascii=False)
        else:
            yield key, str(value)


def run_metrics(record: Record) -> dict[str, float]:
    """Finite numbers by name: scores with chance, adjusted, p-value and interval; speed; seconds of each stage."""
    values: dict[str, Any] = {}
    for score in record.scores:
        values[score.name] = score.value
        for field in ("chance", "adjusted", "p_value", "ci_low", "ci_high"):
            values[f"{score.name}.{field}"] = getattr(score, field)
    for field in ("texts_per_second", "truncated_share"):
        values[f"encoder/{field}"] = record.encoder.get(field)
    for stage, seconds in record.timings.items():
        values[f"timings/{stage}_seconds"] = seconds
    return finite_metrics(values)


def finite_metrics(values: Mapping[str, Any]) -> dict[str, float]:
    """Those of the values that are finite numbers, under names that MLflow takes."""
    return {
        _NAME.sub("_", name)[:250]: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def run_tags(record: Record, context: RunContext) -> dict[str, str]:
    """Tags by which runs are searched and grouped."""
    environment = record.environment
    commit = context.git_commit or environment.get("git_commit")
    dirty = environment.get("git_dirty") if context.git_dirty is None else context.git_dirty
    tags = {
        IDENTITY: record.identity,
        KIND: "run",
        "evalkit.version": record.evalkit_version,
        "evalkit.model": record.settings.get("model_label") or record.encoder.get("name", "model"),
        "evalkit.pooling": record.encoder.get("pooling"),
        "evalkit.projection": record.projection.get("name"),
        "evalkit.seed": record.projection.get("seed"),
        "evalkit.corpus": record.corpus.get("name"),
        **sweep_tags(context),
        "mlflow.source.git.commit": commit,
        "evalkit.git_dirty": None if dirty is None else str(bool(dirty)).lower(),
    }
    return {key: mask(str(value)) for key, value in tags.items() if value not in {None, ""}}


def sweep_tags(context: RunContext) -> dict[str, str]:
    """The sweep and the DVC experiment that a run belongs to, and the user who logs it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = None  # the system knows none: a container without a passwd entry
    tags = {
        SWEEP: context.sweep,
        "evalkit.sweep_name": context.sweep_name,
        "evalkit.dvc_experiment": context.dvc_experiment,
        "mlflow.user": user,
        "mlflow.source.name": "evalkit",
        "mlflow.source.type": "LOCAL",
    }
    return {key: mask(value) for key, value in tags.items() if value}


def dataset_description(record: Record) -> dict[str, str]:
    """Fields of MLflow's data set for the corpus: name, digest, source, schema and profile (JSON strings)."""
    corpus = record.corpus
    settings = record.settings.get("dataset") or {}
    source = {key: settings[key] for key in ("name", "path", "subset", "split", "revision") if settings.get(key)}
    profile = {key: corpus.get(key) for key in ("texts", "labels", "dropped", "fingerprint")}
    columns = [{"type": "string", "name": name, "required": True} for name in ("text", "label")]
    return {
        "name": mask(str(corpus.get("name", "corpus")))[:500],
        "digest": str(corpus.get("fingerprint", ""))[:16],
        "source_type": "evalkit",
        "source": json.dumps(mask_tree(source), ensure_ascii=False),
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps(mask_tree(profile), ensure_ascii=False),
    }
