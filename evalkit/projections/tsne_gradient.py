"""t-SNE's gradient: attraction along the graph's edges, repulsion by convolution on a grid, side by side.

openTSNE takes any gradient as ``negative_gradient_method``. Its own two find the repulsion by a quadtree, or by an
interpolation on a grid of a third of a unit that is transformed nine times an iteration. Here charges are spread by
cubic splines over cells of a third of a unit (the kernel is 1 wide), and three transforms suffice: one for the charges,
one for each component of the force; the normalisation is an inner product in the Fourier domain.

References
----------
Linderman et al. 2019, "Fast interpolation-based t-SNE for improved visualization of single-cell RNA-seq data",
Nature Methods 16. Pitsianis et al. 2019, "Spaceland embedding of sparse stochastic graphs" (the single charge).
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from evalkit.runtime.compiled import compiled
from evalkit.types import Points

Numbers = NDArray[np.int32]
Weights = NDArray[np.float64]
Grid = NDArray[np.float32]
Spectrum = NDArray[np.complex64]

WIDEST_CELL = 1 / 3  # the Cauchy kernel is 1 wide: forces err by 0.004, a sixth of the quadtree (docs/projections.md)
FEWEST_CELLS = 16  # on a map smaller than that many widest cells the cells shrink with it, by halves
MARGIN = 4  # cells beside the map: the splines reach over its edge, and ring for some cells where the grid wraps


@dataclass(frozen=True)
class _Kernels:
    """Transforms of 1/(1 + r²) and of x/(1 + r²)² on a padded grid; the y force is the x force's transpose."""

    side: int
    cell: float
    potential: Grid
    force: Spectrum
    turned: Spectrum


class GridGradient:
    """Gradient of t-SNE's objective as openTSNE asks for it; the same whatever the number of threads."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._beside = ThreadPoolExecutor(1)
        self._kernels: _Kernels | None = None

    def __call__(self, embedding: Any, P: Any, *, should_eval_error: bool = False, **_: Any) -> tuple[float, Points]:
        """Kullback-Leibler divergence (0 where not asked for) and (N, 2) gradient; `P` are sparse affinities."""
        points = np.ascontiguousarray(embedding, dtype=np.float64).view(np.ndarray)
        gradient = np.zeros_like(points)
        attraction = self._beside.submit(_attract, points, P.indptr, P.indices, P.data, gradient)
        with fft.set_workers(self._threads):
            forces, normaliser = self.repulsion(points)
        attraction.result()
        gradient -= forces / normaliser
        return (_divergence(points, P, normaliser) if should_eval_error else 0.0), gradient

    def repulsion(self, points: Points) -> tuple[Points, float]:
        """Sum over others of (y_i − y_j)/(1 + r²)², (N, 2), and the sum of 1/(1 + r²) over all ordered pairs."""
        corner = points.min(axis=0)
        extent = float((points.max(axis=0) - corner).max())
        halvings = math.ceil(math.log2(WIDEST_CELL * FEWEST_CELLS / max(extent, np.finfo(float).tiny)))
        cell = WIDEST_CELL / 2.0 ** max(halvings, 0)
        kernels = self._fitting(math.ceil(extent / cell) + 2 * MARGIN, cell)
        scaled = (points - corner) / cell + MARGIN - 0.5
        charges = np.zeros((kernels.side, kernels.side), dtype=np.float32)
        _spread(scaled, charges)
        # Half of the padded grid is empty before, and not asked for after: the rows of that half are left out.
        length = 2 * kernels.side
        spectrum = fft.fft(fft.rfft(charges, length, axis=1), length, axis=0)
        along, across = np.empty_like(spectrum), np.empty_like(spectrum)
        total = _multiply(spectrum, kernels.potential, kernels.force, kernels.turned, along, across)
        fields = [
            fft.irfft(fft.ifft(product, axis=0, overwrite_x=True)[: kernels.side], length, axis=1)
            for product in (along, across)
        ]
        return _gather(scaled, *fields), total / length**2 - len(points)

    def _fitting(self, cells: int, cell: float) -> _Kernels:
        """Kernels for a grid of at least that many cells: the last ones where they still fit."""
        side = fft.next_fast_len(cells, real=True)
        last = self._kernels
        if last is None or last.cell != cell or not 0 <= last.side - side <= last.side // 8:
            self._kernels = last = _kernels(side, cell)
        return last


def _kernels(side: int, cell: float) -> _Kernels:
    steps = np.arange(2 * side)
    offsets = np.where(steps < side, steps, steps - 2 * side) * cell
    squares = np.square(offsets)
    inverse = 1.0 / (1.0 + squares[:, None] + squares[None, :])
    force = offsets[:, None] * np.square(inverse)
    # Cubic B-splines on both sides of the kernel smooth it; dividing by their samples' transform, squared, makes
    # the pair of them interpolate it instead.
    ripple = np.square((4.0 + 2.0 * np.cos(np.pi * steps / side)) / 6.0)
    undo = 1.0 / (ripple[:, None] * ripple[None, : side + 1])
    return _Kernels(
        side,
        cell,
        (fft.rfft2(inverse).real * undo).astype(np.float32),
        (fft.rfft2(force) * undo).astype(np.complex64),
        (fft.rfft2(np.ascontiguousarray(force.T)) * undo).astype(np.complex64),
    )


@compiled
def _weights(position: float, weights: Weights) -> int:
    """Cubic B-spline weights of the four nodes around `position`; returns the first node."""
    first = int(np.floor(position)) - 1
    t = position - (first + 1)
    rest = 1.0 - t
    weights[0] = rest * rest * rest / 6.0
    weights[1] = (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0
    weights[2] = (4.0 - 6.0 * rest * rest + 3.0 * rest * rest * rest) / 6.0
    weights[3] = t * t * t / 6.0
    return first


@compiled
def _multiply(
    spectrum: Spectrum, potential: Grid, force: Spectrum, turned: Spectrum, along: Spectrum, across: Spectrum
) -> float:
    """Both forces' spectra, and the pair sum of the potential (Parseval: inner columns stand for two)."""
    total = 0.0
    last = spectrum.shape[1] - 1
    for i in range(spectrum.shape[0]):
        partial = 0.0
        for j in range(spectrum.shape[1]):
            value = spectrum[i, j]
            along[i, j] = value * force[i, j]
            across[i, j] = value * turned[i, j]
            power = (value.real * value.real + value.imag * value.imag) * potential[i, j]
            partial += power if j in (0, last) else 2.0 * power
        total += partial
    return total


@compiled
def _spread(scaled: Points, charges: Grid) -> None:
    across, down = np.empty(4), np.empty(4)
    for i in range(scaled.shape[0]):
        row, column = _weights(scaled[i, 0], across), _weights(scaled[i, 1], down)
        for a in range(4):
            for b in range(4):
                charges[row + a, column + b] += across[a] * down[b]


@compiled
def _gather(scaled: Points, first: Grid, second: Grid) -> Points:
    forces = np.empty(scaled.shape)
    across, down = np.empty(4), np.empty(4)
    for i in range(scaled.shape[0]):
        row, column = _weights(scaled[i, 0], across), _weights(scaled[i, 1], down)
        x = y = 0.0
        for a in range(4):
            for b in range(4):
                weight = across[a] * down[b]
                x += weight * first[row + a, column + b]
                y += weight * second[row + a, column + b]
        forces[i, 0], forces[i, 1] = x, y
    return forces


@compiled
def _attract(points: Points, starts: Numbers, others: Numbers, affinities: Weights, gradient: Points) -> None:
    """Add Σ p·(y_i − y_j)/(1 + r²): each edge of the symmetric graph is looked at once, for both ends."""
    for i in range(points.shape[0]):
        here, there = points[i, 0], points[i, 1]
        pull_x = pull_y = 0.0
        for edge in range(starts[i], starts[i + 1]):
            j = others[edge]
            if j > i:
                x, y = here - points[j, 0], there - points[j, 1]
                weight = affinities[edge] / (1.0 + x * x + y * y)
                pull_x += weight * x
                pull_y += weight * y
                gradient[j, 0] -= weight * x
                gradient[j, 1] -= weight * y
        gradient[i, 0] += pull_x
        gradient[i, 1] += pull_y


def _divergence(points: Points, affinities: Any, normaliser: float) -> float:
    """Σ p·log(p/q), q = 1/(1 + r²)/normaliser."""
    texts = np.repeat(np.arange(len(points)), np.diff(affinities.indptr))
    squares = sum(np.square(axis[texts] - axis[affinities.indices]) for axis in points.T)
    return float(special.rel_entr(affinities.data, 1.0 / (1.0 + squares) / normaliser).sum())
