"""Compiled delete-one jackknife of the neighbour scores: what each text's absence does to every other's score.

Without text m, a list that held it moves up by one place, and a label that loses m has an R less by one.
Prefix sums over the places give every such re-count in constant time, tied texts in expectation.
"""

from __future__ import annotations

import numpy as np

from evalkit.compiled import compiled_exactly
from evalkit.metrics.relevance import group_end

__all__ = ["delete_each"]


@compiled_exactly
def _fill_groups(graph, row, label, labels, sizes, last, groups):  # type: ignore[no-untyped-def]
    """Tied groups of a row up to place `last`: start, listed end, texts, relevant texts, relevant before."""
    indices, joined, tie_of, starts, members, complement, counts = graph
    start, number, before = 0, 0, 0
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
def _fill_prefixes(groups, number, last, prefix):  # type: ignore[no-untyped-def]
    """Running sums over the places: hits; rel·precision; the same moved up a place; rel / moved place."""
    prefix[:, 0] = 0.0
    for k in range(number):
        start, end, size, found, before = groups[k]
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
def _hits_without(k, group, relevant, prefix, last):  # type: ignore[no-untyped-def]
    """Expected hits among the first k places without one (relevant or other) member of the group."""
    start, _, size, found, before = group
    if start >= k:
        return prefix[0, k]
    if start + size > k + 1:
        return before + (k - start) * (found - relevant) / (size - 1.0)
    if k == last:  # no text is left to move up: the other places' mean stands in for it
        return (prefix[0, k] - relevant) * k / max(1, k - 1)
    return prefix[0, k + 1] - relevant


@compiled_exactly
def _average_without(k, group, relevant, prefix):  # type: ignore[no-untyped-def]
    """Sum of rel·precision over the first k places without one member of the group."""
    start, _, size, found, before = group
    if start >= k:
        return prefix[1, k]
    left, others = found - relevant, size - 1
    slope = (left - 1.0) / (others - 1.0) if others > 1 else 0.0
    total = prefix[1, start]
    for t in range(min(others, k - start)):
        total += left / others * (before + t * slope + 1.0) / (start + t + 1)
    if start + size < k + 1:
        total += prefix[2, k + 1] - prefix[2, start + size]
        total -= relevant * (prefix[3, k + 1] - prefix[3, start + size])
    return total


@compiled_exactly
def _change(kind, places, group, relevant, prefix, last):  # type: ignore[no-untyped-def]
    """Change of the row's score where a member of the group is absent, beyond what any absence changes."""
    if places == 0:
        return 0.0
    if kind == 2:
        return (_average_without(places, group, relevant, prefix) - prefix[1, places]) / places
    return (_hits_without(places, group, relevant, prefix, last) - prefix[0, places]) / places


@compiled_exactly
def _book_group(graph, row, text, group, change, weight, labels, label, total, by_label, overall):  # type: ignore[no-untyped-def]
    """Book the group's changes with its members: the unlisted ones, too, directly or by exclusion."""
    indices, _, tie_of, starts, members, complement, _ = graph
    start, end = group[0], group[1]
    for place in range(start, end):
        m = indices[row, place]
        same = 1 if labels[m] == label else 0
        total[m] += weight[same] * change[same]
    tie = tie_of[row] if end == indices.shape[1] else -1
    if tie < 0:
        return
    sign = -1.0 if complement[tie] else 1.0
    for t in range(starts[tie], starts[tie + 1]):
        same = 1 if labels[members[t]] == label else 0
        total[members[t]] += sign * weight[same] * change[same]
    if complement[tie]:
        overall[0] += weight[0] * change[0]
        by_label[label] += weight[1] * change[1] - weight[0] * change[0]
        total[text] -= weight[1] * change[1]
        for place in range(indices.shape[1]):
            m = indices[row, place]
            same = 1 if labels[m] == label else 0
            total[m] -= weight[same] * change[same]


@compiled_exactly
def _delete_from_row(  # type: ignore[no-untyped-def]
    graph, row, text, kind, r, r_after, groups, prefix, last, weight, labels, sizes, totals, by_label, overall, squares
):
    """One score of one row: its value, and every text's absence from it."""
    label = labels[text]
    line = 1 if kind == 2 else 0
    value = prefix[line, r] / r
    if kind > 0 and r_after > 0:  # a text of the label takes a place of R along, wherever it stands
        base = prefix[line, r_after] / r_after - value
        for w in range(totals.shape[0]):
            by_label[w, label] += weight[w, 1, label] * base
            totals[w, text] -= weight[w, 1, label] * base
    change, sums, moments = np.zeros(2), np.zeros(2), np.zeros(2)
    for group in groups:
        if group[0] >= r:
            break
        change[0] = _change(kind, r, group, 0, prefix, last)
        change[1] = _change(kind, r if kind == 0 else r_after, group, 1, prefix, last)
        for same in range(2):
            members = group[3] if same else group[2] - group[3]
            sums[same] += members * change[same]
            moments[same] += members * change[same] ** 2
        for w in range(totals.shape[0]):
            _book_group(
                graph, row, text, group, change, weight[w, :, label], labels, label, totals[w], by_label[w], overall[w]
            )
    square = moments[0] - sums[0] ** 2 / max(1, labels.size - sizes[label])
    square += moments[1] - sums[1] ** 2 / max(1, sizes[label] - 1)
    for w in range(totals.shape[0]):
        squares[w] += weight[w, 0, label] ** 2 * square
    return value


@compiled_exactly
def delete_each(graph, queries, labels, sizes, places, after, ks, weights, values, totals, squares):  # type: ignore[no-untyped-def]
    """Scores of every row, and what deleting each text changes in their weighted sum.

    Parameters
    ----------
    graph, queries, sizes, places, ks
        As for `evalkit.metrics.relevance.sum_labellings`; the lists reach one place beyond every K and R.
    labels
        (N,) int32.
    after
        (n_labels,) R once the label has lost a text.
    weights
        (len(ks) + 2, W, 2, n_labels) of a row in the sum, for absent texts of another (0) and of its own
        label (1).
    values
        (len(ks) + 2, Q) float64, filled: precision at each K, R-precision, MAP@R.
    totals
        (len(ks) + 2, W, N) float64, zero; filled: change of the weighted sum by each text's absence from
        the other rows.
    squares
        (len(ks) + 2, W) float64, zero; filled: sum over rows and absent texts of the squared change, less
        the row's mean change over its own label's and over the other texts.
    """
    indices = graph[0]
    n_scores, n_weights, n = totals.shape
    groups = np.empty((indices.shape[1], 5), np.int64)
    prefix = np.zeros((4, indices.shape[1] + 1))
    by_label = np.zeros((n_scores, n_weights, sizes.size))
    overall = np.zeros((n_scores, n_weights, 1))
    for i in range(indices.shape[0]):
        text = queries[i]
        r, r_after = places[labels[text]], after[labels[text]]
        last = min(indices.shape[1], max(r, ks[-1] if ks.size else 0) + 1)
        number = _fill_groups(graph, i, labels[text], labels, sizes, last, groups)
        _fill_prefixes(groups, number, last, prefix)
        for s in range(n_scores):
            kind = max(0, s - ks.size + 1)
            k = ks[s] if kind == 0 else r
            if k > 0:
                values[s, i] = _delete_from_row(
                    graph, i, text, kind, k, r_after, groups[:number], prefix, last, weights[s],
                    labels, sizes, totals[s], by_label[s], overall[s], squares[s],
                )  # fmt: skip
    for s in range(n_scores):
        for w in range(n_weights):
            for m in range(n):
                totals[s, w, m] += overall[s, w, 0] + by_label[s, w, labels[m]]
