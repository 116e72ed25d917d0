"""The peer of the sweeps: what one writes without evalkit, run by sweeps.py in a process of its own.

A loop over models, poolings, projections and seeds with transformers, scikit-learn, umap-learn, matplotlib and MLflow,
that logs silhouette, precision and the map: topics coloured, their hulls shaded, in a small corpus the words beside
their points, in the size of evalkit's own. `plain`: every job is by itself, as with one Hydra job a combination: it
loads its model and encodes the texts. `careful`: loads each model once and keeps the vectors of all poolings.

    python benchmarks/plain_loop.py jobs.json out.json
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

K, BATCH = 5, 32
DPI, WORDS = 160, 60  # of evalkit's maps


def load(model: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    options = {"revision": model["revision"]} if model.get("revision") else {}
    network = AutoModel.from_pretrained(model["name"], **options).eval()
    return AutoTokenizer.from_pretrained(model["name"], **options), network


def encode(loaded: tuple[Any, Any], texts: list[str], poolings: list[str], longest: int) -> dict[str, Any]:
    """Batches of 32, longest texts first (as sentence-transformers does); pooling → (n, d)."""
    import torch

    tokenizer, model = loaded
    order = np.argsort([-len(text) for text in texts], kind="stable")
    parts: dict[str, list[Any]] = {pooling: [] for pooling in poolings}
    with torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            chosen = [texts[row] for row in order[start : start + BATCH]]
            batch = tokenizer(chosen, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            tokens = model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            for pooling in poolings:
                parts[pooling].append(pool(tokens, mask, pooling).numpy())
    vectors = {pooling: np.concatenate(found) for pooling, found in parts.items()}
    back = np.argsort(order)
    return {pooling: found[back] for pooling, found in vectors.items()}


def pool(tokens: Any, mask: Any, pooling: str) -> Any:
    if pooling == "cls":
        return tokens[:, 0]
    if pooling == "max":
        return tokens.masked_fill(mask == 0, float("-inf")).max(dim=1).values
    return (tokens * mask).sum(dim=1) / mask.sum(dim=1)


def scores(vectors: Any, labels: Any) -> dict[str, float]:
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(vectors).kneighbors()[1]
    return {
        "silhouette": float(silhouette_score(vectors, labels, metric="cosine")),
        f"precision_at_{K}": float((labels[near] == labels[:, None]).mean()),
    }


def project(vectors: Any, projection: str, seed: int) -> Any:
    n = len(vectors)
    if projection == "tsne":
        from sklearn.manifold import TSNE

        return TSNE(perplexity=min(30, (n - 1) / 3), metric="cosine", random_state=seed).fit_transform(vectors)
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a seed makes it run on one thread, and it says so
        return umap.UMAP(n_neighbors=min(15, n - 1), metric="cosine", random_state=seed).fit_transform(vectors)


def picture(points: Any, labels: Any, names: list[str], texts: list[str], title: str) -> Any:
    import matplotlib.pyplot as plt
    from scipy.spatial import ConvexHull

    figure, axes = plt.subplots(figsize=(8, 7), dpi=DPI)
    for code, name in enumerate(names):
        own = points[labels == code]
        drawn = axes.scatter(own[:, 0], own[:, 1], s=12, label=name)
        corners = own[ConvexHull(own).vertices]
        axes.fill(corners[:, 0], corners[:, 1], color=drawn.get_facecolor()[0], alpha=0.15)
    if len(texts) <= WORDS:
        for text, point in zip(texts, points, strict=True):
            axes.annotate(text, point)
    axes.set_title(title)
    axes.legend()
    return figure


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import mlflow

    mlflow.set_tracking_uri(asked["uri"])
    mlflow.set_experiment("loop")
    names, labels = np.unique(asked["labels"], return_inverse=True)
    kept: dict[str, Any] = {}
    found = []
    for model in asked["models"]:
        for pooling in asked["poolings"]:
            for projection in asked["projections"]:
                for seed in asked["seeds"]:
                    started = time.perf_counter()
                    if asked["careful"]:
                        if model["label"] not in kept:
                            kept.clear()
                            poolings = asked["poolings"]
                            kept[model["label"]] = encode(load(model), asked["texts"], poolings, model["max_length"])
                        vectors = kept[model["label"]][pooling]
                    else:
                        vectors = encode(load(model), asked["texts"], [pooling], model["max_length"])[pooling]
                    with mlflow.start_run(run_name=f"{model['label']}·{pooling}·{projection}·{seed}"):
                        params = {"model": model["name"], "pooling": pooling, "projection": projection, "seed": seed}
                        mlflow.log_params(params)
                        measured = scores(vectors, labels)
                        mlflow.log_metrics(measured)
                        points = project(vectors, projection, seed)
                        title = f"{model['label']} {pooling} {projection} {seed}"
                        figure = picture(points, labels, list(names), asked["texts"], title)
                        mlflow.log_figure(figure, "map.png")
                        plt.close(figure)
                    found.append(
                        {"model": model["label"], **params, **measured, "seconds": time.perf_counter() - started}
                        | {"model": model["label"]}
                    )
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
