import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.plots import label_placement as placement
from evalkit.plots import map as map_picture
from evalkit.plots import palette
from evalkit.plots.canvas import Canvas
from evalkit.plots.shapes import Dots, Line, Pictured, Raster, Shape, Washes


def drawn(record, texts, folder, theme="light"):
    folder.mkdir(exist_ok=True)
    map_picture.draw(record, texts, theme=theme, out_png=folder / "map.png", out_svg=folder / "map.svg")
    return (folder / "map.png").read_bytes(), (folder / "map.svg").read_text(encoding="utf-8")


@pytest.fixture
def captured(monkeypatch):
    """The canvas itself, to measure what stands where."""
    kept = []
    monkeypatch.setattr(Canvas, "save", lambda canvas, out_png, out_svg: kept.append(canvas))
    return kept


def canvas_of(captured, record, texts, theme="light"):
    map_picture.draw(record, texts, theme=theme, out_png=Path("unused.png"), out_svg=Path("unused.svg"))
    return captured[-1]


def elements(canvas, kind):
    return [element for element in canvas.elements if isinstance(element, kind)]


def frame(canvas):
    """Left, bottom, right and top of the map: the one rectangle that is not filled."""
    found = [s for s in elements(canvas, Shape) if s.fill is None and s.edge.colour == palette.LIGHT.line]
    assert len(found) == 1
    corners = found[0].path.vertices
    return (*corners.min(axis=0), *corners.max(axis=0))


def written(canvas):
    """The lines inside the frame: words and names."""
    left, bottom, right, top = frame(canvas)
    return [
        line
        for line in elements(canvas, Line)
        if left <= line.box[0] and bottom <= line.box[1] and line.box[2] <= right and line.box[3] <= top
    ]


def caption_of(canvas):
    """The lines under the frame."""
    return [line for line in elements(canvas, Line) if line.box[3] < frame(canvas)[1]]


def boxes(lines):
    return np.array([line.box for line in lines])


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
    lines = written(canvas_of(captured, specimens.record(texts), texts))
    found = boxes(lines)
    assert {line.text for line in lines} == set(texts["text"]) | set(texts["label"])
    shared = placement.overlaps(found, found)
    np.fill_diagonal(shared, 0)
    assert shared.max() == 0


def test_words_stand_beside_their_own_points(specimens, captured):
    texts = specimens.words()
    canvas = canvas_of(captured, specimens.record(texts), texts)
    order = np.argsort(texts["label"].to_numpy(dtype=object), kind="stable")
    pixels = np.empty((30, 2))
    pixels[order] = np.vstack([dots.places for dots in elements(canvas, Dots)])
    place = {line.text: line.box for line in written(canvas)}
    for word, point in zip(texts["text"], pixels, strict=True):
        box = place[word]
        assert np.linalg.norm(np.clip(point, box[:2], box[2:]) - point) < 150


def test_a_word_far_from_its_point_has_a_line_to_it_under_the_dots(specimens, captured):
    texts = specimens.words().assign(x=lambda d: 0.02 * d["x"], y=lambda d: 0.02 * d["y"])
    texts.loc[len(texts)] = ["away", "finance", 30.0, 30.0]
    canvas = canvas_of(captured, specimens.record(texts), texts)
    faint = [s for s in elements(canvas, Shape) if s.edge is not None and s.edge.colour == palette.LIGHT.faint]
    assert len(faint) > 10
    dots = np.vstack([dots.places for dots in elements(canvas, Dots)])
    for leader in faint:
        assert np.linalg.norm(dots - leader.path.vertices[0], axis=1).min() < 1e-6
        box = boxes(written(canvas))
        end = leader.path.vertices[1]
        assert np.linalg.norm(np.clip(end, box[:, :2], box[:, 2:]) - end, axis=1).min() < 3
    first = next(row for row, element in enumerate(canvas.elements) if isinstance(element, Dots))
    assert all(canvas.elements.index(leader) < first for leader in faint)


def test_both_axes_have_one_scale_and_no_ticks(specimens, captured):
    texts = specimens.clouds(300, 5).assign(y=lambda d: d["y"] * 0.1)
    canvas = canvas_of(captured, specimens.record(texts), texts)
    [*groups] = elements(canvas, Dots)
    dots = np.vstack([dots.places for dots in groups])
    assert len(dots) == 300
    data = texts[["x", "y"]].to_numpy()  # sorted by label as they are
    across, up = (np.ptp(dots, axis=0) / np.ptp(data, axis=0)).tolist()
    assert across == pytest.approx(up, rel=1e-6)
    np.testing.assert_allclose(dots - dots.mean(axis=0), across * (data - data.mean(axis=0)), atol=1e-6)
    left, bottom, right, top = frame(canvas)
    assert (dots.min(axis=0) > (left, bottom)).all()
    assert (dots.max(axis=0) < (right, top)).all()
    # Besides the frame, hulls and plates there is nothing that could be a tick.
    names = [line for line in written(canvas) if line.bold]
    assert len(elements(canvas, Shape)) == 1 + 5 + len(names)
    assert {line.text for line in written(canvas)} == set(texts["label"])


def test_the_stamp_stands_on_the_picture_and_off_the_map(specimens, captured):
    texts = specimens.words()
    canvas = canvas_of(captured, specimens.record(texts, continuity=0.7, trust=0.6), texts)
    first, second = [line for line in elements(canvas, Line) if line.colour == palette.LIGHT.warning]
    assert "more separation" in first.text
    assert "trustworthiness 0.60, chance 0.50" in second.text
    [plate] = [
        s for s in elements(canvas, Shape) if s.fill is not None and s.fill.colour == palette.LIGHT.warning_paper
    ]
    for left, bottom, right, top in [first.box, second.box]:
        assert (plate.path.vertices.min(axis=0) < (left, bottom)).all()
        assert (plate.path.vertices.max(axis=0) > (right, top)).all()
    assert first.box[1] >= second.box[3]  # one under the other
    assert plate.path.vertices.min(axis=0)[1] > frame(canvas)[3]
    assert (plate.path.vertices.max(axis=0) < canvas.size).all()


def test_a_faithful_map_has_no_stamp(specimens, captured):
    texts = specimens.words()
    canvas = canvas_of(captured, specimens.record(texts), texts)
    inside, under = written(canvas), caption_of(canvas)
    assert len(under) == 3  # the caption's three lines
    assert len(elements(canvas, Line)) == len(inside) + len(under)
    fills = {shape.fill.colour for shape in elements(canvas, Shape) if shape.fill is not None}
    assert palette.LIGHT.warning_paper not in fills


def test_a_label_keeps_its_colour_across_maps(specimens, captured):
    import matplotlib as mpl

    texts = specimens.words()
    for rows in (texts, texts.sample(frac=1, random_state=1)):
        canvas = canvas_of(captured, specimens.record(rows), rows)
        colours = {line.text: line.colour for line in written(canvas) if line.bold}
        assert colours == dict(zip(sorted(set(texts["label"])), palette.inks(5, "light"), strict=True))
        assert [dots.fill.colour for dots in elements(canvas, Dots)] == palette.colours(5, "light")
    assert mpl.colors.is_color_like(palette.colours(1, "light")[0])


def test_lone_collinear_and_equal_points_are_drawn_as_such(specimens, captured):
    texts = pd.DataFrame(
        [
            *[("a", "lone", 0, 0), ("d", "area", 0, 3), ("e", "area", 1, 4), ("f", "area", 2, 3)],
            *[(f"b{i}", "line", i / 3, i / 3) for i in range(3)],
            *([("c", "same", 5, 1)] * 3),
        ],
        columns=["text", "label", "x", "y"],
    )
    canvas = canvas_of(captured, specimens.record(texts), texts)
    hues = dict(zip(sorted(set(texts["label"])), palette.colours(4, "light"), strict=True))
    shapes = elements(canvas, Shape)
    [washes] = elements(canvas, Washes)
    edges = [shape for shape in shapes if shape.edge is not None and shape.edge.colour in hues.values()]
    assert [fill.colour for fill in washes.fills] == [hues["area"]]
    assert [len(area) for area in washes.areas] == [3]
    assert [(edge.edge.colour, edge.width) for edge in edges] == [(hues["area"], 0.9), (hues["line"], 2.4)]
    assert [len(edge.path.vertices) for edge in edges] == [4, 2]  # the triangle is closed, the line has two ends


def test_many_points_are_a_picture_in_the_svg_and_very_many_their_density(specimens, captured):
    for n, kinds in ((2000, {Dots}), (2001, {Pictured}), (10_000, {Pictured}), (10_001, {Raster})):
        texts = specimens.clouds(n, 3)
        canvas = canvas_of(captured, specimens.record(texts), texts)
        assert {type(e) for e in canvas.elements} & {Dots, Pictured, Raster} == kinds


@pytest.mark.parametrize("k", [12, 13])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_hull_is_shaded_in_its_colour_under_all_else(specimens, captured, k, theme):
    texts = specimens.clouds(20 * k, k)
    canvas = canvas_of(captured, specimens.record(texts), texts, theme)
    if k == 12:
        fills = canvas.elements[0].fills
        assert canvas.elements[0].paper == canvas.paper
    else:
        fills = [element.fill for element in canvas.elements[:k]]
    assert [fill.colour for fill in fills] == palette.colours(k, theme)
    assert all(0.03 < fill.alpha <= 0.15 for fill in fills)


def test_the_density_fills_the_frame(specimens, captured):
    texts = specimens.clouds(10_001, 3)
    canvas = canvas_of(captured, specimens.record(texts), texts)
    [picture] = elements(canvas, Raster)
    high, wide, _ = picture.pixels.shape
    covered = (picture.left, picture.bottom, picture.left + wide, picture.bottom + high)
    np.testing.assert_allclose(covered, frame(canvas), atol=0.51)


def test_drawing_starts_no_thread(specimens, tmp_path, monkeypatch):
    import threading

    from evalkit.plots import confusion, neighbours

    started = []

    def note(thread):
        started.append(thread.name)

    monkeypatch.setattr(threading.Thread, "start", note)
    texts = specimens.words()
    record = specimens.record(texts, queries=specimens.nearest_lists(texts))
    drawn(record, texts, tmp_path)
    names = sorted(set(texts["label"]))
    files = {"out_png": tmp_path / "p.png", "out_svg": tmp_path / "p.svg"}
    confusion.draw(record, pd.DataFrame(np.eye(5), names, names), **files)
    neighbours.draw(record, names, **files)
    assert started == []


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
    shown = [line.text for line in written(canvas_of(captured, record, texts))]
    assert "$x_1$" in shown
    assert "<img src=x onerror=alert(1)>" in shown
    assert "two lines" in shown
    assert max(len(text) for text in shown) <= 34
    out, err = capfd.readouterr()
    assert out + err + caplog.text == ""


def test_many_topics_name_those_that_find_room_and_say_how_many(specimens, captured):
    texts = specimens.clouds(1500, 60)
    canvas = canvas_of(captured, specimens.record(texts), texts)
    names = written(canvas)
    assert 20 <= len(names) < 60
    assert f"Named: {len(names)} of 60 topics" in caption_of(canvas)[-1].text
