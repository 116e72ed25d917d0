"""Compiled loop over a neighbour graph: neighbour scores of many labellings, in expectation over tied texts.

Texts tied with one another stand in random order. At each place of a group of g tied texts, s of which bear the
query's label, a relevant text stands with probability s/g; given that one stands at the t-th place of the group,
(t − 1)(s − 1)/(g − 1) more are expected at the t − 1 places before it (McSherry & Najork 2008, "Computing information
retrieval performance measures efficiently in the presence of tied scores", ECIR).
"""

from __future__ import annotations

import numpy as np

from evalkit.runtime.compiled import compiled_exactly


@compiled_exactly
def group_end(joined, row, start):  # type: ignore[no-untyped-def]
    """One past the last listed place of the tied group that begins at `start`."""
    end = start + 1
    while end < joined.shape[1] and joined[row, end]:
        end += 1
    return end


@compiled_exactly
def _add_untied(labels, own, inverse, hits, average):  # type: ignore[no-untyped-def]
    """Add a place that holds one text, with label labels[p] under labelling p."""
    for p in range(own.size):
        hit = 1.0 if labels[p] == own[p] else 0.0
        hits[p] += hit
        average[p] += hit * hits[p] * inverse


@compiled_exactly
def _add_matches(labellings, texts, own, matches):  # type: ignore[no-untyped-def]
    """Add the number of texts that bear the row's own label, under every labelling."""
    for text in texts:
        for p in range(own.size):
            matches[p] += 1.0 if labellings[text, p] == own[p] else 0.0


@compiled_exactly
def _count_group(graph, row, start, end, labellings, own, sizes, hits, relevant):  # type: ignore[no-untyped-def]
    """Count the texts of the tied group, returned, and those of the row's own label under every labelling."""
    indices, _, tie_of, starts, members, complement, counts = graph
    relevant[:] = 0.0
    tie = tie_of[row] if end == indices.shape[1] else -1
    if tie >= 0:
        _add_matches(labellings, members[starts[tie] : starts[tie + 1]], own, relevant)
    if tie >= 0 and complement[tie]:  # the members are then the texts beyond the group
        for p in range(own.size):
            relevant[p] = sizes[own[p]] - 1 - hits[p] - relevant[p]
    else:
        _add_matches(labellings, indices[row, start:end], own, relevant)
    return end - start + (counts[tie] if tie >= 0 else 0)


@compiled_exactly
def _add_tied_place(place, start, size, relevant, before, average, expected):  # type: ignore[no-untyped-def]
    """Add a place of a tied group: `relevant` of its `size` texts are hits, `before` hits stand ahead of the group."""
    for p in range(expected.size):
        rate = relevant[p] / size
        expected[p] = before[p] + rate * (place + 1 - start)
        average[p] += rate * (before[p] + 1.0 + (place - start) * (relevant[p] - 1.0) / (size - 1.0)) / (place + 1)


@compiled_exactly
def _record(depth, ks, places, own, hits, average, sums):  # type: ignore[no-untyped-def]
    """Add the scores that end at `depth` places to the sums of the row's own label."""
    for step in range(ks.size):
        if ks[step] == depth:
            for p in range(own.size):
                sums[step, own[p], p] += hits[p] / depth
    for p in range(own.size):
        if places[own[p]] == depth:
            sums[ks.size, own[p], p] += hits[p] / depth
            sums[ks.size + 1, own[p], p] += average[p] / depth


@compiled_exactly
def sum_labellings(graph, queries, labellings, sizes, places, ks, sums):  # type: ignore[no-untyped-def]
    """Add the scores of every labelling, summed by label, to `sums`.

    The first arguments are as in `LabelledGraph`; no K and no R exceeds the number of listed neighbours, and a label
    of R = 0 has R-scores of 0. labellings (N, P) have a column a labelling. sums (len(ks) + 2, n_labels, P) hold
    precision at each K, R-precision and MAP@R.
    """
    indices, joined, tie_of = graph[:3]
    lanes = labellings.shape[1]
    ends = np.zeros(indices.shape[1] + 1, np.bool_)  # depths at which a score ends
    last = 0
    for depths in (ks, places):
        for depth in depths:
            ends[depth] = True
            last = max(last, depth)
    hits, relevant, expected, average = np.empty(lanes), np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for i in range(indices.shape[0]):
        own = labellings[queries[i]]
        hits[:] = 0.0
        average[:] = 0.0
        start = np.int64(0)  # a plain 0 would be compiled as a type of its own
        while start < last:
            end = group_end(joined, i, start)
            if end == start + 1 and (end < indices.shape[1] or tie_of[i] < 0):
                _add_untied(labellings[indices[i, start]], own, 1.0 / end, hits, average)
                if ends[end]:
                    _record(end, ks, places, own, hits, average, sums)
                start = end
                continue
            size = _count_group(graph, i, start, end, labellings, own, sizes, hits, relevant)
            for place in range(start, min(end, last)):
                _add_tied_place(place, start, size, relevant, hits, average, expected)
                if ends[place + 1]:
                    _record(place + 1, ks, places, own, expected, average, sums)
            for p in range(lanes):
                hits[p] += relevant[p]
            start = end
