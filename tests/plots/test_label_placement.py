import numpy as np
import pytest

from evalkit.plots import label_placement as placement


def test_overlap_is_the_shared_area():
    box = np.array([0.0, 0.0, 4.0, 3.0])
    others = np.array([[2.0, 1.0, 9.0, 9.0], [4.0, 0.0, 5.0, 1.0], [-5.0, -5.0, 10.0, 10.0]])
    np.testing.assert_array_equal(placement.overlaps(box, others), [4.0, 0.0, 12.0])


def placed(obstacles, **options):
    """The place of a box of 20 × 10 pixels at the middle of 100 × 100."""
    middle, size = np.array([[50.0, 50.0]]), np.array([[20.0, 10.0]])
    return placement.place(middle, size, np.reshape(obstacles, (-1, 4)), (0, 0, 100, 100), distances=(5,), **options)[0]


def test_the_first_choice_is_right_of_the_point_the_next_left_of_it():
    np.testing.assert_array_equal(placed([]), [55, 45, 75, 55])
    np.testing.assert_array_equal(placed([70, 40, 80, 60]), [25, 45, 45, 55])


@pytest.mark.parametrize("seed", range(5))
def test_sixty_words_in_a_crowd_never_overlap_nor_leave_the_picture(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(500, 130, (60, 2)).clip(30, 970)
    sizes = np.column_stack([rng.uniform(20, 130, 60), np.full(60, 18.0)])
    dots = np.hstack([points - 6, points + 6])
    boxes = placement.place(
        points, sizes, dots, (0, 0, 1000, 1000), distances=(10, 20, 40, 80, 150, 220, 300), always=False
    )
    found = np.array([box for box in boxes if box is not None])
    assert len(found) >= 55
    shared = placement.overlaps(found, found)
    np.fill_diagonal(shared, 0)
    assert shared.max() == 0
    assert placement.overlaps(found, dots).max() == 0
    assert found.min() >= 0
    assert found.max() <= 1000


def test_without_room_a_box_is_left_out_or_covers_least():
    assert placed([0, 0, 100, 100], always=False) is None
    assert placed([0, 0, 100, 100], always=True) is not None


def test_a_name_stands_where_its_topic_is_densest_or_among_few_texts_in_the_middle():
    points = np.vstack([np.zeros((10, 2)), np.full((30, 2), 10.0), [[0.0, 10.0]]])
    labels = np.array([0] * 40 + [1])
    np.testing.assert_allclose(placement.anchors(points, labels, few=False), [[10.0, 10.0], [0.0, 10.0]])
    np.testing.assert_allclose(placement.anchors(points, labels, few=True), [[7.5, 7.5], [0.0, 10.0]])
