"""Types and known keys of the configuration.

Hydra merges conf/ into these, so a misspelt key or a wrong type fails while composing, before anything runs.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from evalkit.config import launchers


@dataclass
class DatasetSchema:
    """Where labelled texts come from; `load` is the reader, the rest its options."""

    name: str = MISSING
    load: dict[str, Any] = field(default_factory=dict)
    path: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    separator: str | None = None
    quoting: str | None = None
    comment: str | None = None
    header: bool | None = None
    subset: str | None = None
    split: str | None = None
    revision: str | None = None
    limit: int | None = None
    sample_seed: int | None = None
    conflicts: str = "first"
    drop_blank: bool = False
    drop_unlabelled: bool = False
    ignore_labels: list[str] | None = None


@dataclass
class ModelSchema:
    """An embedding model; `encoder` makes its vectors, the rest its options."""

    name: str = MISSING
    label: str | None = None
    encoder: dict[str, Any] = field(default_factory=dict)
    revision: str | None = None
    prompt: str | None = None
    document_prompt: str | None = None
    query_prompt: str | None = None
    max_length: int | None = None
    truncate_dim: int | None = None
    trust_remote_code: bool = False
    dimension: int | None = None
    max_features: int | None = None
    path: str | None = None
    query_path: str | None = None
    column: str | None = None
    columns: Any = None


@dataclass
class ProjectionSchema:
    """A map; `project` draws it, with its parameters."""

    name: str = MISSING
    project: dict[str, Any] = field(default_factory=dict)


@dataclass
class EvaluatorSchema:
    """A family of scores; `evaluate` computes it, with its parameters."""

    space: str = "embedding"
    evaluate: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrackerSchema:
    """Where finished runs are logged."""

    name: str = MISSING
    create: dict[str, Any] = field(default_factory=dict)
    uri: str | None = None
    experiment: str | None = None
    log_texts: bool = True


@dataclass
class Schema:
    """The whole configuration; conf/config.yaml says what each line means."""

    dataset: DatasetSchema = field(default_factory=DatasetSchema)
    model: ModelSchema = field(default_factory=ModelSchema)
    pooling: str = "native"
    projection: ProjectionSchema = field(default_factory=ProjectionSchema)
    evaluators: dict[str, EvaluatorSchema] = field(default_factory=dict)
    tracker: TrackerSchema = field(default_factory=TrackerSchema)
    seed: int = 0
    k: list[int] | None = None
    queries: list[str] | None = None
    rank_by: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None
    store: str = ".evalkit"
    reuse: bool = True
    theme: str = "light"


def register() -> None:
    """Make the schemas known to Hydra under the names that conf/config.yaml and conf/hydra/launcher begin with."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    store.store(name="evalkit_schema", node=Schema, provider="evalkit")
    launchers.register()
