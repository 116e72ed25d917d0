"""Does the silhouette's time grow as N? 10⁴, 10⁵ and 10⁶ texts × 384, 77 labels; the largest needs 4 GB."""

from __future__ import annotations

import math

import numpy as np
from made import clusters
from measure import Report, Row, alternate, median, options

STEEPEST = 1.1
"""Exponent of N that still counts as linear: from 10⁴ to 10⁶, caches lost cost something."""


def main() -> None:
    arguments = options(__doc__).parse_args()
    sizes, d, k = ((10_000, 100_000, 1_000_000), 384, 77) if arguments.size == "full" else ((500, 2_000, 8_000), 64, 7)
    from evalkit.metrics.centroid_scores import score_labellings
    from evalkit.metrics.label_means import centre

    def silhouettes(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return score_labellings(centre(vectors, k), labels[None], np.bincount(labels, minlength=k)).silhouettes[:, 0]

    report = Report("silhouette_scaling", arguments.size, arguments.repeats)
    times, apart = [], 0.0
    for n in sizes:
        vectors, labels = clusters(n, d, k)
        found = alternate({"ours": lambda v=vectors, c=labels: silhouettes(v, c)}, arguments.repeats)  # type: ignore[misc]
        times.append(median(found["ours"]))
        apart = max(apart, _apart(vectors, labels, found["ours"][0].value))
        del vectors
    exponent = math.log(times[-1] / times[0]) / math.log(sizes[-1] / sizes[0])
    report.row(
        Row(
            work="silhouette at " + ", ".join(f"{n:,}" for n in sizes),
            against="itself",
            reach="time grows as N",
            ours=times[-1],
            peer=None,
            measured=f"as N^{exponent:.2f}",
            holds=exponent <= STEEPEST and apart < 1e-5,
            same=f"50 texts of each by double-precision distances to all: largest difference {apart:.1e}",
        )
    )
    report.detail(
        "Silhouette and N",
        [{"texts": n, "s": t, "µs a text": 1e6 * t / n} for n, t in zip(sizes, times, strict=True)],
    )
    report.finish(arguments.out)


def _apart(vectors: np.ndarray, labels: np.ndarray, found: np.ndarray) -> float:
    """Largest difference to silhouettes from the distances themselves, on 50 texts."""
    rows = np.random.default_rng(1).choice(len(vectors), 50, replace=False)
    own = vectors[rows].astype(np.float64)
    # A block at a time: all in double precision would not fit beside the vectors.
    blocks = [own @ vectors[start : start + 50_000].astype(np.float64).T for start in range(0, len(vectors), 50_000)]
    distances = 1 - np.concatenate(blocks, axis=1)
    sizes = np.bincount(labels)
    largest = 0.0
    for place, row in enumerate(rows):
        means = np.bincount(labels, weights=distances[place]) / sizes
        c = labels[row]
        a = (means[c] * sizes[c] - distances[place, row]) / (sizes[c] - 1)
        b = np.delete(means, c).min()
        largest = max(largest, abs((b - a) / max(a, b) - found[row]))
    return float(largest)


if __name__ == "__main__":
    main()
