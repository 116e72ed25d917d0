"""Fonts, colours and file formats that all pictures share, and text that is fit to be drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.plots.palette import Theme, ground

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["DPI", "PROJECTIONS", "applied", "clean", "figure", "model_name", "number", "save", "shorten", "subject"]

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

_BREAKS = {"Cc", "Zl", "Zp"}
_INVISIBLE = {"Cf"}  # joiners, soft hyphens and marks that reverse what follows them


def figure(width: float, height: float, theme: Theme) -> Figure:
    """Return an empty figure (inches) with an Agg canvas, outside pyplot's list of open figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, facecolor=ground(theme).paper)
    FigureCanvasAgg(made)  # measures texts
    return made


@contextmanager
def applied(theme: Theme) -> Iterator[None]:
    """Set evalkit's fonts and colours for the block; matplotlib's settings are restored afterwards."""
    import matplotlib as mpl

    colours = ground(theme)
    settings: dict[Any, Any] = {
        "font.family": list(_families()),
        "font.size": 9.0,
        "text.color": colours.text,
        "text.parse_math": False,  # a text such as "$x_1$" is data, not a formula
        "text.usetex": False,
        "axes.edgecolor": colours.line,
        "axes.facecolor": colours.paper,
        "svg.fonttype": "path",  # the picture is the same where our fonts are missing
        "svg.hashsalt": "evalkit",
        "svg.image_inline": True,
    }
    with mpl.rc_context(settings):
        yield


def save(drawn: Figure, out_png: Path, out_svg: Path, *, tight: bool = False) -> None:
    """Write both files; equal figures give equal bytes (no version, no date, no random ids).

    With `tight`, the files are as large as what is drawn, so that no label is cut off.
    """
    box = drawn.get_tightbbox().padded(0.14) if tight else None  # once for both files, which "tight" would not do
    drawn.savefig(out_png, metadata={"Software": None}, bbox_inches=box)
    drawn.savefig(out_svg, metadata={"Date": None, "Creator": None}, bbox_inches=box)


def shorten(text: Text, width: float) -> None:
    """Cut a line of text, ending in an ellipsis, until it is at most `width` pixels wide."""
    while (drawn := text.get_window_extent().width) > width and len(line := text.get_text()) > 1:
        letters = min(int(len(line) * width / drawn), len(line) - 1) - 1
        text.set_text(line[: max(letters, 0)].rstrip() + "…")


def clean(text: str, length: int) -> str:
    """Return `text` fit for a picture: one line, at most `length` characters, only glyphs that some font has.

    Control characters and line breaks become spaces and invisible format characters are removed. A character that no
    installed font has becomes a square, so that matplotlib warns of no missing glyph and none is silently dropped.
    """
    prefix = text[: 8 * length]  # a text may have many thousand characters
    kinds = ((c, unicodedata.category(c)) for c in prefix)
    kept = "".join(" " if kind in _BREAKS else "" if kind in _INVISIBLE else c for c, kind in kinds)
    line = " ".join(kept.split())
    if len(line) > length or len(text) > len(prefix):
        line = line[: length - 1].rstrip() + "…"
    known = _glyphs()
    return "".join(c if ord(c) in known else _MISSING for c in line)


def number(value: float | None, digits: int = 2) -> str:
    """Return a score with fixed digits and a true minus sign; a dash for None."""
    if value is None:
        return "–"
    written = f"{value:.{digits}f}"
    if float(written) == 0:
        written = written.lstrip("-")
    return written.replace("-", "\N{MINUS SIGN}")


def model_name(encoder: Mapping[str, Any]) -> str:
    """Return the short name of an encoder: the last part of its hub id."""
    return str(encoder["name"]).rstrip("/").rsplit("/", 1)[-1]


def subject(encoder: Mapping[str, Any]) -> str:
    """Return a model's short name and, where it has one, its pooling."""
    pooling = encoder["pooling"]
    return model_name(encoder) if pooling == "none" else f"{model_name(encoder)} · {pooling} pooling"


@lru_cache(maxsize=1)
def _families() -> tuple[str, ...]:
    """Font families in use: DejaVu Sans, then the installed ones of `_FALLBACKS`."""
    from matplotlib import font_manager

    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    """Code points that the fonts in use can draw, in the regular and in the bold face."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    known: set[int] = set()
    for family in _families():
        faces = []
        for weight in ("normal", "bold"):
            face = font_manager.findfont(font_manager.FontProperties(family=[family], weight=weight))
            faces.append(set(FT2Font(face).get_charmap()))
        known |= set.intersection(*faces)
    return frozenset(known)
