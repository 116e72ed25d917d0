"""One look for all pictures: fonts that have the glyphs, text that stays text, files that are equal when made again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.plots import png
from evalkit.plots.palette import Theme, ground

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PROJECTIONS", "applied", "clean", "families", "figure", "model_name", "number", "save"]

PROJECTIONS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}

DPI = 160

# Tried after DejaVu Sans, in this order, where they are installed: scripts that it lacks.
_FALLBACKS = (
    "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Emoji", "Symbola",
    "Segoe UI Emoji", "Unifont",
)  # fmt: skip
_MISSING = "\N{WHITE SQUARE}"


def figure(width: float, height: float, theme: Theme) -> Figure:
    """Return an empty figure (inches) with an Agg canvas, outside pyplot's list of open figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, facecolor=ground(theme).paper)
    FigureCanvasAgg(made)
    return made


@contextmanager
def applied(theme: Theme) -> Iterator[None]:
    """Draw with the project's fonts and colours; outside the block matplotlib is as it was."""
    import matplotlib as mpl

    colours = ground(theme)
    settings: dict[Any, Any] = {
        "font.family": list(families()),
        "font.size": 9.0,
        "text.color": colours.text,
        "text.parse_math": False,  # a text such as "$x_1$" is data, not a formula
        "text.usetex": False,
        "axes.edgecolor": colours.line,
        "axes.facecolor": colours.paper,
        "axes.labelcolor": colours.text,
        "xtick.color": colours.faint,
        "ytick.color": colours.faint,
        "svg.fonttype": "path",  # the picture is the same where our fonts are missing
        "svg.hashsalt": "evalkit",
        "svg.image_inline": True,
        "path.simplify": True,
    }
    with mpl.rc_context(settings):
        yield


def save(drawn: Figure, out_png: Path, out_svg: Path) -> None:
    """Write both files; equal figures give equal bytes (no version, no date, no random ids)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    paper, canvas = drawn.get_facecolor(), drawn.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    # In this thread: each new one leaves memory behind that a long sweep's process never gives back.
    png.write(np.asarray(canvas.buffer_rgba())[..., :3], out_png, DPI)  # type: ignore[no-untyped-call]  # opaque everywhere
    drawn.savefig(out_svg, format="svg", dpi=DPI, facecolor=paper, metadata={"Date": None, "Creator": None})


def clean(text: str, length: int) -> str:
    """Return `text` fit for a picture: one line, at most `length` characters, only glyphs that some font has.

    Control characters and newlines become spaces, invisible format characters go; what no installed font can draw
    becomes a square, so that nothing is printed about missing glyphs and nothing is silently dropped.
    """
    # A prefix is enough, and a text may have many thousand characters.
    prefix = text[: 8 * length]
    kept = prefix
    if not (prefix.isascii() and prefix.isprintable()):  # most texts are, and each letter takes a microsecond
        kinds = ((c, unicodedata.category(c)) for c in prefix)
        kept = "".join(" " if kind in _BREAKS else "" if kind in _INVISIBLE else c for c, kind in kinds)
    line = " ".join(kept.split())
    if len(line) > length or len(text) > len(prefix):
        line = line[: length - 1].rstrip() + "…"
    known = _glyphs()
    if known.issuperset(map(ord, line)):
        return line
    return "".join(c if ord(c) in known else _MISSING for c in line)


def number(value: float | None, digits: int = 2) -> str:
    """Return a score as readers expect it: fixed digits, a true minus sign, a dash for none."""
    if value is None:
        return "–"
    written = f"{value:.{digits}f}"
    if float(written) == 0:
        written = written.lstrip("-")
    return written.replace("-", "\N{MINUS SIGN}")


def model_name(encoder: dict[str, Any] | Any) -> str:
    """Return the short name of an encoder: the last part of its hub id."""
    return str(encoder["name"]).rstrip("/").rsplit("/", 1)[-1]


_BREAKS = {"Cc", "Zl", "Zp"}
_INVISIBLE = {"Cf"}  # joiners, soft hyphens, and marks that reverse what follows them


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """Return the font families in use, the first first: DejaVu Sans, and what is installed of `_FALLBACKS`."""
    from matplotlib import font_manager

    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    """Return the code points that the fonts in use can draw, in the upright and in the bold face."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    known: set[int] = set()
    for family in families():
        faces = []
        for weight in ("normal", "bold"):
            face = font_manager.findfont(font_manager.FontProperties(family=[family], weight=weight))
            faces.append(set(FT2Font(face).get_charmap()))
        known |= set.intersection(*faces)
    return frozenset(known)
