"""Colours and markers of labels, chosen for colour-blind readers.

Ten hues, after Okabe and Ito (2008), were moved in OKLab (Ottosson 2020) until any two are far apart for normal vision
and for protan, deutan and tritan readers alike (simulated after Machado, Oliveira and Fernandes 2009), once for a light
and once for a dark ground: the least distance among the first eight is 0.11 in OKLab, among all ten 0.098. Beyond ten
labels the hues return lighter and darker, with another marker.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark"]

# Blue, vermillion, teal, pink, gold, sky, olive, ink, violet, wine: the same order on both grounds.
HUES: dict[Theme, tuple[str, ...]] = {
    "light": (
        "#23508f", "#ac4206", "#0a8271", "#f16dbb", "#c6ac70", "#2eaefc", "#89940a", "#31220f", "#7c44d5", "#6a3641",
    ),
    "dark": (
        "#4469c4", "#fc5814", "#09a772", "#c382ce", "#edb444", "#c0bef9", "#ffec0c", "#b9f3ef", "#8e74fb", "#8b6352",
    ),
}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # matplotlib's, of the first ten labels, the next ten, and so on
SHADES = (0.0, 0.42, -0.34)  # how far the hues are moved towards white (positive) or black, ten labels at a time
TEXT_CONTRAST = 4.5  # WCAG 2.2, level AA


@dataclass(frozen=True, slots=True)
class Ground:
    """Hex colours of the paper, the text, fainter text, lines, and warnings."""

    paper: str
    text: str
    faint: str
    line: str
    warning: str
    warning_paper: str


GROUNDS: dict[Theme, Ground] = {
    "light": Ground("#ffffff", "#1d2126", "#5a626c", "#d5d9de", "#7a3e00", "#fff1d6"),
    "dark": Ground("#14171c", "#eceff3", "#a5adb8", "#39404a", "#ffd08a", "#3a2a10"),
}


def colours(count: int, theme: Theme) -> list[str]:
    """Return a hex colour of each label code below `count`; it depends on the code alone, so a sweep's maps agree."""
    hues = HUES[theme]
    return [_mixed(hues[code % len(hues)], SHADES[code // len(hues) % len(SHADES)]) for code in range(count)]


def markers(count: int) -> list[str]:
    """Return a matplotlib marker for each of `count` labels; colour and marker together are unique up to 210 labels."""
    hues = len(HUES["light"])
    return [MARKERS[code // hues % len(MARKERS)] for code in range(count)]


def inks(count: int, theme: Theme) -> list[str]:
    """Return the labels' colours, darkened (or lightened) until text in them has a contrast of 4.5 with the paper."""
    paper, step = GROUNDS[theme].paper, -0.06 if theme == "light" else 0.06

    def readable(colour: str) -> str:
        shades = (_mixed(colour, steps * step) for steps in itertools.count())
        return next(shade for shade in shades if contrast(shade, paper) >= TEXT_CONTRAST)

    return [readable(colour) for colour in colours(count, theme)]


def contrast(first: str, second: str) -> float:
    """Return the WCAG contrast ratio of two hex colours: 1 (equal) to 21 (black on white)."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(colour: str, amount: float) -> str:
    """Move a colour towards white (`amount` > 0) or black (< 0)."""
    target, share = float(amount > 0), min(abs(amount), 1.0)
    return "#" + "".join(f"{round(255 * (c + share * (target - c))):02x}" for c in _channels(colour))


def _channels(colour: str) -> list[float]:
    return [channel / 255 for channel in bytes.fromhex(colour[1:])]
