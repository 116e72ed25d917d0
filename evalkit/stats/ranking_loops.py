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

from evalkit.runtime.compiled import compiled_exactly

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
def _add_run(listed, first, labellings, own, inverse, hits, average):  # type: ignore[no-untyped-def]
    """Places held by one text each, from place `first`: four at a time, so that sums are seldom put down."""
    t = 0
    while t + 4 <= listed.size:
        a, b = labellings[listed[t]], labellings[listed[t + 1]]
        c, d = labellings[listed[t + 2]], labellings[listed[t + 3]]
        by_a, by_b, by_c, by_d = inverse[first + t : first + t + 4]
        for p in range(own.size):
            mine, found, total = own[p], hits[p], average[p]
            found += np.int32(a[p] == mine)
            total += found * by_a if a[p] == mine else 0.0
            found += np.int32(b[p] == mine)
            total += found * by_b if b[p] == mine else 0.0
            found += np.int32(c[p] == mine)
            total += found * by_c if c[p] == mine else 0.0
            found += np.int32(d[p] == mine)
            total += found * by_d if d[p] == mine else 0.0
            hits[p], average[p] = found, total
        t += 4
    while t < listed.size:
        a, by_a = labellings[listed[t]], inverse[first + t]
        for p in range(own.size):
            hits[p] += np.int32(a[p] == own[p])
            average[p] += hits[p] * by_a if a[p] == own[p] else 0.0
        t += 1


@compiled_exactly
def _add_tied_place(place, start, size, group, before, expected, average):  # type: ignore[no-untyped-def]
    """A place inside a tied group of `size` texts, `group` of them relevant, `before` of them ahead of it."""
    inverse = 1.0 / (place + 1)
    for p in range(expected.size):
        rate = group[p] / size
        expected[p] = before[p] + rate * (place + 1 - start)
        average[p] += rate * (before[p] + 1.0 + (place - start) * (group[p] - 1.0) / (size - 1.0)) * inverse


@compiled_exactly
def _stops(ks, places):  # type: ignore[no-untyped-def]
    """0, every K and every R, each once and ascending."""
    last = 0
    for k in ks:
        last = max(last, k)
    for r in places:
        last = max(last, r)
    seen = np.zeros(last + 1, np.bool_)
    seen[0] = True
    for k in ks:
        seen[k] = True
    for r in places:
        seen[r] = True
    count = 0
    for stop in range(last + 1):
        count += seen[stop]
    stops = np.empty(count, np.int64)
    count = 0
    for stop in range(last + 1):
        if seen[stop]:
            stops[count] = stop
            count += 1
    return stops


@compiled_exactly
def _lanes_by_stop(own, stop_of, begins, order):  # type: ignore[no-untyped-def]
    """Order the labellings by the stop at which the row's R ends: stop s has order[begins[s]:begins[s + 1]]."""
    begins[:] = 0
    for label in own:
        begins[stop_of[label] + 1] += 1
    for stop in range(1, begins.size):
        begins[stop] += begins[stop - 1]
    for p in range(own.size):
        stop = stop_of[own[p]]
        order[begins[stop]] = p
        begins[stop] += 1
    for stop in range(begins.size - 1, 0, -1):
        begins[stop] = begins[stop - 1]
    begins[0] = 0


@compiled_exactly
def _halt(place, step, ks, ending, own, hits, average, sums):  # type: ignore[no-untyped-def]
    """Book what a K, or the R of the labellings `ending` here, has seen in `place` places; returns the next K."""
    if step < ks.size and ks[step] == place:
        for p in range(own.size):
            sums[step, own[p], p] += hits[p] / place
        step += 1
    for p in ending:
        sums[ks.size, own[p], p] += hits[p] / place
        sums[ks.size + 1, own[p], p] += average[p] / place
    return step


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
    # Where something is to be read off: after K places, after R. The first stop, 0, is of labels without an R.
    stops = _stops(ks, places)
    stop_of = np.searchsorted(stops, places)
    begins, order = np.empty(stops.size + 1, np.int64), np.empty(lanes, np.int64)
    inverse = 1.0 / np.arange(1, stops[-1] + 1)
    hits, expected, average = np.empty(lanes, np.int32), np.empty(lanes), np.empty(lanes)
    group, rest, before = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for i in range(indices.shape[0]):
        own = labellings[queries[i]]
        _lanes_by_stop(own, stop_of, begins, order)
        hits[:] = 0
        average[:] = 0.0
        step, stop, start = 0, 1, 0
        while stop < stops.size:
            end = start
            while end < stops[stop] and (end + 1 == indices.shape[1] or not joined[i, end + 1]):
                end += 1
            if end == indices.shape[1] and tie_of[i] >= 0:
                end -= 1  # tied with texts that are not listed
            if end > start:
                _add_run(indices[i, start:end], start, labellings, own, inverse, hits, average)
                start = end
                if end == stops[stop]:
                    step = _halt(end, step, ks, order[begins[stop] : begins[stop + 1]], own, hits, average, sums)
                    stop += 1
                continue
            end = group_end(joined, i, start)
            tie = tie_of[i] if end == indices.shape[1] else -1
            size, unlisted, farther = end - start, members[:0], False
            if tie >= 0:
                size += counts[tie]
                unlisted, farther = members[starts[tie] : starts[tie + 1]], complement[tie]
            for p in range(lanes):  # an assignment of the whole takes numba two seconds to compile
                before[p] = hits[p]
            _count_group(labellings, indices[i, start:end], unlisted, farther, own, sizes, before, group, rest)
            for place in range(start, min(end, stops[-1])):
                _add_tied_place(place, start, size, group, before, expected, average)
                if place + 1 == stops[stop]:
                    ending = order[begins[stop] : begins[stop + 1]]
                    step = _halt(place + 1, step, ks, ending, own, expected, average, sums)
                    stop += 1
            for p in range(lanes):
                hits[p] += np.int32(group[p])
            start = end
