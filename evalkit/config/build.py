"""Build a `Request` from a composed configuration: the only place that instantiates.

Every `_partial_` target is bound against its signature here, so that a misspelt parameter, or an option that the
chosen model does not take, is refused before anything is read or loaded.
"""

import functools
import operator
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from evalkit.config.instantiate import bind, current_targets, taken
from evalkit.errors import RequestError
from evalkit.pipeline.prepare import check_k, check_seed
from evalkit.pipeline.request import EvaluatorChoice, ProjectionChoice, Request, TrackerChoice
from evalkit.records import HEADLINE_SCORES
from evalkit.runtime.redaction import mask, mask_tree

CHOICES = {
    "pooling": ("native", "mean", "cls", "max", "mean_sqrt_len", "weighted_mean", "last_token"),
    "dtype": ("auto", "float32", "bfloat16"),
    "theme": ("light", "dark"),
    "dataset.conflicts": ("first", "drop", "error"),
}
SPACES = ("embedding", "map")
COUNTS = ("batch_tokens", "model.max_length", "model.truncate_dim", "model.dimension", "dataset.limit")
RANDOM_DIMENSION = 768
LONGEST_NAME = 200
PROMPTS_AND_CUTS = ("prompt", "document_prompt", "query_prompt", "max_length", "truncate_dim")

DIAGNOSTIC_FAMILIES = frozenset({"geometry", "faithfulness"})
"""Families whose scores describe an embedding or a map and rank no models (``ranks_models`` is False)."""

NOT_IDENTIFYING = frozenset(
    {
        "dataset",  # the corpus fingerprint replaces it
        "model",  # the encoder's identity replaces it
        "pooling",  # likewise: native and mean may be one
        "queries",  # the corpus has the resolved ones
        "tracker",
        "dtype",  # the encoder's identity has the resolved one
        "device",
        "batch_tokens",
        "store",
        "reuse",
        "rank_by",
        "theme",
    }
)
"""Top-level settings that do not determine the result; a test fails unless every other one does."""


def build(config: DictConfig, *, projection_chosen: bool = True) -> Request:
    """Check the composed configuration (without Hydra's own node) and bind every component that it names.

    `projection_chosen` is False where the projection is only the default, so that a large corpus may get another.
    """
    config, moved = current_targets(config)
    try:
        values = _plain(config, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise RequestError(_missing(error)) from None
    _check(values)
    values["rank_by"] = values["rank_by"] or _first_ranking_score(values["evaluators"])
    described = mask_tree(_described(values))
    return Request(
        load=_loader(config, values),
        encoder=_encoder(config, values),
        model=_model_label(values),
        pooling=values["pooling"],
        projection=ProjectionChoice(
            name=values["projection"]["name"],
            project=bind(config.projection.project, {}, "projection.project"),
            described=_parameters(values["projection"]["project"]),
            chosen=projection_chosen,
        ),
        evaluators=tuple(_evaluator(config, name, entry) for name, entry in values["evaluators"].items()),
        tracker=_tracker(config, values),
        seed=values["seed"],
        k=None if values["k"] is None else tuple(values["k"]),
        rank_by=values["rank_by"],
        store=values["store"],
        reuse=values["reuse"],
        theme=values["theme"],
        described=described,
        identifying={name: entry for name, entry in described.items() if name not in NOT_IDENTIFYING},
        warnings=moved,
    )


def build_tracker(config: DictConfig) -> TrackerChoice:
    """Build the tracker alone, which a sweep needs at its end."""
    config, _ = current_targets(config)
    return _tracker(config, _plain(config, throw_on_missing=False))


def _plain(node: DictConfig, *, throw_on_missing: bool) -> dict[str, Any]:
    values = OmegaConf.to_container(node, resolve=True, throw_on_missing=throw_on_missing)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _missing(error: OmegaConfBaseException) -> str:
    key = getattr(error, "full_key", None) or "an option"
    if "Missing mandatory value" in str(error):
        return f"{key} has no value: give one on the command line, {key}=…."
    return f"{key} cannot be read ({str(error).splitlines()[0]}): correct it."


def _check(values: Mapping[str, Any]) -> None:
    for key, choices in CHOICES.items():
        _one_of(key, _value(values, key), choices)
    if not re.fullmatch(r"auto|cpu|(cuda|xpu)(:\d+)?|mps", values["device"]):
        raise RequestError(f"device cannot be {values['device']!r}: choose auto, cpu, cuda, or one of several, cuda:1.")
    check_seed(values["seed"])
    for key in COUNTS:
        number = _value(values, key)
        if number is not None and number < 1:
            raise RequestError(
                f"{key} must be at least 1, and {number} was given: choose a larger one or leave it out."
            )
    check_k(values["k"])
    for key in ("model.label", "model.name"):
        if len(name := str(_value(values, key) or "")) > LONGEST_NAME:
            raise RequestError(f"{key} has {len(name)} characters: use up to {LONGEST_NAME}.")
    if not values["store"].strip():
        raise RequestError("store is empty: name a folder, store=.evalkit.")
    _check_scores(values["evaluators"], values["rank_by"])


def _check_scores(evaluators: Mapping[str, Any], rank_by: str | None) -> None:
    if not evaluators:
        raise RequestError(
            "evaluators is empty, so nothing would be computed: name at least one, evaluators=[neighbours]."
        )
    for name, evaluator in evaluators.items():
        _one_of(f"evaluators.{name}.space", evaluator["space"], SPACES)
    if rank_by is None:
        return
    family = rank_by.partition("/")[0]
    if family not in evaluators:
        raise RequestError(
            f"rank_by={rank_by} needs the evaluator {family!r}, and the run has {', '.join(evaluators)}: "
            "add it to evaluators, or rank by one of their scores."
        )
    if family in DIAGNOSTIC_FAMILIES or rank_by == "neighbours/hubness":
        raise RequestError(
            f"rank_by={rank_by} is a diagnostic, which ranks no models: "
            "choose for example neighbours/map_at_r_macro or separation/silhouette."
        )


def _first_ranking_score(evaluators: Mapping[str, Any]) -> str:
    """The headline score that ranks where none is named; a custom evaluator's own where no other runs."""
    able = [name for name in HEADLINE_SCORES if name.partition("/")[0] in set(evaluators) - DIAGNOSTIC_FAMILIES]
    able += [str(entry["evaluate"]["name"]) for entry in evaluators.values() if "name" in entry["evaluate"]]
    if not able:
        raise RequestError(
            f"no score of {', '.join(evaluators)} is known to rank models: name one, rank_by=FAMILY/SCORE, "
            "or add an evaluator, evaluators=[neighbours]."
        )
    return able[0]


def _value(values: Mapping[str, Any], key: str) -> Any:
    return functools.reduce(operator.getitem, key.split("."), values)


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RequestError(f"{key} cannot be {value!r}: choose one of {', '.join(choices)}.")


def _described(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as plain JSON values, without options that are not set and without `_partial_`."""
    described = dict(values)
    for group, target in (("dataset", "load"), ("model", "encoder"), ("tracker", "create")):
        described[group] = {**_given(values[group], target), **_parameters(values[group][target])}
    projection = values["projection"]
    described["projection"] = {"name": projection["name"], **_parameters(projection["project"])}
    described["evaluators"] = {
        name: {"space": entry["space"], **_parameters(entry["evaluate"])}
        for name, entry in values["evaluators"].items()
    }
    return described


def _given(options: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """The options that are set."""
    return {key: value for key, value in options.items() if value is not None and key not in without}


def _parameters(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "_partial_"}


def _model_label(values: Mapping[str, Any]) -> str:
    """Name of the model in runs and leaderboards: its label, and the options that change its vectors."""
    model = values["model"]
    name = model["label"] or (Path(model["path"]).stem if model["path"] else model["name"])
    label = mask(Path(name).name if Path(name).is_dir() else str(name))
    options = {key: model[key] for key in PROMPTS_AND_CUTS if model[key] is not None}
    if model["dimension"] not in {None, RANDOM_DIMENSION}:
        options["dimension"] = model["dimension"]
    if values["dtype"] == "bfloat16" and str(model["encoder"].get("_target_", "")).endswith("TransformerEncoder"):
        options["dtype"] = "bfloat16"
    return label + (f" ({', '.join(f'{key}={value}' for key, value in options.items())})" if options else "")


def _loader(config: DictConfig, values: Mapping[str, Any]) -> functools.partial[Any]:
    loader = bind(config.dataset.load, _given(values["dataset"], "load"), "dataset.load")
    return functools.partial(loader, **taken(loader, {key: values[key] for key in ("seed", "queries")}))


def _encoder(config: DictConfig, values: Mapping[str, Any]) -> Any:
    bound = bind(config.model.encoder, _given(values["model"], "encoder", "label"), "model.encoder")
    return bound(**taken(bound, {key: values[key] for key in ("device", "dtype", "batch_tokens", "seed")}))


def _evaluator(config: DictConfig, name: str, entry: Mapping[str, Any]) -> EvaluatorChoice:
    bound = bind(config.evaluators[name].evaluate, {}, f"evaluators.{name}.evaluate")
    return EvaluatorChoice(name=name, space=entry["space"], evaluate=bound, described=_parameters(entry["evaluate"]))


def _tracker(config: DictConfig, values: Mapping[str, Any]) -> TrackerChoice:
    tracker = values["tracker"]
    options = {key: tracker[key] for key in ("uri", "experiment")}
    create = bind(config.tracker.create, options, "tracker.create")
    return TrackerChoice(create=create, log_texts=tracker["log_texts"])
