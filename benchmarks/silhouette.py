"""Cosine silhouette of 20,000 × 384 with 77 labels: class sums beside scikit-learn's N × N distances."""

from __future__ import annotations

import numpy as np
from made import clusters
from measure import Report, Row, alternate, median, options

REACH, TOLERANCE = 200.0, 1e-6


def main() -> None:
    arguments = options(__doc__).parse_args()
    n, d, k = (20_000, 384, 77) if arguments.size == "full" else (1_500, 64, 7)
    from sklearn.metrics import silhouette_samples as peer

    from evalkit.metrics.separation import silhouette_samples as ours

    vectors, labels = clusters(n, d, k)
    report = Report("silhouette", arguments.size, arguments.repeats)
    found = alternate(
        {"ours": lambda: ours(vectors, labels), "peer": lambda: peer(vectors, labels, metric="cosine")},
        arguments.repeats,
    )
    # The peer in double precision: its own float32 products are what limits the agreement.
    exact = peer(vectors.astype(np.float64), labels, metric="cosine")
    apart = float(np.abs(found["ours"][0].value - exact).max())
    peers = float(np.abs(found["peer"][0].value - exact).max())
    ratio = median(found["peer"]) / median(found["ours"])
    report.row(
        Row(
            work=f"silhouette, {n:,} × {d}, {k} labels",
            against='sklearn silhouette_samples(metric="cosine")',
            reach=f"{REACH:.0f} ×, equal to 1e-6",
            ours=median(found["ours"]),
            peer=median(found["peer"]),
            measured=f"{ratio:.0f} ×",
            holds=ratio >= REACH and apart <= TOLERANCE,
            same=f"largest difference of a text's silhouette from sklearn's in double precision: {apart:.1e} "
            f"(sklearn's own in float32: {peers:.1e})",
        )
    )
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
