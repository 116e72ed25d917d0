import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from evalkit.plots import shapes
from evalkit.plots.canvas import Canvas
from evalkit.plots.shapes import Dots, Ink, Line, Pictured, Raster, Shape, Washes

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
RED, BLUE, PAPER = "#ff0000", "#0000ff", "#ffffff"
TRIANGLE = [(20.0, 20.0), (60.0, 20.0), (20.0, 60.0)]


@pytest.fixture
def canvas():
    return Canvas(1.0, 0.5, PAPER)  # 160 by 80 pixels, 72 by 36 points


def colour(canvas, x, y):
    """Of the pixel whose lower left is at (x, y), counted upwards."""
    return tuple(int(part) for part in canvas.pixels()[79 - y, x])


def parsed(canvas, tag):
    return ET.fromstring(canvas.svg()).findall(f".//{SVG}{tag}")


def everything(canvas):
    circle = shapes.marker("o", 20.0)
    places = np.array([(30.0, 40.0), (100.5, 22.25)])
    noise = np.random.default_rng(0).integers(0, 256, (10, 20, 4), dtype=np.uint8)
    canvas.add(
        Washes((np.array(TRIANGLE),), (Ink(BLUE, 0.15),), PAPER),
        Shape(shapes.polygon(TRIANGLE), Ink(RED, 0.5), Ink(BLUE), 0.9),
        Shape(shapes.polygon([(1, 1), (70, 33)], closed=False), edge=Ink(BLUE, 0.3), width=2.4),
        Dots(circle, places, Ink(RED, 0.95), Ink(PAPER, 0.95), 0.5),
        Pictured((Dots(circle, places + 20, Ink(BLUE, 0.75)),)),
        Raster(noise, 120, 50),
        Shape(shapes.rounded((20, 20, 60, 30), 4.0), Ink(PAPER, 0.72)),
        Line.at((80, 40), "Ωa <b> & “c”", 9.0, RED, bold=True),
    )
    return canvas


def test_paper_covers_the_sheet(canvas):
    assert canvas.size == (160, 80)
    assert canvas.pixels().shape == (80, 160, 4)
    assert (canvas.pixels() == 255).all()
    dark = Canvas(1.0, 0.5, "#14171c")
    assert {tuple(pixel) for pixel in dark.pixels().reshape(-1, 4).tolist()} == {(0x14, 0x17, 0x1C, 255)}
    [rect] = parsed(dark, "rect")
    assert rect.attrib == {"width": "72", "height": "36", "fill": "#14171c"}


def test_the_svg_is_valid_and_as_large_as_matplotlib_made_it(canvas):
    root = ET.fromstring(everything(canvas).svg())
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("72pt", "36pt", "0 0 72 36")
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))
    assert {use.get(LINK) for use in root.iter(f"{SVG}use")} == {f"#{name}" for name in names}


def test_equal_canvases_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        everything(Canvas(1.0, 0.5, PAPER)).save(tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    with Image.open(tmp_path / "a.png") as found:
        np.testing.assert_array_equal(np.asarray(found), everything(Canvas(1.0, 0.5, PAPER)).pixels()[..., :3])


def test_what_is_added_later_lies_upon_what_was_before(canvas):
    canvas.add(Shape(shapes.polygon(TRIANGLE), Ink(RED)), Shape(shapes.polygon(TRIANGLE), Ink(BLUE)))
    assert colour(canvas, 25, 25) == (0, 0, 255, 255)
    assert [path.get("fill") for path in parsed(canvas, "path")] == [RED, BLUE]


def test_a_filled_polygon(canvas):
    canvas.add(Shape(shapes.polygon(TRIANGLE), Ink(RED, 0.4)))
    assert colour(canvas, 25, 25) == (255, 153, 153, 255)
    assert colour(canvas, 55, 55) == (255, 255, 255, 255)
    [path] = parsed(canvas, "path")
    assert path.attrib == {"d": "M9 27L27 27L9 9Z", "fill": RED, "fill-opacity": "0.4"}


def test_an_edge_is_as_wide_as_said_and_closes(canvas):
    canvas.add(Shape(shapes.frame((20, 20, 100, 60)), edge=Ink(BLUE), width=0.9))  # two pixels
    blue = (canvas.pixels()[..., 0] < 255)[::-1]
    assert blue[19:61, 60].nonzero()[0].tolist() == [0, 1, 40, 41]
    assert blue[40, 19:101].nonzero()[0].tolist() == [0, 1, 80, 81]
    [path] = parsed(canvas, "path")
    assert path.attrib == {"d": "M9 27L9 9L45 9L45 27Z", "stroke": BLUE, "stroke-width": "0.9"}


def test_a_line_of_corners_stays_open(canvas):
    canvas.add(Shape(shapes.polygon(TRIANGLE, closed=False), edge=Ink(BLUE, 0.5), width=0.9))
    assert colour(canvas, 40, 20)[0] < 160
    assert colour(canvas, 20, 40) == (255, 255, 255, 255)
    [path] = parsed(canvas, "path")
    assert path.get("d") == "M9 27L27 27L9 9"
    assert path.get("stroke-opacity") == "0.5"


def test_a_closed_polygon_may_name_its_first_corner_again():
    once, again = shapes.polygon(TRIANGLE), shapes.polygon([*TRIANGLE, TRIANGLE[0]])
    np.testing.assert_array_equal(once.vertices, again.vertices)
    np.testing.assert_array_equal(once.codes, again.codes)


@pytest.mark.parametrize("edge", [None, Ink(BLUE)])
def test_dots_are_one_shape_at_many_places(canvas, edge):
    places = np.array([(30.0, 40.0), (90.0, 20.0), (120.0, 60.0)])
    canvas.add(Dots(shapes.marker("s", 16.0), places, Ink(RED), edge, 0.9))  # squares of 4 points
    for x, y in places.astype(int):
        assert colour(canvas, x, y) == (255, 0, 0, 255)
    assert (canvas.pixels()[..., 1] < 255).sum() == pytest.approx(3 * (4 / 0.45 + (2 if edge else 0)) ** 2, rel=0.25)
    [definition] = parsed(canvas, f"defs/{SVG}path")
    assert definition.get("d") == "M-2 2L2 2L2 -2L-2 -2Z"
    uses = parsed(canvas, "use")
    assert [(use.get("x"), use.get("y")) for use in uses] == [("13.5", "18"), ("40.5", "27"), ("54", "9")]


@pytest.mark.parametrize("name", ["o", "s", "^", "D", "v", "P", "X"])
def test_markers_are_those_of_matplotlib(canvas, name):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas.add(Dots(shapes.marker(name, 80.0), np.array([(80.5, 40.5)]), Ink(RED), Ink(BLUE), 0.5))
    figure = Figure(figsize=(1.0, 0.5), dpi=160)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 160), ylim=(0, 80))
    axes.axis("off")
    axes.scatter([80.5], [40.5], s=80.0, marker=name, c=RED, edgecolors=BLUE, linewidths=0.5)
    FigureCanvasAgg(figure).draw()
    np.testing.assert_array_equal(canvas.pixels(), np.asarray(figure.canvas.buffer_rgba()))


def test_pictured_dots_are_equal_pixels_and_in_the_svg_a_picture_of_them_alone(canvas):
    dots = Dots(shapes.marker("o", 20.0), np.array([(30.0, 40.0), (100.5, 22.25)]), Ink(RED, 0.75))
    canvas.add(Shape(shapes.polygon(TRIANGLE), Ink(BLUE)), dots)
    other = Canvas(1.0, 0.5, PAPER)
    other.add(canvas.elements[0], Pictured((dots,)))
    np.testing.assert_array_equal(canvas.pixels(), other.pixels())
    [image] = parsed(other, "image")
    x, y, width, height = (float(image.get(name)) / 0.45 for name in ("x", "y", "width", "height"))
    picture = embedded(image)
    assert picture.shape == (round(height), round(width), 4)
    assert {tuple(p[:3]) for p in picture[picture[..., 3] == 191].tolist()} == {(255, 0, 0)}
    alone = Canvas(1.0, 0.5, PAPER)
    alone.add(dots)
    rows, columns = np.nonzero(alone.pixels()[..., 1] < 255)
    assert (x, y) == pytest.approx((columns.min(), rows.min()), abs=0.02)
    assert (x + width, y + height) == pytest.approx((columns.max() + 1, rows.max() + 1), abs=0.02)


def embedded(image):
    kind, data = image.get(LINK).split(",", 1)
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as found:
        return np.asarray(found)


def test_no_pictured_dots_are_no_picture(canvas):
    canvas.add(Pictured((Dots(shapes.marker("o", 20.0), np.empty((0, 2)), Ink(RED)),)))
    assert parsed(canvas, "image") == []


def test_a_raster_stands_pixel_by_pixel_first_row_at_the_top(canvas):
    noise = np.random.default_rng(1).integers(0, 256, (11, 20, 4), dtype=np.uint8)
    noise[..., 3] = 255
    noise[0, 0] = (9, 8, 7, 0)
    canvas.add(Raster(noise, 30, 40))
    pixels = canvas.pixels()
    np.testing.assert_array_equal(pixels[80 - 51 : 80 - 40, 30:50].reshape(-1, 4)[1:], noise.reshape(-1, 4)[1:])
    assert tuple(pixels[80 - 51, 30]) == (255, 255, 255, 255)
    [image] = parsed(canvas, "image")
    np.testing.assert_array_equal(embedded(image), noise)
    assert [image.get(name) for name in ("x", "y", "width", "height")] == ["13.5", "13.05", "9", "4.95"]


def test_a_line_of_text_is_shapes_at_its_place(canvas):
    line = Line.at((80.0, 40.0), 'lull <a>&"', 12.0, BLUE)
    canvas.add(line)
    left, bottom, right, top = line.box
    assert ((left + right) / 2, (bottom + top) / 2) == pytest.approx((80.0, 40.0))
    rows, columns = np.nonzero(canvas.pixels()[..., 0] < 128)
    assert left - 1 <= columns.min() < columns.max() <= right + 1
    assert bottom - 1 <= 79 - rows.max() < 79 - rows.min() <= top + 1
    root = ET.fromstring(canvas.svg())
    assert root.findall(f".//{SVG}text") == []
    uses, definitions = parsed(canvas, "use"), parsed(canvas, f"defs/{SVG}path")
    assert len(uses) == 9  # the space has no shape
    assert len(definitions) == 7  # l, u, <, a, >, & and the quotation mark
    assert uses[0].get(LINK) == uses[2].get(LINK) == uses[3].get(LINK)


def test_flush_left_begins_at_its_place():
    line = Line.at((30.0, 40.0), "word", 9.0, BLUE, align=0.0)
    assert line.corner[0] == 30.0
    assert (line.box[1] + line.box[3]) / 2 == pytest.approx(40.0)


@pytest.mark.parametrize("text", ["", "   "])
def test_a_text_without_ink_draws_nothing(canvas, text):
    canvas.add(Line.at((80.0, 40.0), text, 9.0, BLUE))
    assert (canvas.pixels() == 255).all()
    assert parsed(canvas, "use") == []


def test_a_plate_lies_under_its_text_and_reaches_beyond_it(canvas):
    name = Line.at((80.0, 40.0), "name", 12.0, "#000000", bold=True)
    canvas.add(Shape(shapes.rounded(name.box, 5.0), Ink(RED)), name)
    pixels = canvas.pixels()[..., :3].astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    black = pixels.sum(axis=2) < 60
    assert black.any()
    for axis in (0, 1):
        assert np.flatnonzero(red.any(axis=axis))[0] < np.flatnonzero(black.any(axis=axis))[0]
        assert np.flatnonzero(red.any(axis=axis))[-1] > np.flatnonzero(black.any(axis=axis))[-1]


def test_a_plate_is_matplotlibs_round_box():
    from matplotlib.patches import BoxStyle

    theirs = BoxStyle.Round(pad=0.35)(20, 30, 100, 15, 20.0)
    ours = shapes.rounded((20, 30, 120, 45), 0.35 * 20.0)
    np.testing.assert_allclose(ours.vertices, theirs.vertices)
    np.testing.assert_array_equal(ours.codes, theirs.codes)


def test_curves_of_both_kinds_are_written(canvas):
    canvas.add(
        Shape(shapes.rounded((20, 20, 60, 30), 4.0), Ink(RED)),
        Dots(shapes.marker("o", 20.0), np.array([(9.0, 9.0)]), Ink(RED)),
    )
    plate = next(path for path in parsed(canvas, "path") if path.get("fill"))
    assert plate.get("d").count("Q") == 4
    [circle] = parsed(canvas, f"defs/{SVG}path")
    assert circle.get("d").count("C") == 8
    assert circle.get("d").endswith("Z")


SQUARE = [(10.0, 10.0), (60.0, 10.0), (60.0, 60.0), (10.0, 60.0)]  # rims upon rims of pixels, level edges


def convex(seed):
    import shapely

    points = np.random.default_rng(seed).uniform((-20, -20), (180, 100), (12, 2))  # also beyond the sheet
    return shapely.get_coordinates(shapely.convex_hull(shapely.multipoints(points)))[:-1]


@pytest.mark.parametrize("paper", ["#ffffff", "#14171c"])
@pytest.mark.parametrize(
    "areas", [[SQUARE], [TRIANGLE, SQUARE], *[[convex(s), SQUARE, convex(s + 9)] for s in range(5)]]
)
def test_washes_are_what_agg_draws_but_for_their_rims(paper, areas):
    areas = tuple(np.array(area) for area in areas)
    fills = tuple(Ink(colour, 0.15) for colour in ("#23508f", "#f16dbb", "#89940a"))[: len(areas)]
    washed, drawn, rims = Canvas(1.0, 0.5, paper), Canvas(1.0, 0.5, paper), Canvas(1.0, 0.5, "#ffffff")
    washed.add(Washes(areas, fills, paper))
    drawn.add(*(Shape(shapes.polygon(area), fill) for area, fill in zip(areas, fills, strict=True)))
    rims.add(*(Shape(shapes.polygon(area), edge=Ink("#000000"), width=0.9) for area in areas))
    apart = np.abs(washed.pixels().astype(int) - drawn.pixels().astype(int)).max(axis=2)
    under = rims.pixels()[..., 0] < 255
    assert apart[~under].max() <= 3  # each of Agg's three mixtures is rounded
    assert apart.max() <= 0.15 * 255 + 3
    assert (washed.pixels()[..., :3] != drawn.pixels()[0, 0, :3]).any()
    assert washed.svg() == drawn.svg()


@pytest.mark.parametrize("clockwise", [True, False])
def test_a_wash_covers_the_pixels_whose_middles_it_has(canvas, clockwise):
    corners = np.array(SQUARE[::-1] if clockwise else SQUARE) + 0.4
    canvas.add(Washes((corners,), (Ink(RED, 0.5),), PAPER))
    rows, columns = np.nonzero(canvas.pixels()[::-1, :, 1] < 255)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 59, 10, 59)
    assert len(rows) == 50 * 50


def test_no_washes_leave_the_paper(canvas):
    canvas.add(Washes((), (), PAPER))
    assert (canvas.pixels() == 255).all()
