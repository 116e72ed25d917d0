import itertools

import numpy as np
import pytest

from evalkit.plots import palette

# Machado, Oliveira & Fernandes 2009, severity 1.0, applied to linear RGB; the identity is normal vision.
VISIONS = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colours, vision):
    """OKLab coordinates (Ottosson 2020) of hex colours as a reader of that vision sees them."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(VISIONS[vision]).T, 0, 1)
    cone = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
    cone.append([0.0883024619, 0.2817188376, 0.6299787005])
    lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
    lab.append([0.0259040371, 0.7827717662, -0.8086757660])
    return np.cbrt(linear @ np.array(cone).T) @ np.array(lab).T


def least_distance(points):
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", list(VISIONS))
def test_ten_labels_can_be_told_apart_whatever_the_reader_sees(theme, vision):
    assert least_distance(seen(palette.colours(8, theme), vision)) >= 0.108
    assert least_distance(seen(palette.colours(10, theme), vision)) >= 0.097


def test_the_measure_would_refuse_a_palette_that_colour_blind_readers_confuse():
    red_and_green = ["#d62728", "#2ca02c", "#8c564b"]
    assert least_distance(seen(red_and_green, "normal")) > 0.1
    assert least_distance(seen(red_and_green, "deutan")) < 0.1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_paper_and_inks_can_be_read(theme):
    paper = palette.GROUNDS[theme].paper
    assert min(palette.contrast(colour, paper) for colour in palette.colours(10, theme)) >= 2.1
    assert min(palette.contrast(ink, paper) for ink in palette.inks(150, theme)) >= 4.5


def test_contrast_of_black_and_white_is_21():
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert palette.contrast("#777777", "#777777") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colour_and_marker_name_one_of_150_labels_and_do_not_depend_on_their_number(theme):
    assert len(set(zip(palette.colours(150, theme), palette.markers(150), strict=True))) == 150
    assert palette.colours(5, theme) == palette.colours(150, theme)[:5]
