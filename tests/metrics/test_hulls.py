import numpy as np
import pytest
import shapely
from score_samples import by_name, clouds, codes, noise, sample_of, unit

from evalkit.metrics import hulls

SQUARE = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])


def evaluate(points, labels, seed=0):
    return hulls.evaluate(sample_of(noise(len(points), 4), labels, points), np.random.default_rng(seed))


def score(points, labels):
    return hulls.score_hulls(np.asarray(points, dtype=np.float64), labels, int(labels.max()) + 1)


def shapes_of(points, labels):
    return [shapely.MultiPoint(points[labels == label]).convex_hull for label in range(labels.max() + 1)]


def test_two_shifted_squares_by_hand():
    # Sides of 2, shifted by (1, 1): 1 in common, 7 covered.
    points, labels = np.concatenate([SQUARE, SQUARE + 1]), codes(4, 4)
    found = score(points, labels)
    assert found.values["overlap"] == pytest.approx(1 / 7)
    assert found.values["mean_iou"] == pytest.approx(1 / 7)
    assert found.values["overlapping_pairs"] == 1
    np.testing.assert_array_equal(np.flatnonzero(found.foreign), [2, 4])
    assert (found.a.tolist(), found.b.tolist(), found.intersection.tolist()) == ([0], [1], [pytest.approx(1)])


def test_third_square_counts_an_area_once_however_often_it_is_covered():
    points = np.concatenate([SQUARE, SQUARE, SQUARE + np.array([2, 0])])
    found = score(points, codes(4, 4, 4))
    assert found.values["overlap"] == pytest.approx(4 / 8)
    assert found.values["mean_iou"] == pytest.approx(1 / 3)  # the shared side has no area
    assert found.values["overlapping_pairs"] == pytest.approx(1 / 3)
    assert found.foreign.sum() == 10  # the boundary counts: both ends of the shared side


@pytest.mark.parametrize(("n", "k", "grid"), [(60, 5, False), (400, 25, False), (60, 20, True)])
def test_areas_equal_shapely_pair_by_pair(n, k, grid):
    points, labels = clouds(n, k)
    if grid:  # collinear and coinciding points
        points = np.round(points)
    shapes = shapes_of(points, labels)
    found = score(points, labels)
    expected, ious = {}, []
    for a in range(k):
        for b in range(a + 1, k):
            shared, union = shapes[a].intersection(shapes[b]).area, shapes[a].union(shapes[b]).area
            ious.append(shared / union if union else 0.0)
            if shared > 1e-9:
                expected[a, b] = shared
    got = dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.intersection, strict=True))
    assert got == pytest.approx(expected)
    assert found.values["mean_iou"] == pytest.approx(np.mean(ious))
    assert found.values["overlapping_pairs"] == pytest.approx(len(expected) / (k * (k - 1) / 2))
    pieces = [shapes[a].intersection(shapes[b]) for a, b in expected]
    assert found.values["overlap"] == pytest.approx(shapely.union_all(pieces).area / shapely.union_all(shapes).area)


def test_foreign_texts_equal_shapely():
    points, labels = clouds(150, 8)
    shapes = shapes_of(points, labels)
    expected = [
        any(shapes[other].distance(shapely.Point(point)) < 1e-9 for other in range(8) if other != own)
        for point, own in zip(points, labels, strict=True)
    ]
    np.testing.assert_array_equal(score(points, labels).foreign, expected)
    assert 0 < np.mean(expected) < 1


def test_overlap_equals_a_raster():
    points, labels = clouds(40, 4)
    shapes = shapes_of(points, labels)
    low, high = points.min(axis=0), points.max(axis=0)
    darts = np.random.default_rng(5).uniform(low, high, size=(40_000, 2))
    covers = sum(shapely.intersects_xy(shape, darts[:, 0], darts[:, 1]).astype(int) for shape in shapes)
    assert score(points, labels).values["overlap"] == pytest.approx((covers > 1).sum() / (covers > 0).sum(), abs=0.015)


def test_separate_hulls_score_zero_and_beat_chance():
    points = np.concatenate([SQUARE + shift for shift in ([0, 0], [10, 0], [0, 10])])
    found = by_name(evaluate(points, codes(4, 4, 4)))
    for name in ("overlap", "foreign_share", "foreign_share_macro", "mean_iou", "overlapping_pairs"):
        each = found[name]
        assert (each.value, each.best, each.higher_is_better) == (0, 0, False)
        assert each.chance > 0.1
        assert each.adjusted == 1
    assert found["foreign_share"].p_value <= 0.02


def test_two_points_and_collinear_points_are_segments():
    points = np.array([[0.0, 0], [4, 4], [0, 4], [2, 2], [4, 0], [1, 1], [1, 1]])
    labels = np.array([0, 0, 1, 1, 1, 2, 2], dtype=np.int32)
    found = score(points, labels)
    assert np.isnan(found.values["overlap"])
    assert np.isnan(found.values["mean_iou"])
    assert found.values["overlapping_pairs"] == 0
    # The collinear label's middle lies on the diagonal, and so does the third label's point.
    np.testing.assert_array_equal(found.foreign, [False, False, False, True, False, True, True])


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((6, 2)),
        np.stack([np.arange(6.0), np.zeros(6)], axis=1),
        np.stack([np.arange(6.0)] * 2, axis=1) / 3,
        np.array([[0.0, 0], [1, 1], [1, 1], [0, 1], [1, 0], [1, 0]]),  # two crossing segments
    ],
    ids=["one point", "a line", "a slanted line", "two labels of two points"],
)
def test_maps_without_area_have_no_overlap_to_speak_of(points):
    found = by_name(evaluate(points, codes(3, 3)))
    for name in ("overlap", "mean_iou"):
        assert found[name].value is None
        assert found[name].p_value is None
    assert found["overlapping_pairs"].value == 0
    assert found["foreign_share"].value in (0, 1)


def test_many_labels_take_fewer_permutations():
    points, labels = clouds(120, 50)
    found = by_name(evaluate(points, labels))
    assert found["mean_iou"].parameters["permutations"] == 19


def test_pairs_say_which_overlaps_are_the_maps_own():
    # On the map all three labels lie on one another; in the embedding only the first two do.
    rng = np.random.default_rng(0)
    labels = codes(30, 30, 30)
    vectors = np.eye(6)[[0, 0, 1]][labels] + 0.2 * rng.normal(size=(90, 6))
    pairs = hulls.evaluate(sample_of(unit(vectors), labels, rng.normal(size=(90, 2))), rng).pairs
    rows = {(a, b): i for i, (a, b) in enumerate(zip(pairs["a"].tolist(), pairs["b"].tolist(), strict=True))}
    assert set(rows) == {(0, 1), (0, 2), (1, 2)}
    same, apart = rows[0, 1], rows[0, 2]
    assert pairs["accuracy"][apart] == 1
    assert pairs["ci_low"][apart] > 0.8
    assert pairs["ci_low"][same] <= pairs["chance"][same] <= pairs["ci_high"][same]
    assert set(pairs) == {"a", "b", "intersection", "iou", "accuracy", "chance", "ci_low", "ci_high"}
