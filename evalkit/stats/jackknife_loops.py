"""Compiled delete-one jackknife of the neighbour scores: the effect of each text's absence on every row's score.

Without text m, the texts listed after it move up by one place, and the R of its label falls by one. Prefix sums
over the places give the re-counted score of a row in constant time, tied texts in expectation.
"""

from __future__ import annotations

import numpy as np

from evalkit.runtime.compiled import compiled_exactly
from evalkit.stats.ranking_loops import group_end


@compiled_exactly
def _fill_groups(graph, row, label, labels, sizes, last, groups):  # type: ignore[no-untyped-def]
    """List the row's tied groups up to place `last`: start, listed end, texts, relevant texts, relevant before."""
    indices, joined, tie_of, starts, members, complement, counts = graph
    start, number, before = np.int64(0), 0, 0  # a plain 0 would be compiled as a type of its own
    while start < last:
        end = group_end(joined, row, start)
        size, found = end - start, 0
        for place in range(start, end):
            found += labels[indices[row, place]] == label
        tie = tie_of[row] if end == indices.shape[1] else -1
        if tie >= 0:
            size += counts[tie]
            beyond = 0
            for t in range(starts[tie], starts[tie + 1]):
                beyond += labels[members[t]] == label
            found = sizes[label] - 1 - before - beyond if complement[tie] else found + beyond
        groups[number, 0], groups[number, 1], groups[number, 2] = start, end, size
        groups[number, 3], groups[number, 4] = found, before
        before += found
        number += 1
        start = end
    return number


@compiled_exactly
def _fill_prefixes(groups, last, prefix):  # type: ignore[no-untyped-def]
    """Sum over the places: hits; rel·precision; rel·precision one place further up; rel / that place's number."""
    for start, end, size, found, before in groups:
        rate = found / size
        slope = (found - 1.0) / (size - 1.0) if size > 1 else 0.0
        for place in range(start, min(end, last)):
            expected = rate * (before + 1.0 + (place - start) * slope)
            moved = 1.0 / place if place > 0 else 0.0
            prefix[0, place + 1] = prefix[0, place] + rate
            prefix[1, place + 1] = prefix[1, place] + expected / (place + 1)
            prefix[2, place + 1] = prefix[2, place] + expected * moved
            prefix[3, place + 1] = prefix[3, place] + rate * moved


@compiled_exactly
def _hits_without(k, own, start, size, found, before, prefix, last):  # type: ignore[no-untyped-def]
    """Expected hits among the first k places without one text of the group, of the row's label (1) or not (0)."""
    if start + size > k + 1:
        return before + (k - start) * (found - own) / (size - 1.0)
    if k == last:  # no text is left to move up: the mean of the other places stands in for it
        return (prefix[0, k] - own) * k / max(1, k - 1)
    return prefix[0, k + 1] - own


@compiled_exactly
def _average_without(k, own, start, size, found, before, prefix):  # type: ignore[no-untyped-def]
    """Sum of rel·precision over the first k places without one text of the group."""
    left, others = found - own, size - 1
    slope = (left - 1.0) / (others - 1.0) if others > 1 else 0.0
    total = prefix[1, start]
    for t in range(min(others, k - start)):
        total += left / others * (before + t * slope + 1.0) / (start + t + 1)
    if start + size < k + 1:
        total += prefix[2, k + 1] - prefix[2, start + size] - own * (prefix[3, k + 1] - prefix[3, start + size])
    return total


@compiled_exactly
def _change(average, k, own, start, size, found, before, prefix, last):  # type: ignore[no-untyped-def]
    """Change of a row's score by the absence of a text of the group, beyond what R less by one changes."""
    if start >= k or (found if own else size - found) == 0:
        return 0.0
    if average:
        return (_average_without(k, own, start, size, found, before, prefix) - prefix[1, k]) / k
    return (_hits_without(k, own, start, size, found, before, prefix, last) - prefix[0, k]) / k


@compiled_exactly
def _add_to_group(graph, row, text, start, end, s, w, changes, labels, totals, by_label, overall):  # type: ignore[no-untyped-def]
    """Add the weighted changes of score s to a group's members, the unlisted ones directly or by exclusion."""
    indices, _, tie_of, starts, members, complement, _ = graph
    label, (other, own) = labels[text], changes
    for place in range(start, end):
        m = indices[row, place]
        totals[m, s, w] += own if labels[m] == label else other
    tie = tie_of[row] if end == indices.shape[1] else -1
    if tie < 0:
        return
    sign = -1.0 if complement[tie] else 1.0
    for t in range(starts[tie], starts[tie + 1]):
        totals[members[t], s, w] += sign * (own if labels[members[t]] == label else other)
    if complement[tie]:  # the unlisted ties are all texts but the row's own, the listed and the farther ones
        overall[s, w] += other
        by_label[s, w, label] += own - other
        totals[text, s, w] -= own
        for place in range(indices.shape[1]):
            m = indices[row, place]
            totals[m, s, w] -= own if labels[m] == label else other


@compiled_exactly
def _score_row(s, average, text, label, depth, prefix, weights, totals, by_label):  # type: ignore[no-untyped-def]
    """Score of the row; adds what the absence of any other text of the label changes, wherever it stands."""
    line = 1 if average else 0
    value = prefix[line, depth[0]] / depth[0]
    if 0 < depth[1] < depth[0]:
        base = prefix[line, depth[1]] / depth[1] - value
        for w in range(totals.shape[2]):
            by_label[s, w, label] += weights[s, w, 1, label] * base
            totals[text, s, w] -= weights[s, w, 1, label] * base
    return value


@compiled_exactly
def _fill_depths(ks, places, after, depth):  # type: ignore[no-untyped-def]
    """Set the places that each score of a row reads; returns the largest of them."""
    last = np.int64(0)
    for s in range(depth.shape[0]):
        depth[s, 0], depth[s, 1] = (ks[s], ks[s]) if s < ks.size else (places, after)
        last = max(last, depth[s, 0])
    return last


@compiled_exactly
def _add_shared(overall, by_label, labels, totals):  # type: ignore[no-untyped-def]
    """Add to every text what all texts, and all of its label, share; an array expression takes 5 s to compile."""
    for m in range(totals.shape[0]):
        for s in range(totals.shape[1]):
            for w in range(totals.shape[2]):
                totals[m, s, w] += overall[s, w] + by_label[s, w, labels[m]]


@compiled_exactly
def delete_each(graph, queries, labels, sizes, places, after, ks, weights, values, totals, squares):  # type: ignore[no-untyped-def]
    """Fill in the S = len(ks) + 2 scores of every row, and the change of their weighted sums by each text's absence.

    The lists of `graph` (as in `LabelledGraph`) reach one place beyond every K and R. Filled are, zero before,
    values (S, Q): precision at each K, R-precision, MAP@R; totals (N, S, W): change of the W weighted sums over the
    other rows; squares (S, W): sum over rows and absent texts of the squared change, less the row's mean change over
    its own label's texts and over the others. weights (S, W, 2, n_labels) are a row's when a text of another (0) or
    of its own label (1) is absent.
    """
    indices = graph[0]
    n, n_scores, n_weights = totals.shape
    groups = np.empty((indices.shape[1], 5), np.int64)
    prefix = np.zeros((4, indices.shape[1] + 1))
    by_label, overall = np.zeros((n_scores, n_weights, sizes.size)), np.zeros((n_scores, n_weights))
    depth = np.empty((n_scores, 2), np.int64)  # places that a score reads without a text of another or of its own label
    sums, changes = np.empty(2), np.empty(2)  # of a text of another (0) or of the row's own label (1)
    for i in range(indices.shape[0]):
        text, label = queries[i], labels[queries[i]]
        last = min(indices.shape[1], _fill_depths(ks, places[label], after[label], depth) + 1)
        number = _fill_groups(graph, i, label, labels, sizes, last, groups)
        _fill_prefixes(groups[:number], last, prefix)
        for s in range(n_scores):
            if depth[s, 0] == 0:
                continue
            average = s == ks.size + 1
            values[s, i] = _score_row(s, average, text, label, depth[s], prefix, weights, totals, by_label)
            sums[0] = sums[1] = square = 0.0
            for g in range(number):
                start, end, size, found, before = groups[g, 0], groups[g, 1], groups[g, 2], groups[g, 3], groups[g, 4]
                if start >= depth[s, 0]:
                    break
                if size == 1:  # nearly every text stands alone: `_change` is compiled for that, three times as fast
                    change = _change(average, depth[s, found], found, start, 1, found, before, prefix, last)
                    sums[found] += change
                    square += change * change
                    m = indices[i, start]
                    for w in range(n_weights):
                        totals[m, s, w] += weights[s, w, found, label] * change
                    continue
                for own in range(2):
                    changes[own] = _change(average, depth[s, own], own, start, size, found, before, prefix, last)
                sums[0] += (size - found) * changes[0]
                sums[1] += found * changes[1]
                square += (size - found) * changes[0] ** 2 + found * changes[1] ** 2
                for w in range(n_weights):
                    weighted = weights[s, w, 0, label] * changes[0], weights[s, w, 1, label] * changes[1]
                    _add_to_group(graph, i, text, start, end, s, w, weighted, labels, totals, by_label, overall)
            square -= sums[0] ** 2 / max(1, n - sizes[label]) + sums[1] ** 2 / max(1, sizes[label] - 1)
            for w in range(n_weights):
                squares[s, w] += weights[s, w, 0, label] ** 2 * square
    _add_shared(overall, by_label, labels, totals)
