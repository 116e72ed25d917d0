"""Compiled delete-one jackknife of the neighbour scores: what each text's absence does to every other's score.

Without text m, a list that held it moves up by one place, and a label that loses m has an R less by one.
Prefix sums over the places give every such re-count in constant time, tied texts in expectation.
"""

from __future__ import annotations

import numpy as np

from evalkit.runtime.compiled import compiled_exactly
from evalkit.stats.ranking_loops import group_end

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
        if size == 1:
            hit, moved = float(found), 1.0 / start if start > 0 else 0.0
            prefix[0, start + 1] = prefix[0, start] + hit
            prefix[1, start + 1] = prefix[1, start] + hit * (before + 1.0) / (start + 1)
            prefix[2, start + 1] = prefix[2, start] + hit * (before + 1.0) * moved
            prefix[3, start + 1] = prefix[3, start] + hit * moved
            continue
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
def _delete_group(  # type: ignore[no-untyped-def]
    graph, row, text, kind, places, group, prefix, last, weight, labels, moments, totals, by_label, overall
):
    """One score of one row without each member of a group; adds (other, own) changes and their squares to `moments`."""
    label = labels[text]
    change = np.zeros(2)
    for same in range(2):
        change[same] = _change(kind, places[same], group, same, prefix, last)
        members = group[3] if same else group[2] - group[3]
        moments[0, same] += members * change[same]
        moments[1, same] += members * change[same] ** 2
    for w in range(totals.shape[0]):
        _book_group(
            graph, row, text, group, change, weight[w, :, label], labels, label, totals[w], by_label[w], overall[w]
        )


@compiled_exactly
def _add_squares(label, size, n, moments, weight, squares):  # type: ignore[no-untyped-def]
    """Squared changes of one row, less its mean change over other texts and over its own label's."""
    square = moments[1, 0] - moments[0, 0] ** 2 / max(1, n - size)
    square += moments[1, 1] - moments[0, 1] ** 2 / max(1, size - 1)
    for w in range(squares.size):
        squares[w] += weight[w, 0, label] ** 2 * square


@compiled_exactly
def _delete_within_k(graph, row, text, k, groups, prefix, last, weight, labels, moments, totals, by_label, overall):  # type: ignore[no-untyped-def]
    """Precision at K of one row without each text of its first K places."""
    label, indices = labels[text], graph[0]
    places, alone = (k, k), (0, 1, 1, 0, 0)
    other, own = _change(0, k, alone, 0, prefix, last), _change(0, k, alone, 1, prefix, last)
    for group in groups:
        if group[0] >= k:
            break
        if group[2] > 1:
            _delete_group(
                graph, row, text, 0, places, group, prefix, last, weight, labels, moments, totals, by_label, overall
            )
            continue
        same = group[3]
        change = own if same else other
        moments[0, same] += change
        moments[1, same] += change * change
        for w in range(totals.shape[0]):
            totals[w, indices[row, group[0]]] += weight[w, same, label] * change


@compiled_exactly
def _delete_within_r(  # type: ignore[no-untyped-def]
    graph, row, text, r, r_after, groups, prefix, last, weights, labels, moments, moved, totals, by_label, overall
):
    """R-precision and MAP@R of one row without each text of its first R places, both in one pass.

    Nearly every text stands alone at its place: then the absence of another label's text, or of an own one, changes
    R-precision by the same wherever it stood, and MAP@R by differences of the prefix sums.
    """
    label, indices = labels[text], graph[0]
    n_weights = totals.shape[1]
    places, alone = (r, r_after), (0, 1, 1, 0, 0)
    level = (_change(1, r, alone, 0, prefix, last), _change(1, r_after, alone, 1, prefix, last))
    rest = np.zeros(2)  # of MAP@R, what does not depend on the place
    for same in range(2):
        if places[same] > 0:
            rest[same] = prefix[2, places[same] + 1] - same * prefix[3, places[same] + 1] - prefix[1, places[same]]
    count = np.zeros(2)
    for group in groups:
        start = group[0]
        if start >= r:
            break
        if group[2] > 1:
            for kind in (1, 2):
                _delete_group(
                    graph, row, text, kind, places, group, prefix, last, weights[kind - 1], labels, moments[kind - 1],
                    totals[kind - 1], by_label[kind - 1], overall[kind - 1],
                )  # fmt: skip
            continue
        same = group[3]
        if start >= places[same]:
            continue
        change = prefix[1, start] - prefix[2, start + 1] + same * prefix[3, start + 1] + rest[same]
        change /= places[same]
        count[same] += 1.0
        moments[1, 0, same] += change
        moments[1, 1, same] += change * change
        m = indices[row, start]
        for w in range(n_weights):
            moved[m, w] += weights[0, w, same, label] * level[same]
            moved[m, n_weights + w] += weights[1, w, same, label] * change
    for same in range(2):
        moments[0, 0, same] += count[same] * level[same]
        moments[0, 1, same] += count[same] * level[same] ** 2


@compiled_exactly
def _shift_places(text, label, line, r, r_after, prefix, weight, totals, by_label):  # type: ignore[no-untyped-def]
    """A text of the label takes a place of R along, wherever it stands: what that changes; returns the row's score."""
    value = prefix[line, r] / r
    if r_after > 0:
        base = prefix[line, r_after] / r_after - value
        for w in range(totals.shape[0]):
            by_label[w, label] += weight[w, 1, label] * base
            totals[w, text] -= weight[w, 1, label] * base
    return value


@compiled_exactly
def delete_each(graph, queries, labels, sizes, places, after, ks, weights, values, totals, squares):  # type: ignore[no-untyped-def]
    """Scores of every row, and what deleting each text changes in their weighted sum.

    Parameters
    ----------
    graph, queries, sizes, places, ks
        As for `evalkit.stats.ranking_loops.sum_labellings`; the lists reach one place beyond every K and R.
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
    moved = np.zeros((n, 2 * n_weights))  # of R-scores, a text's entries side by side: they are met in any order
    deep, moments = ks.size, np.empty((2, 2, 2))
    for i in range(indices.shape[0]):
        text = queries[i]
        label = labels[text]
        r, r_after = places[label], after[label]
        last = min(indices.shape[1], max(r, ks[-1] if ks.size else 0) + 1)
        number = _fill_groups(graph, i, label, labels, sizes, last, groups)
        _fill_prefixes(groups, number, last, prefix)
        for s in range(deep):
            moments[0] = 0.0
            values[s, i] = prefix[0, ks[s]] / ks[s]
            _delete_within_k(
                graph, i, text, ks[s], groups[:number], prefix, last, weights[s], labels, moments[0],
                totals[s], by_label[s], overall[s],
            )  # fmt: skip
            _add_squares(label, sizes[label], n, moments[0], weights[s], squares[s])
        if r == 0:
            continue
        for line in range(2):
            s = deep + line
            values[s, i] = _shift_places(text, label, line, r, r_after, prefix, weights[s], totals[s], by_label[s])
        moments[:] = 0.0
        _delete_within_r(
            graph, i, text, r, r_after, groups[:number], prefix, last, weights[deep:], labels, moments, moved,
            totals[deep:], by_label[deep:], overall[deep:],
        )  # fmt: skip
        for line in range(2):
            _add_squares(label, sizes[label], n, moments[line], weights[deep + line], squares[deep + line])
    for s in range(n_scores):
        for w in range(n_weights):
            for m in range(n):
                totals[s, w, m] += overall[s, w, 0] + by_label[s, w, labels[m]]
                if s >= deep:
                    totals[s, w, m] += moved[m, (s - deep) * n_weights + w]
