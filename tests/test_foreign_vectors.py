"""The vectors of one model are never used with queries of another: made anew, or refused in a sentence."""

import json
import shutil
from types import SimpleNamespace

import pytest

from evalkit.datasets import thirty_words
from evalkit.encoders.random import RandomEncoder
from evalkit.errors import RequestError
from evalkit.pipeline.embed import embed
from evalkit.pipeline.prepare import vector_keys
from evalkit.records import read_record
from evalkit.store import Store

QUICK = ("model=random", "projection=pca", "evaluators=[neighbours]", "store=own")


def queries_of(store, seed):
    """The entry of the queries' vectors of `model=random seed=SEED`: the smaller of the two."""
    entries = [file.parent for file in (store / "v1" / "embeddings").glob("*/*/entry.json")]
    meta = {entry: json.loads((entry / "entry.json").read_text())["meta"] for entry in entries}
    own = [entry for entry in entries if meta[entry]["encoder"]["details"]["seed"] == seed]
    return min(own, key=lambda entry: (entry / "vectors.npy").stat().st_size)


@pytest.mark.slow
@pytest.mark.fault("store", "vectors of another model", "their entry in the place of the queries' own")
def test_the_queries_vectors_of_another_model_are_set_aside_and_made_anew(evalkit):
    for seed in (0, 1):  # random draws by its seed: another seed is another model, of the same dimension
        done = evalkit(*QUICK, f"seed={seed}", f"hydra.run.dir=before{seed}").succeeded()
    store = done.folder / "own"
    own, foreign = queries_of(store, 0), queries_of(store, 1)
    assert own != foreign
    shutil.rmtree(own)
    shutil.copytree(foreign, own)
    shutil.rmtree(store / "v1" / "records")  # so that the answers are worked out again
    done = evalkit(*QUICK, "seed=0", "hydra.run.dir=after").succeeded()
    assert "was faulty (its manifest is that of embeddings" in done.err
    before, after = (read_record(done.folder / name) for name in ("before0", "after"))
    assert after.queries == before.queries
    assert after.queries != read_record(done.folder / "before1").queries


class Mixed(RandomEncoder):
    """One model's texts and, by some mistake of its author, queries of another length."""

    def encode_queries(self, texts, poolings, corpus_texts, advance):
        return RandomEncoder(dimension=5).encode_queries(texts, poolings, corpus_texts, advance)


def test_queries_of_another_length_are_refused(tmp_path):
    corpus = thirty_words.load()
    encoder = Mixed(name="mine", dimension=8)
    identity = encoder.identify("native")
    texts, queries, embedding = vector_keys(identity, corpus)
    prepared = SimpleNamespace(
        request=SimpleNamespace(encoder=encoder, pooling="native"),
        encoder=identity,
        corpus=corpus,
        keys=SimpleNamespace(texts=texts, queries=queries, embedding=embedding),
    )
    with pytest.raises(RequestError) as refused:
        embed(prepared, Store(tmp_path), advance=lambda _: None)
    assert str(refused.value) == (
        "the texts' vectors of mine have 8 dimensions and the queries' 5: "
        "different embeddings are incompatible, make both with one model."
    )
