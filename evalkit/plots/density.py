"""Many texts as a picture of their density: each pixel takes the mean colour of the labels that fall on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes, Points

SPREAD = 1.1  # pixels: a lone text stays visible, a crowd stays sharp
FAINTEST = 0.35


def render(
    points: Points,
    labels: Codes,
    colours: NDArray[np.float64],
    extent: tuple[float, float, float, float],
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """Return a (height, width, 4) uint8 RGBA picture of the `extent` (left, right, bottom, top), first row at the top.

    Opacity rises with the fourth root of the density up to its 99th percentile, so that a lone text and the middle of
    a crowd can both be read. Colour is the density-weighted mean of the (k, 3) label colours in linear light, so that
    where topics mix, the picture shows a mixture and not whichever was drawn last.
    """
    from scipy.ndimage import gaussian_filter

    height, width = shape
    left, right, bottom, top = extent
    column = np.clip((points[:, 0] - left) / (right - left) * width, 0, width - 1).astype(np.int64)
    row = np.clip((top - points[:, 1]) / (top - bottom) * height, 0, height - 1).astype(np.int64)
    cell = row * width + column

    def layer(weights: NDArray[np.float64] | None) -> NDArray[np.float32]:
        counts = np.bincount(cell, weights=weights, minlength=height * width)
        return np.asarray(gaussian_filter(counts.reshape(shape).astype(np.float32), SPREAD))

    density, linear = layer(None), colours**2.2
    lone = 1.0 / (2 * np.pi * SPREAD**2)  # the density at the place of a single text
    seen = density > 0.12 * lone
    picture = np.zeros((*shape, 4), dtype=np.float32)
    for channel in range(3):
        picture[seen, channel] = (layer(linear[labels, channel])[seen] / density[seen]) ** (1 / 2.2)
    crowded = max(float(np.percentile(density[seen], 99)), lone)
    strength = np.clip(density[seen] / crowded, 0, 1) ** 0.25
    rim = np.clip(density[seen] / lone, 0, 1)  # fades the rim of a lone dot
    picture[seen, 3] = rim * (FAINTEST + (1 - FAINTEST) * strength)
    return np.asarray(np.clip(picture, 0, 1) * 255 + 0.5, dtype=np.uint8)
