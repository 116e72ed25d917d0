import random
import unicodedata

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

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
    small = outlines.outline("word", 8.0, False)
    assert outlines.outline("word", 8.0, False) is small
    large = outlines.outline("word", 16.0, False)
    np.testing.assert_allclose(large.path().vertices, 2 * small.path().vertices)
    for field in ("width", "height", "descent"):
        assert getattr(large, field) == pytest.approx(2 * getattr(small, field), rel=0.02)


def laid_out_by_matplotlib(text, size, bold):
    """Points and codes of a text's shape upon its baseline, and its width, all in points."""
    font = FontProperties(family=list(style.families()), weight="bold" if bold else "normal", size=size)
    points, codes = text_to_path.get_text_path(font, text)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return np.reshape(points, (-1, 2)) * size / text_to_path.FONT_SCALE, list(codes), width


def assert_as_matplotlib_lays_it_out(text, size, bold):
    shape = outlines.outline(text, size, bold)
    points, codes, width = laid_out_by_matplotlib(text, size, bold)
    assert shape.width == pytest.approx(width, abs=0.1)
    if not codes:
        assert shape.glyphs == ()
        return
    path = shape.path()
    assert path.codes.tolist() == codes
    np.testing.assert_allclose(path.vertices, points + np.array([0, shape.descent]), atol=0.1)
    # The line has room for all of it.
    assert path.vertices[:, 1].min() >= -1e-9
    assert path.vertices[:, 1].max() <= shape.height + 1e-9


CAPTIONS = (
    "all-MiniLM-L6-v2 · mean pooling · t-SNE (perplexity 9.67) · seed 0 · topics: 30 texts, 5 topics",
    "In the vectors: silhouette 0.32 (chance −0.02), neighbour precision at 5 0.83 (chance 0.17)",
    "AVAToWAyLTéÅ “quoted”, 1.1–7.7…",
)
JOINED = (
    "office, fluff, undefined",  # ligatures
    "e\u0301 i\u0308\u0301",  # marks that stack
    "в‚W αA",  # kerned as the letter before says
    "\u0645\u0631\u062d\u0628\u0627",  # letters that join
)


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("text", [*CAPTIONS, *JOINED, "", "  "])
def test_letters_stand_where_matplotlib_lays_them_out(text, bold):
    assert_as_matplotlib_lays_it_out(text, 9.0, bold)


@pytest.mark.parametrize("seed", range(4))
def test_any_letters_stand_where_matplotlib_lays_them_out(seed):
    rng = random.Random(seed)
    every = [chr(code) for code in [*range(0x20, 0x250), *range(0x2010, 0x2027), *range(0x2190, 0x2300)]]
    alphabet = [letter for letter in every if style.clean(letter, 2) == letter] + list("  AVTaoyfil.,019")
    composed = 0
    for _ in range(150):
        text = "".join(rng.choices(alphabet[:95] if rng.random() < 0.5 else alphabet, k=rng.randint(1, 14)))
        composed += outlines._composed(text, bool(seed % 2)) is not None
        assert_as_matplotlib_lays_it_out(text, 8.5, bool(seed % 2))
    assert composed > 140  # else this tests nothing


def test_captions_are_put_together_from_kept_letters(monkeypatch):
    for text in CAPTIONS:
        outlines.outline(text, 9.0, False)
    outlines.outline.cache_clear()
    monkeypatch.setattr(outlines, "_laid", lambda *_: pytest.fail("the font was asked"))
    for text in CAPTIONS:
        assert outlines.outline(text, 9.0, False).width > 0
    assert outlines.outline(CAPTIONS[1].replace("0.17", "0.32"), 9.0, False).width > 0


def test_what_is_kept_does_not_grow_with_the_number_of_texts():
    for number in range(0, 10_000, 3):
        outlines.outline(f"silhouette 0.{number:04d} (chance −0.02)", 9.0, False)
    glyphs, steps = len(outlines._glyphs), outlines._step.cache_info().currsize
    for number in range(1, 10_000, 3):
        outlines.outline(f"silhouette 0.{number:04d} (chance −0.02)", 9.0, False)
    assert len(outlines._glyphs) == glyphs
    assert outlines._step.cache_info().currsize == steps
    assert outlines.outline.cache_info().currsize <= 512


def test_a_letter_is_one_object_wherever_it_stands():
    once, again = outlines.outline("lull", 9.0, False), outlines.outline("fall", 12.0, False)
    assert once.glyphs[0] is once.glyphs[2] is once.glyphs[3] is again.glyphs[-1]
    assert once.glyphs[0] is not outlines.outline("l", 9.0, True).glyphs[0]


@pytest.fixture
def with_a_fallback(monkeypatch):
    """DejaVu Sans, and after it a font of matplotlib's own that has letters more."""

    def forget():
        for kept in (
            outlines.outline,
            outlines._letter,
            outlines._step,
            outlines._width,
            outlines._faces,
            style._glyphs,
        ):
            kept.cache_clear()

    forget()
    monkeypatch.setattr(style, "families", lambda: ("DejaVu Sans", "STIXGeneral"))
    yield
    monkeypatch.undo()
    forget()


def test_what_dejavu_sans_lacks_comes_from_a_fallback_font(with_a_fallback):
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    dejavu = set(FT2Font(findfont("DejaVu Sans")).get_charmap())
    lacking = next(chr(c) for c in sorted(style._glyphs() - dejavu) if unicodedata.category(chr(c))[0] in "LS")
    assert style.clean(lacking, 5) == lacking
    (glyph,) = outlines.outline(lacking, 9.0, False).glyphs
    [name] = [name for name, kept in outlines._glyphs.items() if kept is glyph]
    assert name.startswith("STIXGeneral")
    assert_as_matplotlib_lays_it_out(f"a {lacking}b{lacking}", 9.0, False)
