"""Every text's part in a score that is a mean over texts through a neighbour graph.

Leaving text m out changes m's own value's weight, and the values of all texts that list it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.stats import labelled_graph as graph_scores
from evalkit.stats.labelled_graph import THREADS, LabelledGraph
from evalkit.types import Codes

__all__ = ["Jackknife", "jackknife"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Jackknife:
    """The scores of a labelling, and each text's part in them.

    Attributes
    ----------
    values
        (len(ks) + 2, Q) a row's scores.
    means
        (2, len(ks) + 2) micro and macro scores.
    pseudo
        (2, len(ks) + 2, N) delete-one pseudo-values; their variance over N overstates the score's.
    second_order
        (2, len(ks) + 2) the part of that variance which belongs to pairs of texts, and is counted twice in it.
    """

    values: Floats
    means: Floats
    pseudo: Floats
    second_order: Floats


def jackknife(graph: LabelledGraph, labels: Codes) -> Jackknife:
    """Delete every text once, re-counting on the next-deeper neighbours: O(N·K).

    Parameters
    ----------
    labels
        (N,) codes.

    Notes
    -----
    The pseudo-value of text m is θ + (N − 1)(θ − θ₍₋ₘ₎). On a sample of rows the score is a stratified
    mean; deleting an unsampled text still changes the rows that list it.

    A label of two texts keeps its survivor's R-score when one of them is deleted (it would have none).
    """
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    n = graph.size
    drawn = np.bincount(labels[graph.queries], minlength=graph.sizes.size)
    weights = graph.label_weights(drawn) / np.maximum(drawn, 1)  # of a row
    others, own = _weights_after(graph, drawn, weights)
    delete = _delete_plainly if n <= graph_scores.SMALL else _delete_compiled
    values, totals, squares = delete(graph, labels, np.stack([others, own], axis=2))
    bearer = labels[graph.queries]
    sums = np.stack([np.bincount(bearer, weights=row, minlength=graph.sizes.size) for row in values])
    by_label: Floats = sums / np.maximum(drawn, 1)
    means = (graph.label_weights(drawn) * by_label).sum(axis=2)
    centres = np.repeat(means[:, :, None], graph.sizes.size, axis=2)
    if not graph.sampled:
        centres[1] = by_label
    gain = -totals
    gain[:, :, graph.queries] += own[:, :, bearer] * (values - centres[:, :, bearer])
    return Jackknife(values, means, means[:, :, None] + (n - 1) * gain, squares)


def _delete_plainly(graph: LabelledGraph, labels: Codes, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Row scores (S, Q), weighted changes (2, S, N) and squared changes (2, S), from a dense (S, Q, N)."""
    from evalkit.stats.small_graphs import complete_lists, delete_each

    order, groups = complete_lists(graph.arrays, graph.queries, graph.size)
    values, changes = delete_each(order, groups, graph.queries, labels, graph.places, graph.after, graph.ks)
    own = labels[graph.queries]
    same = own[:, None] == labels
    totals = np.einsum("wsq,sqn->wsn", weights[:, :, 1, own], changes * same)
    totals += np.einsum("wsq,sqn->wsn", weights[:, :, 0, own], changes * ~same)
    squares = np.zeros(changes.shape[:2])
    other_than_self = np.arange(labels.size) != graph.queries[:, None]
    for members in (same & other_than_self, ~same):
        count = np.maximum(members.sum(axis=1), 1)
        squares += ((changes**2) * members).sum(axis=2) - (changes * members).sum(axis=2) ** 2 / count
    return values, totals, np.einsum("wsq,sq->ws", weights[:, :, 0, own] ** 2, squares)


def _delete_compiled(graph: LabelledGraph, labels: Codes, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """The same in O(N·K), the rows shared by the threads."""
    from evalkit.stats.jackknife_loops import delete_each

    by_score = np.ascontiguousarray(weights.swapaxes(0, 1))
    cuts = np.linspace(0, graph.queries.size, THREADS + 1).astype(np.int64)

    def delete(thread: int) -> tuple[Floats, Floats, Floats]:
        rows = slice(cuts[thread], cuts[thread + 1])
        queries, scores = graph.queries[rows], graph.ks.size + 2
        values = np.zeros((scores, queries.size))
        totals, squares = np.zeros((scores, 2, graph.size)), np.zeros((scores, 2))
        delete_each(
            graph.part(rows), queries, labels, graph.sizes, graph.places, graph.after, graph.ks,
            by_score, values, totals, squares,
        )  # fmt: skip
        return values, totals, squares

    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(delete, range(THREADS)))
    values, totals, squares = (list(each) for each in zip(*parts, strict=True))
    return np.concatenate(values, axis=1), np.ascontiguousarray(sum(totals).swapaxes(0, 1)), sum(squares).T


def _weights_after(graph: LabelledGraph, drawn: NDArray[np.int64], weights: Floats) -> tuple[Floats, Floats]:
    """A row's weight once a text of another label, or of its own label, is deleted."""
    others, own = weights.copy(), weights.copy()
    if graph.sampled:
        return others, own
    scored = np.where(weights[0] > 0, drawn, 0).sum(axis=1)[:, None]
    others[0] = own[0] = weights[0] * (scored / np.maximum(scored - 1, 1))
    own[1] = weights[1] * (drawn / np.maximum(drawn - 1, 1))
    return others, own
