"""Scores that are means over texts through a neighbour graph, under any labelling.

Shared by the neighbour scores of the embedding and by the neighbourhood hit on the map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvaluationError
from evalkit.stats.permutation import Statistic
from evalkit.types import Codes, NeighbourGraph

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Result = TypeVar("Result")
THREADS = 2
LONGEST_R, CAPPED_R = 2048, 1000


def r_places(sizes: Integers) -> tuple[Integers, bool]:
    """R of every label, its size less one, and whether it was capped: at 1,000 where a label has more than 2,049."""
    places = np.maximum(np.asarray(sizes, dtype=np.int64) - 1, 0)
    capped = bool(places.size and places.max() > LONGEST_R)
    return (np.minimum(places, CAPPED_R) if capped else places), capped


def graph_depth(labels: Codes, ks: Sequence[int]) -> int:
    """Neighbours a text that the scores at `ks` and, with one more, their jackknife need; at most N − 1."""
    places, _ = r_places(np.bincount(labels))
    deepest = max([10, int(places.max()), *ks])  # hubness and faithfulness need 10 in any case
    return int(min(deepest + 1, labels.size - 1))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGraph:
    """A neighbour graph in the form that the compiled loops read, and what the label sizes determine.

    `arrays` are (indices, joined, tie_of, starts, members, complement, counts): (Q, K) neighbours, whether each is
    tied with the one before it, the row's entry in the lists of unlisted ties (−1: none), and those lists (`Ties`).
    """

    arrays: tuple[NDArray[Any], ...]
    queries: Integers  # (Q,) text numbers of the rows
    size: int  # N
    sampled: bool  # whether the rows are a sample of the texts
    sizes: Integers  # (n_labels,) texts of each label
    places: Integers  # (n_labels,) R; 0 for a label of one text, and for all where no R-scores are computed
    after: Integers  # (n_labels,) R of each label once it has lost a text
    ks: Integers  # K of precision at K, ascending

    @staticmethod
    def of(graph: NeighbourGraph, sizes: Integers, ks: Sequence[int], *, r_scores: bool) -> LabelledGraph:
        """Convert a graph; one that lists fewer neighbours than the scores need is refused."""
        places = r_places(sizes)[0] if r_scores else np.zeros_like(sizes)
        after = np.minimum(np.maximum(sizes - 2, 0), places)
        depth = graph.indices.shape[1]
        needed = min(max(int(places.max()), *ks) + 1, graph.size - 1)
        if depth < needed:
            raise EvaluationError(f"The neighbour graph lists {depth} neighbours a text, the scores need {needed}.")
        joined = np.zeros(graph.indices.shape, dtype=np.bool_)
        joined[:, 1:] = graph.similarities[:, 1:] == graph.similarities[:, :-1]
        rows, ties = graph.indices.shape[0], graph.ties
        tie_of = np.full(rows, -1, dtype=np.int64)
        tie_of[ties.rows] = np.arange(ties.rows.size)
        lists = (ties.starts, ties.members, ties.complement, ties.counts)
        # asarray turns a memory map of the store into a plain array without a copy: the loops only read.
        arrays = tuple(np.asarray(array) for array in (graph.indices, joined, tie_of, *lists))
        queries = np.arange(rows, dtype=np.int64) if graph.queries is None else np.asarray(graph.queries)
        return LabelledGraph(
            arrays, queries, graph.size, graph.queries is not None, sizes, places, after, np.array(sorted(ks), np.int64)
        )

    def part(self, rows: slice) -> tuple[NDArray[Any], ...]:
        """The arrays of some rows."""
        return (*(array[rows] for array in self.arrays[:3]), *self.arrays[3:])

    def label_weights(self, drawn: Integers) -> Floats:
        """(2, len(ks) + 2, n_labels, …) weight of a label's mean in the micro (0) and the macro (1) score.

        A label without a row in `drawn` (n_labels, …) or, for R-scores, without an R, has weight 0.
        """
        shape = (2, self.ks.size + 2, *drawn.shape)
        sizes, places = (each.reshape(-1, *[1] * (drawn.ndim - 1)) for each in (self.sizes, self.places))
        used = np.broadcast_to(drawn > 0, shape).copy()
        used[:, self.ks.size :] &= places > 0
        weights = used * np.stack([np.broadcast_to(sizes, drawn.shape), np.ones_like(drawn)])[:, None]
        total = weights.sum(axis=2, keepdims=True)
        shares: Floats = np.divide(weights, total, out=np.zeros(shape), where=total > 0)
        return shares


def map_rows(graph: LabelledGraph, function: Callable[[slice], Result]) -> list[Result]:
    """Results of `function` on as many equal parts of the rows as there are threads, computed in parallel."""
    cuts = np.linspace(0, graph.queries.size, THREADS + 1).astype(np.int64)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, map(slice, cuts[:-1], cuts[1:])))


def label_statistic(graph: LabelledGraph, names: Sequence[str]) -> Statistic:
    """Labellings → micro and macro scores (``name`` and ``name_macro``), for `permute_scores`.

    `names` are one for each K, then those of R-precision and MAP@R (only names that are given are returned).
    """
    from evalkit.stats.ranking_loops import sum_labellings

    n_labels = graph.sizes.size

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        # The loops read a column for each neighbour: as bytes, the columns stay in the processor's cache.
        columns = np.ascontiguousarray(labellings.T.astype(np.min_scalar_type(n_labels - 1)))

        def sums_of(rows: slice) -> Floats:
            sums = np.zeros((graph.ks.size + 2, n_labels, len(labellings)))
            sum_labellings(graph.part(rows), graph.queries[rows], columns, graph.sizes, graph.places, graph.ks, sums)
            return sums

        drawn = np.stack([np.count_nonzero(columns[graph.queries] == label, axis=0) for label in range(n_labels)])
        means = sum(map_rows(graph, sums_of)) / np.maximum(drawn, 1)
        scores = (graph.label_weights(drawn) * means).sum(axis=2)
        return {
            name + suffix: scores[kind, score]
            for kind, suffix in enumerate(("", "_macro"))
            for score, name in enumerate(names)
        }

    return statistic
