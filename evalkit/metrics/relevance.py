"""Compiled loops over the neighbour graph: every labelling's neighbour scores, in expectation over tied texts.

Texts tied with one another stand in random order, so what is at a place of a group of g texts, s of them
of the query's label, is an expectation: a relevant text with probability s/g, and, given that one stands
there, (t − 1)(s − 1)/(g − 1) more among the t − 1 group members before it.

Imported only where a score is computed: compiling takes seconds once, loading the compiled code a moment.

References
----------
McSherry & Najork 2008, "Computing information retrieval performance measures efficiently in the presence
of tied scores", ECIR.
"""

from __future__ import annotations

import numpy as np

from evalkit.compiled import compiled_exactly

__all__ = ["group_end", "sum_labellings"]


@compiled_exactly
def group_end(joined, row, start):  # type: ignore[no-untyped-def]
    """One past the last listed place of the tied group that begins at `start`."""
    end = start + 1
    while end < joined.shape[1] and joined[row, end]:
        end += 1
    return end


@compiled_exactly
def _count(labellings, texts, own, out):  # type: ignore[no-untyped-def]
    out[:] = 0.0
    for text in texts:
        for p in range(out.size):
            out[p] += 1.0 if labellings[text, p] == own[p] else 0.0


@compiled_exactly
def _count_group(labellings, listed, unlisted, complement, own, sizes, hits, group, rest):  # type: ignore[no-untyped-def]
    """Relevant texts of a tied group, listed and unlisted, under every labelling."""
    _count(labellings, listed, own, group)
    if unlisted.size or complement:
        _count(labellings, unlisted, own, rest)
        for p in range(own.size):
            # All other texts of the label that are neither before the group nor farther than it.
            group[p] = sizes[own[p]] - 1 - hits[p] - rest[p] if complement else group[p] + rest[p]


@compiled_exactly
def _add_place(place, own, other, limit, hits, at_r, average):  # type: ignore[no-untyped-def]
    """A place held by one text: no ties."""
    inverse, here = 1.0 / (place + 1), np.int32(place)
    for p in range(own.size):
        found = 1.0 if other[p] == own[p] else 0.0
        hits[p] += found
        counted = found if here < limit[p] else 0.0
        at_r[p] += counted
        average[p] += counted * hits[p] * inverse


@compiled_exactly
def _add_tied_place(place, start, size, group, before, limit, hits, at_r, average):  # type: ignore[no-untyped-def]
    """A place inside a tied group of `size` texts, `group` of them relevant, `before` of them ahead of it."""
    inverse = 1.0 / (place + 1)
    for p in range(limit.size):
        rate = group[p] / size
        hits[p] = before[p] + rate * (place + 1 - start)
        counted = rate if place < limit[p] else 0.0
        at_r[p] += counted
        average[p] += counted * (before[p] + 1.0 + (place - start) * (group[p] - 1.0) / (size - 1.0)) * inverse


@compiled_exactly
def _add_by_label(sums, own, values, divisors):  # type: ignore[no-untyped-def]
    for p in range(own.size):
        if divisors[p] > 0:
            sums[own[p], p] += values[p] / divisors[p]


@compiled_exactly
def sum_labellings(graph, queries, labellings, sizes, places, ks, sums):  # type: ignore[no-untyped-def]
    """Add every labelling's scores, summed by label, to `sums`.

    Parameters
    ----------
    graph
        (indices, joined, tie_of, starts, members, complement, counts): (Q, K) neighbours, whether each is
        tied with the one before it, the row's entry in the lists of unlisted ties (−1: none), the lists.
    queries
        (Q,) text numbers of the rows.
    labellings
        (N, P) int32, a column a labelling.
    sizes, places
        (n_labels,) int64 size and R of each label; a label of R = 0 has R-scores of 0.
    ks
        int64 K of precision at K, ascending; none is beyond the listed neighbours, nor is an R.
    sums
        (len(ks) + 2, n_labels, P) float64, added to: precision at each K, R-precision, MAP@R.
    """
    indices, joined, tie_of, starts, members, complement, counts = graph
    lanes = labellings.shape[1]
    depth = places.max()
    if ks.size and ks[-1] > depth:
        depth = ks[-1]
    limit = np.empty(lanes, np.int32)  # as wide as the labels: mixed widths run at half the speed
    hits, at_r, average = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    group, rest, before = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for i in range(indices.shape[0]):
        own = labellings[queries[i]]
        for p in range(lanes):
            limit[p] = places[own[p]]
            hits[p] = at_r[p] = average[p] = 0.0
        step, start = 0, 0
        while start < depth:
            end = group_end(joined, i, start)
            tie = tie_of[i] if end == indices.shape[1] else -1
            size = end - start
            if tie >= 0:
                size += counts[tie]
                unlisted = members[starts[tie] : starts[tie + 1]]
                farther = complement[tie]
            else:
                unlisted, farther = members[:0], False
            if size > 1:
                before[:] = hits
                _count_group(labellings, indices[i, start:end], unlisted, farther, own, sizes, hits, group, rest)
            for place in range(start, min(end, depth)):
                if size == 1:
                    _add_place(place, own, labellings[indices[i, place]], limit, hits, at_r, average)
                else:
                    _add_tied_place(place, start, size, group, before, limit, hits, at_r, average)
                if step < ks.size and place + 1 == ks[step]:
                    rest[:] = ks[step]
                    _add_by_label(sums[step], own, hits, rest)
                    step += 1
            start = end
        _add_by_label(sums[ks.size], own, at_r, limit)
        _add_by_label(sums[ks.size + 1], own, average, limit)
