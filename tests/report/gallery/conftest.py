import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import specimens

from evalkit.report.gallery.page import write_gallery
from evalkit.report.load_runs import LoadedRun

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MODELS = {"minilm": (MINILM, 0.85), "tfidf": ("tfidf", 0.35), "random": ("random", 0.0)}
NAMES = ("neighbours/map_at_r_macro", "neighbours/precision_at_5", "separation/silhouette")
NO_TABLES = {name: pd.DataFrame() for name in ("leaderboard", "comparisons", "agreement", "topics")}


def nearest(points, k):
    far = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(far, np.inf)
    return list(np.argsort(far, axis=1, kind="stable")[:, :k])


@pytest.fixture(scope="session")
def sweep():
    """Runs (3 models × t-SNE with two seeds and PCA) and the four tables, on the thirty words."""

    def make(change=lambda frame: frame, with_queries=True):
        runs = []
        for place, (model, (encoder, strength)) in enumerate(MODELS.items()):
            for projection, seed in (("tsne", 0), ("tsne", 1), ("pca", 0)):
                texts = change(specimens.words(10 * place + seed + 5 * (projection == "pca")))
                texts["neighbours"] = nearest(texts[["x", "y"]].to_numpy(), 10)
                record = specimens.record(
                    texts, model=encoder, model_label=model, projection=projection, seed=seed, strength=strength,
                    pooling="mean" if model == "minilm" else "none",
                    queries=specimens.nearest_lists(texts, place) if with_queries else (),
                    **({"continuity": 0.7} if model == "random" else {}),
                )  # fmt: skip
                runs.append(LoadedRun(record, texts, Path(f"sweep/{model}/{projection}-{seed}")))
        return runs, tables(sorted(set(runs[0].texts["label"])))

    return make


def tables(names):
    board = []
    for place, (model, (_, strength)) in enumerate(MODELS.items()):
        row = {"rank": [1, 2, 2][place], "model": model, "pooling": "mean" if model == "minilm" else "none"}
        value = 0.17 + 0.8 * strength
        for score in NAMES:
            row |= {score: value, f"{score}.chance": 0.17}
            row |= {f"{score}.ci_low": value - 0.1, f"{score}.ci_high": value + 0.03}
        board.append(row | {"texts_per_second": 600.0 * (place + 1), "dimension": 384, "parameters": np.nan})
    strengths = {model: strength for model, (_, strength) in MODELS.items()}
    comparisons = [
        {
            "score": score, "pooling": "native", "model_a": a, "model_b": b, "difference": strengths[a] - strengths[b],
            "ci_low": strengths[a] - strengths[b] - 0.1, "ci_high": strengths[a] - strengths[b] + 0.1, "p_value": 0.01,
            "p_holm": 0.001 if strengths[a] - strengths[b] > 0.4 else 0.4, "verdict": f"{a} against {b}",
        }
        for score in NAMES for a, b in itertools.combinations(MODELS, 2)
    ]  # fmt: skip
    agreement = [
        {
            "model_a": a, "pooling_a": "mean", "model_b": b, "pooling_b": "mean", "cka": 0.31, "cka_chance": 0.0,
            "cka_p": 0.01, "overlap": 0.52, "overlap_chance": 0.34, "overlap_p": 0.01,
        }
        for a, b in itertools.combinations(MODELS, 2)
    ]  # fmt: skip
    topics = [
        {"topic": a, "nearest": b, "share": 0.75, "mutual_share": 0.5, "p_value": 0.03}
        for a, b in itertools.pairwise(names)
    ]
    return dict(zip(NO_TABLES, map(pd.DataFrame, (board, comparisons, agreement, topics)), strict=True))


@pytest.fixture
def written(sweep, tmp_path):
    """Write the gallery of such a sweep; with `bare`, of its runs without tables."""

    def write(keep=None, bare=False, theme="auto", **changes):
        runs, tables = sweep(**changes)
        out = tmp_path / "gallery.html"
        write_gallery(runs[:keep], NO_TABLES if bare else tables, out=out, rank_by=NAMES[0], theme=theme)
        return out

    return write


@pytest.fixture
def large(tmp_path):
    """The gallery of twelve runs of 15,000 texts."""
    base = specimens.clouds(15_000, 7)
    base["text"] = [f"a sentence of usual length about one of the topics, number {i} of many" for i in range(15_000)]
    rng = np.random.default_rng(0)
    runs = []
    for i in range(12):
        moved, near = base["x"] + rng.normal(size=len(base)), list(rng.integers(0, len(base), (len(base), 10)))
        texts = base.assign(x=moved, neighbours=near)
        runs.append(LoadedRun(specimens.record(texts, seed=i % 3, model=f"model{i // 3}"), texts, Path(f"run{i}")))
    write_gallery(runs, NO_TABLES, out=tmp_path / "gallery.html", rank_by=NAMES[0])
    return tmp_path / "gallery.html"


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    kept = os.environ.get("EVALKIT_ARTIFACTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
