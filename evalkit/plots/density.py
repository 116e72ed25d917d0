"""Many texts as a picture of their density: each pixel takes the mean colour of the labels that fall on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.types import Codes, Points

__all__ = ["render"]

_SPREAD = 1.1  # pixels: a lone text stays visible, a crowd stays sharp
_FAINTEST = 0.35


def render(
    points: Points,
    labels: Codes,
    colours: NDArray[np.float64],
    extent: tuple[float, float, float, float],
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """Return an (height, width, 4) uint8 RGBA picture, first row at the top.

    Parameters
    ----------
    points
        (N, 2) positions.
    labels
        (N,) label codes.
    colours
        (k, 3) label colours in 0 … 1.
    extent
        Left, right, bottom and top of the picture in the points' units.
    shape
        Height and width in pixels.

    Notes
    -----
    Opacity rises with the fourth root of the density up to its 99th percentile, so that a lone text and the middle
    of a crowd can both be read; colour is the density-weighted mean in linear light, so that where topics mix, the
    picture shows a mixture and not whichever was drawn last.
    """
    from scipy.ndimage import gaussian_filter

    height, width = shape
    left, right, bottom, top = extent
    column = np.clip((points[:, 0] - left) / (right - left) * width, 0, width - 1).astype(np.int64)
    row = np.clip((top - points[:, 1]) / (top - bottom) * height, 0, height - 1).astype(np.int64)
    cell = row * width + column
    linear = colours**2.2
    layers = [gaussian_filter(np.bincount(cell, minlength=height * width).reshape(shape).astype(np.float32), _SPREAD)]
    for channel in range(3):
        weighted = np.bincount(cell, weights=linear[labels, channel], minlength=height * width)
        layers.append(gaussian_filter(weighted.reshape(shape).astype(np.float32), _SPREAD))
    density = layers[0]
    lone = 1.0 / (2 * np.pi * _SPREAD**2)  # the density at the place of a single text
    seen = density > 0.12 * lone
    reference = max(float(np.percentile(density[seen], 99)), lone)
    picture = np.zeros((*shape, 4), dtype=np.float32)
    for channel in range(3):
        picture[..., channel][seen] = (layers[channel + 1][seen] / density[seen]) ** (1 / 2.2)
    strength = np.clip(density[seen] / reference, 0, 1) ** 0.25
    edge = np.clip(density[seen] / lone, 0, 1)  # fades the rim of a lone dot
    picture[..., 3][seen] = edge * (_FAINTEST + (1 - _FAINTEST) * strength)
    return np.asarray(np.clip(picture, 0, 1) * 255 + 0.5, dtype=np.uint8)
