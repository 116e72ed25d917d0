import numpy as np

from evalkit.plots import density

BLUE, RED = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)


def rendered(points, labels, shape=(40, 60)):
    return density.render(
        np.array(points, float), np.array(labels, np.int32), np.array([BLUE, RED]), (0, 60, 0, 40), shape
    )


def test_a_lone_text_is_seen_where_it_is_and_nowhere_else():
    picture = rendered([(10.5, 30.5)], [0])
    assert picture.shape == (40, 60, 4)
    row, column = 9, 10  # y = 30.5 is 9 rows below the top
    assert tuple(picture[row, column, :3]) == (0, 0, 255)
    assert picture[row, column, 3] == picture[..., 3].max()
    assert picture[..., 3].max() > 80
    rows, columns = np.nonzero(picture[..., 3])
    assert abs(rows - row).max() <= 3
    assert abs(columns - column).max() <= 3


def test_where_topics_mix_the_colour_is_a_mixture_whatever_the_order():
    mixed = rendered([(30.5, 20.5)] * 2, [0, 1])
    turned = rendered([(30.5, 20.5)] * 2, [1, 0])
    red, green, blue = mixed[19, 30, :3]
    assert green == 0
    assert abs(int(red) - int(blue)) <= 1
    assert 150 < red < 220
    np.testing.assert_array_equal(mixed, turned)


def test_a_crowd_is_stronger_than_a_lone_text():
    picture = rendered([(10.5, 20.5)] + [(40.5, 20.5)] * 500, [0] * 501)
    crowd, lone = int(picture[19, 40, 3]), int(picture[19, 10, 3])
    assert crowd > 1.5 * lone > 120


def test_texts_on_the_rim_stay_inside():
    picture = rendered([(0, 0), (60, 40)], [0, 1])
    assert picture[39, 0, 3] > 0
    assert picture[0, 59, 3] > 0
