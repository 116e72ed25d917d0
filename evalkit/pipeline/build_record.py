"""An evaluation's outcome → its `Record`: settings, corpus, encoder, scores and warnings as JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.datasets.corpus import Corpus
from evalkit.errors import RequestError
from evalkit.pipeline.embed import Embedded
from evalkit.pipeline.identity import encoder_material, environment
from evalkit.pipeline.request import Prepared
from evalkit.store import digest
from evalkit.types import EncoderIdentity, Record
from evalkit.version import __version__

if TYPE_CHECKING:
    from evalkit.pipeline.tables import Parts


def record_of(
    prepared: Prepared,
    parts: Parts,
    queries: Sequence[Mapping[str, Any]],
    topics: Sequence[Mapping[str, Any]],
    seconds: Mapping[str, float],
    more_warnings: Sequence[str],
) -> Record:
    """The record of an evaluation; `queries` and `topics` are rows of tables, `seconds` the duration of each stage."""
    projection, evaluations = parts.projection, parts.evaluations.values()
    return Record(
        identity=prepared.identity,
        evalkit_version=__version__,
        settings=settings_entry(prepared),
        corpus=corpus_entry(parts.corpus),
        encoder=_encoder_entry(prepared.encoder, parts.embedded),
        projection={"name": projection.name, "seed": projection.seed, "parameters": dict(projection.parameters)},
        scores=tuple(score for evaluation in evaluations for score in evaluation.scores),
        queries=tuple(queries),
        timings={name: round(taken, 4) for name, taken in seconds.items()},
        environment=environment(),
        warnings=tuple(dict.fromkeys([*_warnings(prepared, parts), *more_warnings])),
        topics=tuple(topics),
    )


def settings_entry(prepared: Prepared) -> dict[str, Any]:
    """The record's ``settings``: those of the request, K resolved, and the model's short name."""
    return {**prepared.request.described, "k": list(prepared.k), "model_label": prepared.request.model}


def corpus_entry(corpus: Corpus) -> dict[str, Any]:
    """The record's ``corpus``."""
    return {
        "name": corpus.name,
        "fingerprint": corpus.fingerprint,
        "texts": len(corpus.texts),
        "labels": len(corpus.label_names),
        "dropped": int(sum(n for reason, n in corpus.dropped.items() if reason != "limit")),
        "dropped_by_reason": dict(corpus.dropped),
        "label_names": list(corpus.label_names),
    }


def _encoder_entry(identity: EncoderIdentity, embedded: Embedded) -> dict[str, Any]:
    encoding, dimension = embedded.encoding, int(embedded.embedding.raw.shape[1])
    return {
        **dataclasses.asdict(identity),
        "dimension": dimension,
        "truncated_share": embedded.truncated_share,
        "parameters": identity.parameters if encoding.parameters is None else encoding.parameters,
        "texts_per_second": embedded.encoded / encoding.seconds if encoding.seconds > 0 else None,
        "bytes_per_text": 4 * dimension,
        "key": embedded.embedding.key,
        "material": digest(encoder_material(identity)),
    }


def _warnings(prepared: Prepared, parts: Parts) -> Iterator[str]:
    corpus, encoder, share = parts.corpus, prepared.encoder, parts.embedded.truncated_share
    if repeated := corpus.dropped.get("duplicates", 0):
        yield f"{repeated} of {corpus.source_rows} rows repeat an earlier row's text and label, and count once."
    yield from corpus.warnings
    yield from prepared.warnings
    if share > 0.01:
        yield (
            f"{share:.0%} of the texts were cut at {encoder.max_length} tokens by {encoder.name}: "
            "their ends do not count (split them, or choose a model with a longer input)."
        )
    yield from parts.projection.warnings
    for evaluation in parts.evaluations.values():
        yield from evaluation.warnings


def check_rank_by(record: Record, rank_by: str) -> None:
    """Refuse a `rank_by` that is no score of the record, or one that ranks no models."""
    ranks_models = {score.name: score.ranks_models for score in record.scores}
    able = ", ".join(name for name, ranks in ranks_models.items() if ranks)
    if rank_by not in ranks_models:
        raise RequestError(f"rank_by={rank_by} is no score of this run: choose one of {able}.")
    if not ranks_models[rank_by]:
        raise RequestError(f"rank_by={rank_by} is a diagnostic, which ranks no models: choose one of {able}.")


def rank_value(record: Record, rank_by: str) -> float:
    """Value of the score that models are ranked by, which Hydra's sweepers optimise; NaN where undefined."""
    value = next((score.value for score in record.scores if score.name == rank_by), None)
    return float("nan") if value is None else value
