import struct
import zlib

import numpy as np
import pandas as pd
import pytest

from evalkit.plots import map as map_picture
from evalkit.plots import palette, placement, style


def drawn(record, texts, folder, theme="light"):
    folder.mkdir(exist_ok=True)
    map_picture.draw(record, texts, theme=theme, out_png=folder / "map.png", out_svg=folder / "map.svg")
    return (folder / "map.png").read_bytes(), (folder / "map.svg").read_text(encoding="utf-8")


@pytest.fixture
def captured(monkeypatch):
    """The figure itself, to measure what stands where."""
    kept = []
    monkeypatch.setattr(style, "save", lambda figure, out_png, out_svg: kept.append(figure))
    return kept


def figure_of(captured, record, texts, theme="light"):
    from pathlib import Path

    map_picture.draw(record, texts, theme=theme, out_png=Path("unused.png"), out_svg=Path("unused.svg"))
    return captured[-1]


def boxes(texts, renderer):
    return np.array([text.get_window_extent(renderer).extents for text in texts])


SIZES = [(6, 2), (30, 5), (60, 6), (300, 5), (3000, 30), (11_000, 7)]


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_maps_of_any_size_are_drawn_small_and_stay_small(specimens, tmp_path, n, k, theme):
    texts = specimens.clouds(n, k)
    png, svg = drawn(specimens.record(texts), texts, tmp_path, theme)
    assert png.startswith(b"\x89PNG")
    assert len(svg) < 1_000_000
    assert len(png) < 1_000_000
    paper = tuple(int(palette.ground(theme).paper[i : i + 2], 16) for i in (1, 3, 5))
    assert corner(png) == paper


def corner(png):
    """First pixel of an RGB PNG whose first row needs no filter or filter 1 (its first pixel is stored as it is)."""
    at, packed = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(packed)[1:4])


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(22_500, 150), (100_000, 10)])
def test_the_largest_maps_stay_small_files(specimens, tmp_path, n, k):
    texts = specimens.clouds(n, k)
    png, svg = drawn(specimens.record(texts), texts, tmp_path)
    assert len(svg) < 2_000_000
    assert len(png) < 2_000_000


@pytest.mark.parametrize(("n", "k"), [(30, 5), (300, 5), (11_000, 7)])
def test_the_same_map_drawn_again_gives_the_same_bytes(specimens, tmp_path, n, k):
    texts = specimens.clouds(n, k)
    record = specimens.record(texts)
    assert drawn(record, texts, tmp_path / "a") == drawn(record, texts, tmp_path / "b")


def test_no_version_and_no_date_stand_in_the_files(specimens, tmp_path):
    texts = specimens.words()
    png, svg = drawn(specimens.record(texts), texts, tmp_path)
    assert b"Matplotlib" not in png
    assert "dc:date" not in svg
    assert "Matplotlib v" not in svg


def test_nothing_is_left_open_in_pyplot(specimens, tmp_path):
    from matplotlib import pyplot

    drawn(specimens.record(specimens.words()), specimens.words(), tmp_path)
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [30, 60])
def test_words_and_names_do_not_overlap(specimens, captured, n, seed):
    texts = (
        specimens.words(seed)
        if n == 30
        else specimens.clouds(60, 6, seed).assign(text=lambda d: [f"word {i}" for i in range(60)])
    )
    figure = figure_of(captured, specimens.record(texts), texts)
    axes = figure.axes[0]
    found = boxes(axes.texts, figure.canvas.get_renderer())
    shown = [text.get_text() for text in axes.texts]
    assert set(shown) == set(texts["text"]) | set(texts["label"])
    shared = placement.overlaps(found, found)
    np.fill_diagonal(shared, 0)
    assert shared.max() == 0


def test_words_stand_beside_their_own_points(specimens, captured):
    texts = specimens.words()
    figure = figure_of(captured, specimens.record(texts), texts)
    axes = figure.axes[0]
    dots = np.vstack([dots.get_offsets() for dots in axes.collections if len(dots.get_offsets()) == 6])
    order = np.argsort(texts["label"].to_numpy(dtype=object), kind="stable")
    pixels = np.empty((30, 2))
    pixels[order] = axes.transData.transform(dots)
    place = {text.get_text(): text.get_window_extent(figure.canvas.get_renderer()).extents for text in axes.texts}
    for word, point in zip(texts["text"], pixels, strict=True):
        box = place[word]
        assert np.linalg.norm(np.clip(point, box[:2], box[2:]) - point) < 150


def test_both_axes_have_one_scale_and_no_ticks(specimens, captured):
    texts = specimens.clouds(300, 5).assign(y=lambda d: d["y"] * 0.1)
    axes = figure_of(captured, specimens.record(texts), texts).axes[0]
    assert list(axes.get_xticks()) == []
    assert list(axes.get_yticks()) == []
    across, up = axes.transData.transform([(1, 0), (0, 1)]) - axes.transData.transform([(0, 0)])
    assert across[0] == pytest.approx(up[1], rel=1e-6)
    low, high = axes.transData.inverted().transform([axes.bbox.min, axes.bbox.max])
    dots = np.vstack([dots.get_offsets() for dots in axes.collections if len(dots.get_offsets()) == 60])
    assert len(dots) == 300
    assert (dots.min(axis=0) > low).all()
    assert (dots.max(axis=0) < high).all()


def test_the_stamp_stands_on_the_picture_and_off_the_map(specimens, captured):
    texts = specimens.words()
    figure = figure_of(captured, specimens.record(texts, continuity=0.7, trust=0.6), texts)
    [stamp] = [text for text in figure.texts if "more separation" in text.get_text()]
    assert "trustworthiness 0.60, chance 0.50" in stamp.get_text()
    box = stamp.get_window_extent(figure.canvas.get_renderer())
    assert box.y0 > figure.axes[0].bbox.y1
    assert box.y1 < figure.bbox.y1


def test_a_faithful_map_has_no_stamp(specimens, captured):
    texts = specimens.words()
    figure = figure_of(captured, specimens.record(texts), texts)
    assert figure.texts == []
    assert len(figure.artists) == 3  # the caption's three lines


def test_a_label_keeps_its_colour_across_maps(specimens, captured):
    import matplotlib as mpl

    texts = specimens.words()
    for frame in (texts, texts.sample(frac=1, random_state=1)):
        figure = figure_of(captured, specimens.record(frame), frame)
        colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts if text.get_weight() == "bold"}
        assert colours == dict(zip(sorted(set(texts["label"])), palette.inks(5, "light"), strict=True))
    assert mpl.colors.is_color_like(palette.colours(1, "light")[0])


def test_lone_collinear_and_equal_points_are_drawn_as_such(specimens, captured):
    from matplotlib.collections import LineCollection, PolyCollection

    texts = pd.DataFrame(
        [
            *[("a", "lone", 0, 0), ("d", "area", 0, 3), ("e", "area", 1, 4), ("f", "area", 2, 3)],
            *[(f"b{i}", "line", i, i) for i in range(3)],
            *([("c", "same", 5, 1)] * 3),
        ],
        columns=["text", "label", "x", "y"],
    )
    axes = figure_of(captured, specimens.record(texts), texts).axes[0]
    faces = [c for c in axes.collections if isinstance(c, PolyCollection) and c.get_zorder() == 1]
    lines = [c for c in axes.collections if isinstance(c, LineCollection) and c.get_zorder() == 1.5]
    assert [len(c.get_paths()) for c in faces] == [1]
    assert [len(c.get_segments()) for c in lines] == [1]


def test_all_texts_at_one_place_are_drawn(specimens, tmp_path):
    texts = specimens.words().assign(x=1.0, y=2.0)
    png, _ = drawn(specimens.record(texts), texts, tmp_path)
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize("scale", [1e-54, 1e9])
def test_the_units_of_a_map_do_not_matter(specimens, tmp_path, scale):
    texts = specimens.words()
    scaled = texts.assign(x=scale * texts["x"], y=scale * texts["y"])
    png, _ = drawn(specimens.record(texts), texts, tmp_path / "a")
    again, _ = drawn(specimens.record(texts), scaled, tmp_path / "b")
    assert len(again) == pytest.approx(len(png), rel=0.01)


def test_strange_texts_are_drawn_as_they_are_and_nothing_is_printed(specimens, captured, tmp_path, capfd, caplog):
    strange = [
        "$x_1$",
        "<img src=x onerror=alert(1)>",
        "two\nlines",
        "y" * 10_000,
        "日本語のテキスト",
        "😀 smile",
        "مرحبا",
        "%s {0} \\frac",
    ]
    texts = specimens.words()
    texts.loc[: len(strange) - 1, "text"] = strange
    texts["label"] = texts["label"].replace({"finance": "<b>$\\alpha$</b>", "sports": "s" * 300})
    record = specimens.record(texts)
    shown = [text.get_text() for text in figure_of(captured, record, texts).axes[0].texts]
    assert "$x_1$" in shown
    assert "<img src=x onerror=alert(1)>" in shown
    assert "two lines" in shown
    assert max(len(text) for text in shown) <= 34
    out, err = capfd.readouterr()
    assert out + err + caplog.text == ""


def test_many_topics_name_those_that_find_room_and_say_how_many(specimens, captured):
    texts = specimens.clouds(1500, 60)
    figure = figure_of(captured, specimens.record(texts), texts)
    names = figure.axes[0].texts
    assert 20 <= len(names) < 60
    assert f"Named: {len(names)} of 60 topics" in figure.artists[-1].get_text()
