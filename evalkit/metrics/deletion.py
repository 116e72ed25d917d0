"""Compiled delete-one jackknife of the neighbour scores: what each text's absence does to every other's score.

Without text m, a list that held it moves up by one place, and a label that loses m has an R less by one.
Prefix sums over the places give every such re-count in constant time, tied texts in expectation.
"""

from __future__ import annotations

import numpy as np

from evalkit.metrics.relevance import compiled, group_end

__all__ = ["delete_each"]


@compiled
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


@compiled
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


@compiled
def _hits_without(k, group, relevant, prefix, following):  # type: ignore[no-untyped-def]
    """Expected hits among the first k places without one (relevant or other) member of the group."""
    start, _, size, found, before = group
    if start >= k:
        return prefix[0, k]
    if start + size <= k:
        return prefix[0, k] - relevant + following
    if size == 1:
        return prefix[0, k]
    return before + (k - start) * (found - relevant) / (size - 1.0)


@compiled
def _average_without(k, group, relevant, prefix):  # type: ignore[no-untyped-def]
    """Sum of rel·precision over the first k places without one member of the group."""
    start, _, size, found, before = group
    if start >= k:
        return prefix[1, k]
    left, others = found - relevant, size - 1
    total = prefix[1, start]
    for t in range(min(others, k - start)):
        slope = (left - 1.0) / (others - 1.0) if others > 1 else 0.0
        total += left / others * (before + t * slope + 1.0) / (start + t + 1)
    if start + size < k + 1:
        total += prefix[2, k + 1] - prefix[2, start + size]
        total -= relevant * (prefix[3, k + 1] - prefix[3, start + size])
    return total


@compiled
def _change(score, r, r_after, k, group, relevant, prefix, following):  # type: ignore[no-untyped-def]
    """Change of the row's score where a member of the group is absent, beyond what any absence changes."""
    if score == 0:
        return (_hits_without(k, group, relevant, prefix, following) - prefix[0, k]) / k
    places = r_after if relevant else r
    if places == 0:
        return 0.0
    if score == 1:
        following = prefix[0, places + 1] - prefix[0, places]
        return (_hits_without(places, group, relevant, prefix, following) - prefix[0, places]) / places
    return (_average_without(places, group, relevant, prefix) - prefix[1, places]) / places


@compiled
def _spread(graph, row, text, group, change, weight, labels, label, total, by_label, overall):  # type: ignore[no-untyped-def]
    """Book the group's changes with its members; unlisted members, too, directly or by exclusion."""
    indices, _, tie_of, starts, members, complement, _ = graph
    start, end = group[0], group[1]
    for place in range(start, end):
        m = indices[row, place]
        same = 1 if labels[m] == label else 0
        total[m] += weight[same] * change[same]
    tie = tie_of[row] if end == indices.shape[1] else -1
    if tie < 0:
        return
    if not complement[tie]:
        for t in range(starts[tie], starts[tie + 1]):
            same = 1 if labels[members[t]] == label else 0
            total[members[t]] += weight[same] * change[same]
        return
    overall[0] += weight[0] * change[0]
    by_label[label] += weight[1] * change[1] - weight[0] * change[0]
    total[text] -= weight[1] * change[1]
    for place in range(indices.shape[1]):
        m = indices[row, place]
        same = 1 if labels[m] == label else 0
        total[m] -= weight[same] * change[same]
    for t in range(starts[tie], starts[tie + 1]):
        same = 1 if labels[members[t]] == label else 0
        total[members[t]] -= weight[same] * change[same]


@compiled
def delete_each(graph, queries, labels, sizes, places, after, ks, window, weights, values, totals, squares):  # type: ignore[no-untyped-def]
    """Scores of every row, and what deleting each text changes in their weighted sum.

    Parameters
    ----------
    graph, queries, sizes, places, ks
        As for `evalkit.metrics.relevance.sum_labellings`.
    labels
        (N,) int32.
    after
        (n_labels,) R once the label has lost a text.
    window
        A neighbour that drops out of the first K is replaced by the mean of the next `window` places.
    weights
        (W, len(ks) + 2, 2, n_labels) of a row in the sum, for absent texts of another (0) and of its own label (1).
    values
        (len(ks) + 2, Q) float64, filled: precision at each K, R-precision, MAP@R.
    totals
        (W, len(ks) + 2, N) float64, zero; filled: change of the weighted sum without each text's effect on
        the other rows.
    squares
        (W, len(ks) + 2) float64, zero; filled: sum over rows and absent texts of the squared change, less
        the row's mean change over its own label's and over the other texts.
    """
    indices = graph[0]
    n, width = labels.size, indices.shape[1]
    n_weights, n_scores = totals.shape[0], totals.shape[1]
    groups = np.empty((width, 5), np.int64)
    prefix = np.zeros((4, width + 1))
    by_label = np.zeros((n_weights, n_scores, sizes.size))
    overall = np.zeros((n_weights, n_scores, 1))
    change = np.zeros(2)
    for i in range(indices.shape[0]):
        text = queries[i]
        label = labels[text]
        r, r_after = places[label], after[label]
        last = min(width, max(r + 1, ks[-1] + window)) if ks.size else min(width, r + 1)
        number = _fill_groups(graph, i, label, labels, sizes, last, groups)
        _fill_prefixes(groups, number, last, prefix)
        for s in range(n_scores):
            kind = 0 if s < ks.size else s - ks.size + 1
            k = ks[s] if kind == 0 else r
            if k == 0:
                values[s, i] = 0.0
                continue
            values[s, i] = prefix[1 if kind == 2 else 0, k] / k
            reach = min(k + window, last)
            following = (prefix[0, reach] - prefix[0, k]) / (reach - k) if reach > k else prefix[0, k] / k
            base = 0.0
            if kind > 0 and r_after > 0:  # every text of the label, wherever it stands, takes a place of R along
                base = prefix[1 if kind == 2 else 0, r_after] / r_after - values[s, i]
                for w in range(n_weights):
                    by_label[w, s, label] += weights[w, s, 1, label] * base
                    totals[w, s, text] -= weights[w, s, 1, label] * base
            sums = np.zeros(4)
            for g in range(number):
                if groups[g, 0] >= k:
                    break
                for same in range(2):
                    change[same] = _change(kind, r, r_after, k, groups[g], same, prefix, following)
                found, others = groups[g, 3], groups[g, 2] - groups[g, 3]
                sums[0] += others * change[0]
                sums[1] += found * change[1]
                sums[2] += others * change[0] ** 2
                sums[3] += found * change[1] ** 2
                for w in range(n_weights):
                    _spread(
                        graph, i, text, groups[g], change, weights[w, s, :, label], labels, label,
                        totals[w, s], by_label[w, s], overall[w, s],
                    )  # fmt: skip
            square = sums[2] - sums[0] ** 2 / max(1, n - sizes[label])
            square += sums[3] - sums[1] ** 2 / max(1, sizes[label] - 1)
            for w in range(n_weights):
                squares[w, s] += weights[w, s, 0, label] ** 2 * square
    for w in range(n_weights):
        for s in range(n_scores):
            for m in range(n):
                totals[w, s, m] += overall[w, s, 0] + by_label[w, s, labels[m]]
