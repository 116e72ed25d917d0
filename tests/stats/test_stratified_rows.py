import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit.stats.stratified_rows import allot, draw_rows, stratified_rows


def test_a_sample_keeps_proportions_and_two_texts_of_small_labels():
    labels = np.repeat([0, 1, 2], [700, 297, 3]).astype(np.int32)
    rows = stratified_rows(labels, 100, np.random.default_rng(0))
    assert np.array_equal(np.bincount(labels[rows]), [69, 29, 2])  # 98 for 997 texts: 68.8 and 29.2
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(stratified_rows(labels, 1000, np.random.default_rng(0)), np.arange(1000))


def test_no_label_is_left_out_of_a_null():
    labels = np.repeat(np.arange(30, dtype=np.int32), 5)
    rows = stratified_rows(labels, 40, np.random.default_rng(0))
    assert np.array_equal(np.bincount(labels[rows]), np.full(30, 2))


def test_every_text_of_a_label_is_drawn_alike():
    labels = np.array([1, 0, 1, 0, 1], dtype=np.int32)
    drawn = [draw_rows(labels, np.array([1, 2]), np.random.default_rng(seed)) for seed in range(900)]
    counts = np.bincount(np.concatenate(drawn), minlength=5) / 900
    assert counts == pytest.approx([2 / 3, 1 / 2, 2 / 3, 1 / 2, 2 / 3], abs=0.08)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=12), st.floats(0, 1))
@example([1, 49], 0.0)
def test_shares_add_up_and_are_proportional_where_they_may(sizes, part):
    sizes = np.array(sizes)
    limit = 2 + int(part * (sizes.sum() - 2))
    shares = allot(sizes, limit)
    assert shares.sum() == limit
    assert (shares <= sizes).all()
    least = np.minimum(sizes, 2)
    if least.sum() <= limit:
        assert (shares >= least).all()
        more = shares > least
        if more.any():
            rate = (limit - shares[~more].sum()) / sizes[more].sum()
            assert np.abs(shares - rate * sizes)[more].max() < 2
