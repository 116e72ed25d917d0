"""Scores that are means over texts through a neighbour graph, under any labelling.

Shared by the neighbour scores of the embedding and by the neighbourhood hit on the map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.stats.permutation import Statistic
from evalkit.stats.ranking_depth import r_places
from evalkit.types import NeighbourGraph

__all__ = ["SMALL", "LabelledGraph", "label_statistic"]

Floats = NDArray[np.float64]
THREADS = 2
SMALL = 128  # up to so many texts plain arrays beat loading the compiled loops


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGraph:
    """A neighbour graph laid out for the compiled loops, and what the label sizes fix.

    Attributes
    ----------
    arrays
        (indices, joined, tie_of, starts, members, complement, counts).
    queries
        (Q,) text numbers of the rows.
    size, sampled
        N, and whether the rows are a sample of the texts.
    sizes, places
        (n_labels,) texts and R of each label; R is 0 for a label of one text, and everywhere where
        R-scores are not asked for.
    after
        (n_labels,) R once the label has lost a text.
    ks
        K of precision at K, ascending.
    """

    arrays: tuple[NDArray[Any], ...]
    queries: NDArray[np.int64]
    size: int
    sampled: bool
    sizes: NDArray[np.int64]
    places: NDArray[np.int64]
    after: NDArray[np.int64]
    ks: NDArray[np.int64]

    @staticmethod
    def of(graph: NeighbourGraph, sizes: NDArray[np.int64], ks: Sequence[int], *, r_scores: bool) -> LabelledGraph:
        """Lay the graph out.

        Raises
        ------
        EvaluationError
            The graph is not as deep as the scores need.
        """
        places = r_places(sizes)[0] if r_scores else np.zeros_like(sizes)
        after = np.minimum(np.maximum(sizes - 2, 0), places)
        depth = graph.indices.shape[1]
        needed = min(max(int(places.max()), *ks) + 1, graph.size - 1)
        if depth < needed:
            raise EvaluationError(f"The neighbour graph lists {depth} neighbours a text, the scores need {needed}.")
        joined = np.zeros(graph.indices.shape, dtype=np.bool_)
        joined[:, 1:] = graph.similarities[:, 1:] == graph.similarities[:, :-1]
        rows = graph.indices.shape[0]
        tie_of = np.full(rows, -1, dtype=np.int64)
        tie_of[graph.ties.rows] = np.arange(graph.ties.rows.size)
        ties = graph.ties
        lists = (ties.starts, ties.members, ties.complement, ties.counts)
        # A copy of what the store maps read-only would cost memory: the loops only read.
        arrays = tuple(np.asarray(array) for array in (graph.indices, joined, tie_of, *lists))
        queries = np.arange(rows, dtype=np.int64) if graph.queries is None else np.asarray(graph.queries)
        return LabelledGraph(
            arrays, queries, graph.size, graph.queries is not None, sizes, places, after, np.array(sorted(ks), np.int64)
        )

    def part(self, rows: slice) -> tuple[NDArray[Any], ...]:
        """The arrays of some rows."""
        return (*(array[rows] for array in self.arrays[:3]), *self.arrays[3:])

    def label_weights(self, drawn: NDArray[np.int64]) -> Floats:
        """(2, len(ks) + 2, n_labels, …) weight of a label's mean in the micro (0) and the macro (1) score.

        Parameters
        ----------
        drawn
            (n_labels, …) rows that bear each label; labels without a row (or, in R-scores, without an R)
            have no weight.
        """
        shape = (2, self.ks.size + 2, *drawn.shape)
        weights = np.zeros(shape)
        broad = self.sizes.reshape(-1, *[1] * (drawn.ndim - 1))
        for score in range(shape[1]):
            used = drawn > 0
            if score >= self.ks.size:
                used = used & (self.places > 0).reshape(broad.shape)
            weights[0, score] = broad * used
            weights[1, score] = used
        total = weights.sum(axis=2, keepdims=True)
        shares: Floats = np.divide(weights, total, out=np.zeros(shape), where=total > 0)
        return shares


def label_statistic(graph: LabelledGraph, names: Sequence[str]) -> Statistic:
    """Labellings → micro and macro scores (``name`` and ``name_macro``), for `permute_scores`.

    Parameters
    ----------
    names
        One for each K, then R-precision's and MAP@R's (left out where there are no more names).
    """
    sum_by_label = _plain_sums(graph) if graph.size <= SMALL else _compiled_sums(graph)

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        columns = np.ascontiguousarray(labellings.T)
        codes = np.arange(graph.sizes.size)[:, None]
        drawn = np.broadcast_to(graph.sizes[:, None], (graph.sizes.size, len(labellings)))
        if graph.sampled:
            drawn = np.stack([(columns[graph.queries] == code).sum(axis=0) for code in codes])
        means = sum_by_label(columns) / np.maximum(drawn, 1)
        found = (graph.label_weights(drawn) * means).sum(axis=2)
        return {
            name + suffix: found[kind, score]
            for kind, suffix in enumerate(("", "_macro"))
            for score, name in enumerate(names)
        }

    return statistic


def _plain_sums(graph: LabelledGraph) -> Callable[[NDArray[np.int32]], Floats]:
    """(N, P) labellings → (len(ks) + 2, n_labels, P) sums of the rows' scores by label."""
    from evalkit.stats.small_graphs import complete_lists, score_places, score_rows, untied_depth

    order, groups = complete_lists(graph.arrays, graph.queries, graph.size)
    depth = untied_depth(groups, graph.ks, int(graph.places.max()))

    def sums(columns: NDArray[np.int32]) -> Floats:
        own = columns[graph.queries]
        if depth is None:
            relevant = columns.T[:, order] == own.T[:, :, None]
            rows = score_rows(relevant, groups, graph.places[own.T], graph.ks).swapaxes(1, 2)
        else:  # nothing is looked up that no score looks at
            by_place = (columns[order[:, place]] == own for place in range(depth))
            rows = score_places(by_place, graph.places[own], np.minimum(graph.ks, depth))
        return np.stack([(rows * (own == label)).sum(axis=1) for label in range(graph.sizes.size)], axis=1)

    return sums


def _compiled_sums(graph: LabelledGraph) -> Callable[[NDArray[np.int32]], Floats]:
    """The same by the compiled loop, the rows shared by the threads."""
    from evalkit.stats.ranking_loops import sum_labellings

    middle = graph.queries.size // THREADS
    parts = [slice(t * middle, (t + 1) * middle if t + 1 < THREADS else None) for t in range(THREADS)]

    def sums(columns: NDArray[np.int32]) -> Floats:
        found = np.zeros((THREADS, graph.ks.size + 2, graph.sizes.size, columns.shape[1]))

        def add(thread: int) -> None:
            rows = parts[thread]
            sum_labellings(
                graph.part(rows), graph.queries[rows], columns, graph.sizes, graph.places, graph.ks, found[thread]
            )

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(add, range(THREADS)))
        total: Floats = found.sum(axis=0)
        return total

    return sums
