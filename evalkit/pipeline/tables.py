"""A finished evaluation as tables: a row a text, a label, a pair of labels, a query's neighbour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.metrics.confusion import neighbour_confusion
from evalkit.pipeline.embed import Embedded
from evalkit.types import Corpus, Evaluation, NeighbourGraph, Projection

__all__ = ["Parts", "confusion_table", "label_table", "pair_table", "query_neighbours", "text_table", "topic_rows"]

LISTED = 10
"""Neighbours of each text that texts.parquet keeps, which models are compared by."""


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
    corpus = parts.corpus
    names = np.asarray(corpus.label_names, dtype=object)
    columns: dict[str, Any] = {
        "text": list(corpus.texts),
        "label": names[corpus.labels],
        "x": parts.projection.points[:, 0],
        "y": parts.projection.points[:, 1],
    }
    columns.update(parts.per_text())
    table = pd.DataFrame(columns)
    near = np.asarray(parts.graph.indices[:, :LISTED])
    if parts.graph.queries is None:
        table["neighbours"] = list(near)
    else:
        listed: list[Any] = [None] * len(table)
        for row, entries in zip(parts.graph.queries, near, strict=True):
            listed[int(row)] = entries
        table["neighbours"] = listed
    return table


def confusion_table(parts: Parts) -> pd.DataFrame:
    """Labels × labels: share of a label's 10 nearest neighbours that bear the other label."""
    names = list(parts.corpus.label_names)
    shares = neighbour_confusion(parts.graph, parts.corpus.labels, len(names))
    return pd.DataFrame(shares, index=names, columns=names)


def label_table(parts: Parts, confusion: pd.DataFrame) -> pd.DataFrame:
    """A row a label: size, mean of each per-text score, and the label that it is most confused with."""
    corpus = parts.corpus
    n_labels = len(corpus.label_names)
    columns: dict[str, Any] = {
        "label": list(corpus.label_names),
        "size": np.bincount(corpus.labels, minlength=n_labels),
    }
    for name, column in parts.per_text().items():
        if not name.endswith(".pseudo"):
            columns[name] = _mean_by_label(column, corpus.labels, n_labels)
    others = confusion.to_numpy(copy=True)
    np.fill_diagonal(others, -1.0)
    worst = others.argmax(axis=1)
    share = others.max(axis=1)
    columns["confused_with"] = [corpus.label_names[w] if s > 0 else "" for w, s in zip(worst, share, strict=True)]
    columns["confused_share"] = np.maximum(share, 0.0)
    for part in parts.evaluations.values():
        for name, column in part.per_label.items():
            coded = np.issubdtype(column.dtype, np.integer)
            columns[name] = [corpus.label_names[code] if code >= 0 else "" for code in column] if coded else column
    return pd.DataFrame(columns)  # at once: a column set after the others takes as long as all of them


def _mean_by_label(column: NDArray[Any], labels: NDArray[Any], n_labels: int) -> NDArray[np.float64]:
    values = np.asarray(column, dtype=np.float64)
    known = np.isfinite(values)
    counts = np.bincount(labels[known], minlength=n_labels)
    sums = np.bincount(labels[known], weights=values[known], minlength=n_labels)
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(n_labels, np.nan), where=counts > 0)
    return means


def pair_table(parts: Parts) -> pd.DataFrame:
    """A row a pair of labels whose hulls overlap on the map, the largest overlap first."""
    columns = ["label_a", "label_b", "intersection", "iou", "accuracy", "chance", "ci_low", "ci_high"]
    names = np.asarray(parts.corpus.label_names, dtype=object)
    for part in parts.evaluations.values():
        if part.pairs:
            pairs = dict(part.pairs)
            table = pd.DataFrame({"label_a": names[pairs.pop("a")], "label_b": names[pairs.pop("b")], **pairs})
            return table.sort_values("iou", ascending=False, kind="stable", ignore_index=True)
    return pd.DataFrame({name: [] for name in columns})


def query_neighbours(parts: Parts, k: int) -> list[dict[str, Any]]:
    """The k nearest texts of each query by cosine, equally near ones in the order of their rows."""
    queries = parts.embedded.queries
    if queries is None:
        return []
    corpus, unit = parts.corpus, parts.embedded.embedding.unit
    listed = []
    for query, vector in zip(corpus.queries, queries, strict=True):
        similarities = unit @ vector
        count = min(k, len(similarities))
        nearest = np.argpartition(-similarities, count - 1)[:count] if count < len(similarities) else np.arange(count)
        nearest = nearest[np.lexsort((nearest, -similarities[nearest]))]
        neighbours = [
            {
                "text": corpus.texts[row],
                "label": corpus.label_names[corpus.labels[row]],
                "similarity": float(similarities[row]),
            }
            for row in nearest
        ]
        listed.append({"query": query, "neighbours": neighbours})
    return listed


def topic_rows(parts: Parts) -> list[dict[str, Any]]:
    """Each label's nearest other label by centroid, whether that is mutual, and how likely by chance."""
    columns = parts.evaluations["topics"].per_label
    names = parts.corpus.label_names
    return [
        {
            "label": names[label],
            "nearest": names[nearest],
            "similarity": float(columns["nearest_topic.similarity"][label]),
            "mutual": bool(columns["nearest_topic.mutual"][label] == 1),
            "chance": float(columns["nearest_topic.chance"][label]),
            "p_value": float(columns["nearest_topic.p_value"][label]),
        }
        for label, nearest in enumerate(columns["nearest_topic"])
        if nearest >= 0
    ]
