"""Exact 10 nearest of 40,000 × 384 by cosine: ours, the bare matrix product, faiss, torch, scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from made import clusters
from measure import Report, Row, alternate, median, options

REACH, K = 1.15, 10
BLOCK = 1_024


def numpy_product(vectors: Any) -> None:
    """The products alone, thrown away: what no exact search that multiplies can be quicker than."""
    room = np.empty((BLOCK, len(vectors)), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        part = vectors[start : start + BLOCK]
        np.matmul(part, vectors.T, out=room[: len(part)])


def torch_product(vectors: Any) -> None:
    import torch

    whole = torch.from_numpy(vectors)
    room = torch.empty((BLOCK, len(vectors)))
    for start in range(0, len(vectors), BLOCK):
        part = whole[start : start + BLOCK]
        torch.matmul(part, whole.T, out=room[: len(part)])


def torch_topk(vectors: Any) -> Any:
    import torch

    whole = torch.from_numpy(vectors)
    found = [(whole[at : at + BLOCK] @ whole.T).topk(K + 1, dim=1).indices for at in range(0, len(vectors), BLOCK)]
    return torch.cat(found).numpy()


def faiss_flat(vectors: Any) -> Any:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index.search(vectors, K + 1)[1]


def sklearn_brute(vectors: Any) -> Any:
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=K + 1, metric="cosine", algorithm="brute").fit(vectors)
    return model.kneighbors(vectors, return_distance=False)


def agreement(vectors: Any, ours: Any, peer: Any) -> tuple[float, float]:
    """Share of the peer's neighbours that ours names too, and how much nearer the peer's k-th ever is."""
    rows = np.arange(len(vectors))
    without = np.empty_like(ours)
    for row in rows:
        own = peer[row] != row
        without[row] = peer[row][own][:K] if not own.all() else peer[row][:K]
    shared = np.mean([np.isin(a, b).mean() for a, b in zip(without, ours, strict=True)])
    last = np.einsum("ij,ij->i", vectors, vectors[without[:, -1]]) - np.einsum(
        "ij,ij->i", vectors, vectors[ours[:, -1]]
    )
    return float(shared), float(last.max())


def main() -> None:
    arguments = options(__doc__).parse_args()
    n, d = (40_000, 384) if arguments.size == "full" else (3_000, 64)
    from evalkit.neighbours.exact import nearest

    vectors, _ = clusters(n, d, 77)
    report = Report("neighbours", arguments.size, arguments.repeats)
    found = alternate(
        {
            "ours": lambda: nearest(vectors, K).indices,
            "matrix product, numpy": lambda: numpy_product(vectors),
            "matrix product, torch": lambda: torch_product(vectors),
            "faiss IndexFlatIP": lambda: faiss_flat(vectors),
            "torch topk": lambda: torch_topk(vectors),
            "sklearn brute": lambda: sklearn_brute(vectors),
        },
        arguments.repeats,
        warm=arguments.size == "small",  # seconds of work warm themselves
    )
    ours = found["ours"][0].value
    checks = {name: agreement(vectors, ours, found[name][0].value) for name in ("faiss IndexFlatIP", "sklearn brute")}
    product = min(median(found[name]) for name in found if name.startswith("matrix"))
    ratio = median(found["ours"]) / product
    same = all(shared > 0.9999 and nearer < 1e-6 for shared, nearer in checks.values())
    report.row(
        Row(
            work=f"exact {K} nearest of {n:,} × {d}",
            against="the bare matrix product (the quicker of numpy and torch, in blocks)",
            reach=f"within {REACH} × of the matrix product",
            ours=median(found["ours"]),
            peer=product,
            measured=f"{ratio:.2f} ×",
            holds=ratio <= REACH and same,
            same="; ".join(
                f"{name}: {shared:.4%} of the neighbours the same, its last at most {max(nearer, 0):.0e} nearer"
                for name, (shared, nearer) in checks.items()
            ),
        )
    )
    report.detail(
        "Who finds the nearest",
        [
            {
                "program": name,
                "s": median(runs),
                "processor s": sorted(run.processor for run in runs)[len(runs) // 2],
                "times the product": median(runs) / product,
            }
            for name, runs in found.items()
        ],
    )
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
