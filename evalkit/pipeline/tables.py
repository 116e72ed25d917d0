"""A finished evaluation as tables: a row a text, a label, a pair of labels, a query's neighbour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.datasets.corpus import Corpus
from evalkit.metrics.label_neighbours import neighbour_confusion
from evalkit.pipeline.embed import Embedded
from evalkit.types import Evaluation, NeighbourGraph, Projection

LISTED = 10  # neighbours of each text that texts.parquet keeps, by which models are compared


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What the tables are made of."""

    corpus: Corpus
    embedded: Embedded
    projection: Projection
    evaluations: Mapping[str, Evaluation]
    graph: NeighbourGraph

    def per_text(self) -> dict[str, NDArray[Any]]:
        """All evaluators' columns, in order."""
        return {name: column for part in self.evaluations.values() for name, column in part.per_text.items()}


def text_table(parts: Parts) -> pd.DataFrame:
    """A row a text: text, label, x, y, the per-text scores, and its nearest texts' row numbers."""
    corpus, points, graph = parts.corpus, parts.projection.points, parts.graph
    labels = np.asarray(corpus.label_names, dtype=object)[corpus.labels]
    table = pd.DataFrame(
        {"text": list(corpus.texts), "label": labels, "x": points[:, 0], "y": points[:, 1], **parts.per_text()}
    )
    rows = range(len(table)) if graph.queries is None else graph.queries.tolist()
    near = dict(zip(rows, graph.indices[:, :LISTED], strict=True))
    table["neighbours"] = [near.get(row) for row in range(len(table))]
    return table


def confusion_table(parts: Parts) -> pd.DataFrame:
    """Labels × labels: share of a label's 10 nearest neighbours that bear the other label."""
    names = list(parts.corpus.label_names)
    shares = neighbour_confusion(parts.graph, parts.corpus.labels, len(names))
    return pd.DataFrame(shares, index=names, columns=names)


def label_table(parts: Parts, confusion: pd.DataFrame) -> pd.DataFrame:
    """A row a label: size, mean of each per-text score, and the label that it is most confused with."""
    names = np.asarray(parts.corpus.label_names, dtype=object)
    labels = parts.corpus.labels
    scores = {name: column for name, column in parts.per_text().items() if not name.endswith(".pseudo")}
    means = pd.DataFrame(scores, dtype=np.float64).groupby(labels).mean() if scores else pd.DataFrame()
    others = confusion.to_numpy(copy=True)
    np.fill_diagonal(others, -1.0)
    share = np.maximum(others.max(axis=1), 0.0)
    columns: dict[str, Any] = {
        "label": names,
        "size": np.bincount(labels, minlength=len(names)),
        **{str(name): means[name].to_numpy() for name in means},
        "confused_with": np.where(share > 0, names[others.argmax(axis=1)], ""),
        "confused_share": share,
    }
    for part in parts.evaluations.values():
        for name, column in part.per_label.items():
            coded = np.issubdtype(column.dtype, np.integer)
            columns[name] = np.where(column >= 0, names[column], "") if coded else column
    return pd.DataFrame(columns)


def pair_table(parts: Parts) -> pd.DataFrame:
    """A row a pair of labels whose hulls overlap on the map, the largest overlap first."""
    names = np.asarray(parts.corpus.label_names, dtype=object)
    for part in parts.evaluations.values():
        if part.pairs:
            pairs = dict(part.pairs)
            table = pd.DataFrame({"label_a": names[pairs.pop("a")], "label_b": names[pairs.pop("b")], **pairs})
            return table.sort_values("iou", ascending=False, kind="stable", ignore_index=True)
    return pd.DataFrame(
        columns=["label_a", "label_b", "intersection", "iou", "accuracy", "chance", "ci_low", "ci_high"]
    )


def query_neighbours(parts: Parts, k: int) -> list[dict[str, Any]]:
    """The k nearest texts of each query by cosine, equally near ones in the order of their rows."""
    if parts.embedded.queries is None:
        return []
    corpus, unit = parts.corpus, parts.embedded.embedding.unit
    names, codes = corpus.label_names, corpus.labels
    listed = []
    for query, vector in zip(corpus.queries, parts.embedded.queries, strict=True):
        similarities = unit @ vector
        neighbours = [
            {"text": corpus.texts[row], "label": names[codes[row]], "similarity": float(similarities[row])}
            for row in np.argsort(-similarities, kind="stable")[:k]
        ]
        listed.append({"query": query, "neighbours": neighbours})
    return listed


def topic_rows(parts: Parts) -> list[dict[str, Any]]:
    """Each label's nearest other label by centroid, whether that is mutual, and how likely by chance."""
    names, columns = parts.corpus.label_names, parts.evaluations["topics"].per_label
    fields = {"similarity": float, "mutual": bool, "chance": float, "p_value": float}
    return [
        {"label": names[label], "nearest": names[nearest]}
        | {field: kind(columns[f"nearest_topic.{field}"][label]) for field, kind in fields.items()}
        for label, nearest in enumerate(columns["nearest_topic"])
        if nearest >= 0
    ]
