"""Fonts, colours and file formats that all pictures share, and text that is fit to be drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.plots.palette import GROUNDS, Theme
from evalkit.types import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

PROJECTIONS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
DPI = 160

# Tried after DejaVu Sans, in this order, where they are installed: scripts that it lacks.
FALLBACKS = (
    "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Emoji", "Symbola",
    "Segoe UI Emoji", "Unifont",
)  # fmt: skip

# What is drawn for a control character or a line break, and for joiners, soft hyphens and marks that reverse a text.
REPLACED = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": ""}


def figure(width: float, height: float, theme: Theme) -> Figure:
    """Return an empty figure (inches) with an Agg canvas, outside pyplot's list of open figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, facecolor=GROUNDS[theme].paper)
    FigureCanvasAgg(made)  # measures texts
    return made


@contextmanager
def applied(theme: Theme) -> Iterator[None]:
    """Set evalkit's fonts and colours for the block; matplotlib's settings are restored afterwards."""
    import matplotlib as mpl

    colours = GROUNDS[theme]
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


def save(drawn: Figure, path: Path, *, tight: bool = False) -> None:
    """Write `path`.png and .svg, `tight` as large as what is drawn; equal figures give equal bytes (no date)."""
    box = drawn.get_tightbbox().padded(0.14) if tight else None  # once for both files, which "tight" would not do
    drawn.savefig(f"{path}.png", metadata={"Software": None}, bbox_inches=box)
    drawn.savefig(f"{path}.svg", metadata={"Date": None, "Creator": None}, bbox_inches=box)


def shorten(text: Text, width: float) -> None:
    """Cut a line of text, ending in an ellipsis, until it is at most `width` pixels wide."""
    while (drawn := text.get_window_extent().width) > width and len(line := text.get_text()) > 1:
        letters = min(int(len(line) * width / drawn), len(line) - 1) - 1
        text.set_text(line[: max(letters, 0)].rstrip() + "…")


def clean(text: str, length: int) -> str:
    """Return `text` fit for a picture: one line of at most `length` characters, a square for those that no font has.

    So matplotlib warns of no missing glyph, and none is silently dropped.
    """
    prefix = text[: 8 * length]  # a text may have many thousand characters
    line = " ".join("".join(REPLACED.get(unicodedata.category(c), c) for c in prefix).split())
    if len(line) > length or len(text) > len(prefix):
        line = line[: length - 1].rstrip() + "…"
    known = _glyphs()
    return "".join(c if ord(c) in known else "\N{WHITE SQUARE}" for c in line)


def number(value: float) -> str:
    """Return a score with two digits and a true minus sign."""
    written = f"{value:.2f}"
    return "0.00" if written == "-0.00" else written.replace("-", "\N{MINUS SIGN}")


def projection_name(record: Record) -> str:
    """Return the name of the projection that a map was drawn by, as people write it."""
    name = str(record.projection["name"])
    return PROJECTIONS.get(name, name)


def subject(encoder: Mapping[str, Any]) -> str:
    """Return a model's short name, the last part of its hub id, and where it has one, its pooling."""
    name, pooling = str(encoder["name"]).rstrip("/").rsplit("/", 1)[-1], encoder["pooling"]
    return name if pooling == "none" else f"{name} · {pooling} pooling"


@lru_cache(maxsize=1)
def _families() -> tuple[str, ...]:
    """Font families in use: DejaVu Sans, then the installed ones of `FALLBACKS`."""
    from matplotlib import font_manager

    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in FALLBACKS if name in installed))


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    """Code points that the fonts in use can draw, in the regular and in the bold face."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    def drawable(family: str, weight: str) -> set[int]:
        face = font_manager.findfont(font_manager.FontProperties(family=[family], weight=weight))
        return set(FT2Font(face).get_charmap())

    return frozenset().union(*(drawable(family, "normal") & drawable(family, "bold") for family in _families()))
