import io
import re

import numpy as np
import pandas as pd
import pytest
import specimens
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from evalkit.plots import label_placement as placement
from evalkit.plots import map as map_picture
from evalkit.plots import palette


def drawn(texts, path, theme="light"):
    map_picture.draw(specimens.record(texts), texts, path, theme)
    return path.with_suffix(".png").read_bytes(), path.with_suffix(".svg").read_text(encoding="utf-8")


def axes_of(texts, theme="light", **faithfulness):
    """Draw a map; its axes, which know their figure."""
    figure = map_picture.figure(specimens.record(texts, **faithfulness), texts, theme=theme)
    figure.canvas.draw()
    [only] = figure.axes
    return only


def box(artist):
    return np.array(artist.get_window_extent().extents)


def boxes(axes):
    """Of the words and names on a map, in pixels."""
    return np.array([box(text) for text in axes.texts])


def inside(inner, outer=(0, 0, 1280, 1120)):
    """Whether a box (left, bottom, right, top) lies in another, by default in the picture."""
    return (inner[:2] > outer[:2]).all() and (inner[2:] < outer[2:]).all()


def written(axes):
    return [text.get_text() for text in axes.texts]


def names(axes):
    return [text for text in axes.texts if text.get_weight() == "bold"]


def zorder(axes, number):
    return [collection for collection in axes.collections if collection.get_zorder() == number]


def dots(axes):
    return np.vstack([axes.transData.transform(group.get_offsets()) for group in zorder(axes, 2)])


@pytest.mark.parametrize(("n", "k"), [(6, 2), (30, 5), (60, 6), (300, 5), (3000, 30), (11_000, 7)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_maps_of_any_size_are_small_files_equal_each_time(tmp_path, n, k, theme):
    png, svg = drawn(specimens.clouds(n, k), tmp_path / "map", theme)
    assert (png, svg) == drawn(specimens.clouds(n, k), tmp_path / "again", theme)
    assert b"Matplotlib" not in png
    assert not re.search("dc:date|Matplotlib v", svg)
    assert max(len(svg), len(png)) < 1_000_000
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (1280, 1120)
        assert to_hex(np.array(picture.getpixel((0, 0))[:3]) / 255) == palette.GROUNDS[theme].paper


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(22_500, 150), (100_000, 10)])
def test_the_largest_maps_stay_small_files(tmp_path, n, k):
    assert max(map(len, drawn(specimens.clouds(n, k), tmp_path / "map"))) < 2_000_000


def test_matplotlib_is_left_as_it_was(tmp_path):
    import matplotlib as mpl
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    drawn(specimens.words(), tmp_path / "map")
    map_picture.figure(specimens.record(specimens.words()), specimens.words())
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [30, 60])
def test_words_and_names_do_not_overlap_nor_leave_the_map(n, seed):
    many = specimens.clouds(60, 6, seed).assign(text=[f"word {i}" for i in range(60)])
    texts = specimens.words(seed) if n == 30 else many
    shown = axes_of(texts)
    found = boxes(shown)
    assert set(written(shown)) == set(texts["text"]) | set(texts["label"])
    shared = placement.overlaps(found, found)
    np.fill_diagonal(shared, 0)
    assert shared.max() == 0
    assert all(inside(each, box(shown)) for each in found)


def test_words_stand_beside_their_own_points():
    texts = specimens.words()
    shown = axes_of(texts)
    order = np.argsort(texts["label"].to_numpy(dtype=object), kind="stable")
    pixels = np.empty((30, 2))
    pixels[order] = dots(shown)
    places = {text.get_text(): box(text) for text in shown.texts}
    for word, point in zip(texts["text"], pixels, strict=True):
        assert np.linalg.norm(np.clip(point, places[word][:2], places[word][2:]) - point) < 150


def test_a_word_far_from_its_point_has_a_line_to_it_under_the_dots():
    texts = specimens.words().assign(x=lambda d: 0.02 * d["x"], y=lambda d: 0.02 * d["y"])
    texts.loc[len(texts)] = ["away", "finance", 30.0, 30.0]
    shown = axes_of(texts)
    [leaders] = zorder(shown, 1.5)
    lines = [shown.transData.transform(line) for line in leaders.get_segments()]
    assert len(lines) > 10
    found, points = boxes(shown), dots(shown)
    for start, end in lines:
        assert np.linalg.norm(points - start, axis=1).min() < 1e-6
        assert np.linalg.norm(np.clip(end, found[:, :2], found[:, 2:]) - end, axis=1).min() < 3


def test_words_without_room_are_counted_in_the_caption():
    texts = specimens.clouds(60, 2).assign(text=[f"{'long ' * 4} {i}" for i in range(60)], x=0.0, y=0.0)
    shown = axes_of(texts)
    missing = 60 - (len(shown.texts) - 2)
    assert missing > 0
    assert f"{missing} of 60 words found no room" in shown.figure.texts[2].get_text()


def test_both_axes_have_one_scale_and_no_ticks():
    texts = specimens.clouds(300, 5).assign(y=lambda d: d["y"] * 0.1)
    shown = axes_of(texts)
    points = dots(shown)
    assert len(points) == 300
    data = texts[["x", "y"]].to_numpy()  # sorted by label as they are
    across, up = (np.ptp(points, axis=0) / np.ptp(data, axis=0)).tolist()
    assert across == pytest.approx(up, rel=1e-6)
    np.testing.assert_allclose(points - points.mean(axis=0), across * (data - data.mean(axis=0)), atol=1e-6)
    assert inside(np.hstack([points.min(axis=0), points.max(axis=0)]), box(shown))
    assert len(shown.get_xticks()) == len(shown.get_yticks()) == 0
    assert set(written(shown)) == set(texts["label"])


@pytest.mark.parametrize("faithfulness", [{"continuity": 0.7, "trust": 0.6}, {"continuity": 0.7}])
def test_the_stamp_stands_on_the_picture_and_off_the_map(faithfulness):
    shown = axes_of(specimens.words(), **faithfulness)
    *_, stamp = shown.figure.texts
    assert "more separation" in stamp.get_text()
    assert ("trustworthiness 0.60, chance 0.50" in stamp.get_text()) == ("trust" in faithfulness)
    assert stamp.get_color() == palette.GROUNDS["light"].warning
    plate = box(stamp.get_bbox_patch())
    assert inside(plate)
    assert plate[1] > box(shown)[3]


def test_a_faithful_map_has_no_stamp_and_a_caption_inside_the_picture():
    shown = axes_of(specimens.words())
    under = shown.figure.texts
    assert len(under) == 3
    assert all(inside(box(line)) and box(line)[3] < box(shown)[1] for line in under)


def test_a_long_caption_is_cut_at_the_rim():
    texts = specimens.words()
    figure = map_picture.figure(specimens.record(texts, model="org/" + "W" * 300), texts)
    assert figure.texts[0].get_text().endswith("…")
    assert 1100 < box(figure.texts[0])[2] < 1280


def test_a_label_keeps_its_colour_across_maps():
    texts = specimens.words()
    hues = np.array([to_rgb(colour) for colour in palette.colours(5, "light")])
    for rows in (texts, texts.sample(frac=1, random_state=1)):
        shown = axes_of(rows)
        colours = {text.get_text(): text.get_color() for text in names(shown)}
        assert colours == dict(zip(sorted(set(texts["label"])), palette.inks(5, "light"), strict=True))
        [group] = zorder(shown, 2)
        np.testing.assert_allclose(group.get_facecolors()[:, :3], np.repeat(hues, 6, axis=0))


def test_lone_collinear_and_equal_points_are_drawn_as_such():
    rows = [("a", "lone", 0, 0), ("d", "area", 0, 3), ("e", "area", 1, 4), ("f", "area", 2, 3)]
    rows += [*[(f"b{i}", "line", i / 3, i / 3) for i in range(3)], *([("c", "same", 5, 1)] * 3)]
    texts = pd.DataFrame(rows, columns=["text", "label", "x", "y"])
    hues = dict(zip(sorted(set(texts["label"])), palette.colours(4, "light"), strict=True))
    shown = axes_of(texts)
    [faces], [edges] = zorder(shown, 1), zorder(shown, 1.1)
    assert [to_hex(colour) for colour in faces.get_facecolors()] == [hues["area"]]
    assert [to_hex(colour) for colour in edges.get_colors()] == [hues["area"], hues["line"]]
    assert list(edges.get_linewidths()) == [0.9, 2.4]
    assert [len(line) for line in edges.get_segments()] == [4, 2]  # the triangle is closed, the line has two ends


def test_many_points_are_one_image_in_the_svg_and_very_many_their_density():
    for n, rasterized, images in ((2000, {False}, 0), (2001, {True}, 0), (10_000, {True}, 0), (10_001, set(), 1)):
        shown = axes_of(specimens.clouds(n, 3))
        assert {group.get_rasterized() for group in zorder(shown, 2)} == rasterized
        assert len(shown.images) == images
    [picture] = shown.images
    assert picture.get_extent() == [*shown.get_xlim(), *shown.get_ylim()]
    np.testing.assert_allclose(picture.get_array().shape[1::-1], shown.bbox.size, atol=0.51)


@pytest.mark.parametrize("k", [12, 13])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_hull_is_shaded_in_its_colour_under_all_else(k, theme):
    shown = axes_of(specimens.clouds(20 * k, k), theme)
    [faces] = zorder(shown, 1)
    assert [to_hex(colour) for colour in faces.get_facecolors()] == palette.colours(k, theme)
    assert all(0.03 < alpha <= 0.15 for alpha in faces.get_facecolors()[:, 3])
    assert faces.get_zorder() == min(artist.get_zorder() for artist in [*shown.collections, *shown.texts])


@pytest.mark.parametrize("scale", [1e-54, 1e9])
def test_the_units_of_a_map_do_not_matter(scale):
    texts = specimens.words()
    scaled = axes_of(texts.assign(x=scale * texts["x"], y=scale * texts["y"]))
    np.testing.assert_allclose(dots(scaled), dots(axes_of(texts)), atol=1e-6)


def test_strange_texts_are_drawn_as_they_are_and_nothing_is_printed(tmp_path, capfd, caplog):
    strange = ["$x_1$", "<img src=x onerror=alert(1)>", "two\nlines", "y" * 10_000]
    strange += ["日本語のテキスト", "😀 smile", "مرحبا", "%s {0} \\frac"]
    texts = specimens.words()
    texts.loc[: len(strange) - 1, "text"] = strange
    texts["label"] = texts["label"].replace({"finance": "<b>$\\alpha$</b>", "sports": "s" * 300})
    shown = axes_of(texts)
    drawn(texts, tmp_path / "map")
    assert {"$x_1$", "<img src=x onerror=alert(1)>", "two lines"} <= set(written(shown))
    assert not any(text.get_parse_math() for text in shown.texts)
    assert max(len(text) for text in written(shown)) <= 34
    out, err = capfd.readouterr()
    assert out + err + caplog.text == ""


def test_many_topics_name_those_that_find_room_and_the_caption_counts_them():
    shown = axes_of(specimens.clouds(1500, 60))
    found = names(shown)
    assert 20 <= len(found) < 60
    assert f"Named: {len(found)} of 60 topics" in shown.figure.texts[2].get_text()
