"""Delete-one jackknife of scores that are means over texts through a neighbour graph.

Deleting text m removes m's own value and changes the values of all texts that list it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.labelled_graph import LabelledGraph, map_rows
from evalkit.types import Codes

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Jackknife:
    """The S = len(ks) + 2 scores of a labelling, and the contribution of each text."""

    values: Floats  # (S, Q) scores of each row
    means: Floats  # (2, S) micro and macro scores
    pseudo: Floats  # (2, S, N) delete-one pseudo-values; their variance over N overstates the score's
    second_order: Floats  # (2, S) part of that variance which belongs to pairs of texts, and is counted twice in it


def jackknife(graph: LabelledGraph, labels: Codes) -> Jackknife:
    """Delete every text once, re-counting on the next-deeper neighbours: O(N·K).

    The pseudo-value of text m is θ + (N − 1)(θ − θ₍₋ₘ₎). On a sample of rows the score is a stratified mean; deleting
    an unsampled text still changes the rows that list it. A label of two texts keeps its survivor's R-score.
    """
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    n_labels, bearer = graph.sizes.size, labels[graph.queries]
    drawn = np.bincount(bearer, minlength=n_labels)
    by_label = graph.label_weights(drawn)
    others, own = _weights_after(graph, drawn, by_label / np.maximum(drawn, 1))
    values, totals, squares = _delete_each(graph, labels, np.stack([others, own], axis=2))
    sums = np.stack([np.bincount(bearer, weights=row, minlength=n_labels) for row in values])
    label_means: Floats = sums / np.maximum(drawn, 1)
    means = (by_label * label_means).sum(axis=2)
    centres = np.repeat(means[:, :, None], n_labels, axis=2)
    if not graph.sampled:
        centres[1] = label_means
    gain = -totals
    gain[:, :, graph.queries] += own[:, :, bearer] * (values - centres[:, :, bearer])
    return Jackknife(values, means, means[:, :, None] + (graph.size - 1) * gain, squares)


def _delete_each(graph: LabelledGraph, labels: Codes, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Row scores (S, Q), weighted changes by absent text (2, S, N) and squared changes (2, S)."""
    from evalkit.stats.jackknife_loops import delete_each

    by_score = np.ascontiguousarray(weights.swapaxes(0, 1))
    n_scores = len(by_score)

    def delete(rows: slice) -> tuple[Floats, Floats, Floats]:
        queries = graph.queries[rows]
        values, totals = np.zeros((n_scores, queries.size)), np.zeros((graph.size, n_scores, 2))
        squares = np.zeros((n_scores, 2))
        delete_each(
            graph.part(rows), queries, labels, graph.sizes, graph.places, graph.after, graph.ks, by_score,
            values, totals, squares,
        )  # fmt: skip
        return values, totals, squares

    values, totals, squares = zip(*map_rows(graph, delete), strict=True)
    return np.concatenate(values, axis=1), np.ascontiguousarray(sum(totals).T), sum(squares).T


def _weights_after(graph: LabelledGraph, drawn: NDArray[np.int64], weights: Floats) -> tuple[Floats, Floats]:
    """(2, S, n_labels) weight of a row once a text of another label, or of its own label, is deleted."""
    others, own = weights.copy(), weights.copy()
    if graph.sampled:
        return others, own
    scored = np.where(weights[0] > 0, drawn, 0).sum(axis=1)[:, None]
    others[0] = own[0] = weights[0] * (scored / np.maximum(scored - 1, 1))
    own[1] = weights[1] * (drawn / np.maximum(drawn - 1, 1))
    return others, own
