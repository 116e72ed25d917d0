"""Makes records and texts that look like real ones, of any size, for the tests of pictures and gallery."""

import numpy as np
import pandas as pd

from evalkit.types import Record, Score

THIRTY = {
    "finance": ["bank", "mortgage", "money", "investment", "loan", "credit application"],
    "fruits": ["apple", "banana", "orange", "grape", "mango", "pineapple"],
    "animals": ["lion", "tiger", "elephant", "giraffe", "zebra", "kangaroo"],
    "sports": ["soccer", "basketball", "tennis", "baseball", "football", "cricket"],
    "countries": ["USA", "Canada", "Mexico", "Brazil", "Argentina", "UK"],
}
QUERIES = ["bitcoin", "melon", "gazelle", "swimming", "Uganda"]


def thirty() -> tuple[list[str], list[str]]:
    return [w for words in THIRTY.values() for w in words], [t for t, words in THIRTY.items() for _ in words]


def scores(n: int, k: int, strength: float, *, continuity: float = 0.98, trust: float = 0.93) -> tuple[Score, ...]:
    chance = (n / k - 1) / (n - 1)
    half = 0.7 / np.sqrt(n)

    def mean(name: str, value: float, space: str = "embedding") -> Score:
        return Score(
            name, space, value, 1.0, chance, (value - chance) / (1 - chance), 0.001,
            max(0.0, value - half), min(1.0, value + half), parameters={"B": 999},
        )  # fmt: skip

    precision = chance + (1 - chance) * strength
    return (
        mean("neighbours/precision_at_1", min(1, precision + 0.05)),
        mean("neighbours/precision_at_5", precision),
        mean("neighbours/map_at_r_macro", precision * 0.9),
        Score("separation/silhouette", "embedding", 0.4 * strength, 1.0, -0.02, 0.4 * strength, 0.001),
        Score("separation/davies_bouldin", "embedding", 3 - strength, 0.0, 4.1, 0.3, 0.001, higher_is_better=False),
        Score("geometry/anisotropy", "embedding", 0.2, None, 0.0, ranks_models=False),
        Score("map/silhouette", "map", 0.7 * strength, 1.0, -0.1, 0.7 * strength, 0.001),
        Score("hulls/overlap", "map", 0.5 * (1 - strength), 0.0, 0.71, 0.6, 0.001, higher_is_better=False),
        Score("faithfulness/trustworthiness_at_10", "map", trust, 1.0, 0.5),
        Score("faithfulness/label_continuity", "map", continuity, 1.0),
    )


def record(
    texts: pd.DataFrame,
    *,
    model: str = "sentence-transformers/all-MiniLM-L6-v2",
    pooling: str = "mean",
    projection: str = "tsne",
    seed: int = 0,
    strength: float = 0.8,
    queries: tuple[dict, ...] = (),
    corpus: str = "topics",
    model_label: str | None = None,
    **faithfulness: float,
) -> Record:
    n, k = len(texts), texts["label"].nunique()
    parameters = {"tsne": {"perplexity": min(30.0, (n - 1) / 3)}, "umap": {"n_neighbors": min(15, n - 1)}}
    return Record(
        identity=f"{abs(hash((model, pooling, projection, seed))):016x}",
        evalkit_version="0.1.0",
        settings={"model_label": model_label, "seed": seed, "k": [1, 5], "rank_by": "neighbours/map_at_r_macro"},
        corpus={"name": corpus, "fingerprint": "f" * 64, "texts": n, "labels": k, "dropped": {}},
        encoder={
            "name": model, "revision": "8b3219a92973c328a8e22fadcfa821b5dc75636a", "dimension": 384, "pooling": pooling,
            "native_pooling": "mean", "dtype": "float32", "max_length": 256, "normalised": True,
            "truncated_share": 0.0, "parameters": 22_713_216, "texts_per_second": 611.2,
        },
        projection={"name": projection, "seed": seed, "parameters": parameters.get(projection, {})},
        scores=scores(n, k, strength, **faithfulness),
        queries=queries,
        timings={"encode": 1.2},
        environment={},
        warnings=(),
    )  # fmt: skip


def clouds(n: int, k: int, seed: int = 0, spread: float = 1.0) -> pd.DataFrame:
    """n texts under k labels in uneven Gaussian clouds."""
    rng = np.random.default_rng(seed)
    labels = np.sort(np.arange(n) % k)
    centres = rng.uniform(-1, 1, (k, 2)) * 2.2 * np.sqrt(k)
    stretch = rng.uniform(0.4, 1.1, (k, 2)) * spread
    points = centres[labels] + rng.normal(size=(n, 2)) * stretch[labels]
    texts = [f"please tell me about item {i} of this topic" for i in range(n)]
    names = [f"topic {c:03d}" if k > 12 else f"topic {'ABCDEFGHIJKL'[c]}" for c in labels]
    return pd.DataFrame({"text": texts, "label": names, "x": points[:, 0], "y": points[:, 1]})


def words(seed: int = 0) -> pd.DataFrame:
    frame = clouds(30, 5, seed, spread=0.9)
    frame["text"], frame["label"] = thirty()
    return frame


def nearest_lists(texts: pd.DataFrame, seed: int = 0, queries: tuple[str, ...] = tuple(QUERIES)) -> tuple[dict, ...]:
    rng = np.random.default_rng(seed)
    out = []
    for query in queries:
        near = texts[["text", "label"]].iloc[rng.choice(len(texts), min(5, len(texts)), replace=False)]
        near = near.assign(similarity=np.sort(rng.uniform(0.2, 0.8, len(near)))[::-1])
        out.append({"query": query, "neighbours": near.to_dict("records")})
    return tuple(out)
