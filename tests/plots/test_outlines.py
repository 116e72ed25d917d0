import dataclasses

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from evalkit.plots import outlines, style


@pytest.fixture
def axes():
    with style.applied("light"):
        figure = Figure(figsize=(4, 2), dpi=160)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        yield axes


def ink(axes):
    """Rows and columns of the figure's dark pixels."""
    axes.figure.canvas.draw()
    dark = np.asarray(axes.figure.canvas.buffer_rgba())[..., 0] < 128
    return np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("text", ["pineapple", "Übung (3.5)", "l", "…", "−0.12 · ωμέγα"])
def test_a_text_stands_where_matplotlib_would_put_it(axes, text, bold):
    ours = outlines.OutlinedText((0.5, 0.5), text, 9.0, "black", bold=bold)
    axes.add_artist(ours)
    box = ours.get_window_extent(axes.figure.canvas.get_renderer())
    rows, columns = ink(axes)
    ours.remove()
    theirs = Text(0.5, 0.5, text, fontsize=9, weight="bold" if bold else "normal", ha="center", va="center")
    axes.add_artist(theirs)
    other = theirs.get_window_extent(axes.figure.canvas.get_renderer())
    their_rows, their_columns = ink(axes)
    # Hinting moves theirs by up to a pixel a glyph.
    assert np.abs(box.extents - other.extents).max() < 2 + 0.15 * len(text)
    assert abs(rows[0] - their_rows[0]) <= 2
    assert abs(rows[-1] - their_rows[-1]) <= 2
    assert abs(columns[0] - their_columns[0]) <= 2 + 0.15 * len(text)
    assert abs(columns[-1] - their_columns[-1]) <= 2 + 0.15 * len(text)


def test_flush_left_begins_at_its_place(axes):
    axes.add_artist(outlines.OutlinedText((0.25, 0.5), "HHH", 12.0, "black", bold=False, align=0.0))
    _, columns = ink(axes)
    left = 0.25 * axes.figure.bbox.width
    assert left <= columns[0] <= left + 6


def test_a_plate_lies_under_its_text_and_reaches_beyond_it(axes):
    plate = outlines.Plate("#ff0000", 1.0, 0.2)
    axes.add_artist(outlines.OutlinedText((0.5, 0.5), "name", 12.0, "#000000", bold=True, plate=plate))
    axes.figure.canvas.draw()
    pixels = np.asarray(axes.figure.canvas.buffer_rgba())[..., :3].astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    black = pixels.sum(axis=2) < 60
    assert black.any()
    for axis in (0, 1):
        assert np.flatnonzero(red.any(axis=axis))[0] < np.flatnonzero(black.any(axis=axis))[0]
        assert np.flatnonzero(red.any(axis=axis))[-1] > np.flatnonzero(black.any(axis=axis))[-1]


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_a_text_without_ink_draws_nothing(axes, text):
    axes.add_artist(outlines.OutlinedText((0.5, 0.5), text, 9.0, "black", bold=False))
    rows, columns = ink(axes)
    assert rows.size == columns.size == 0


def test_an_invisible_text_draws_nothing(axes):
    hidden = outlines.OutlinedText((0.5, 0.5), "word", 9.0, "black", bold=False)
    hidden.set_visible(False)
    axes.add_artist(hidden)
    assert ink(axes)[0].size == 0


def test_an_outline_is_made_once_and_grows_with_its_size():
    with style.applied("light"):
        small = outlines.outline("word", 8.0, False)
        assert outlines.outline("word", 8.0, False) is small
        large = outlines.outline("word", 16.0, False)
    np.testing.assert_allclose(large.path.vertices, 2 * small.path.vertices)
    for field in dataclasses.fields(outlines.Outline):
        if field.name != "path":
            assert getattr(large, field.name) == pytest.approx(2 * getattr(small, field.name), rel=0.02)
