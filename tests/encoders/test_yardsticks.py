"""The encoders that know nothing, and only words."""

import numpy as np
import pytest

from evalkit.encoders import Encoder
from evalkit.encoders.precomputed import PrecomputedEncoder
from evalkit.encoders.random import RandomEncoder
from evalkit.encoders.tfidf import TfidfEncoder
from evalkit.encoders.transformer import TransformerEncoder
from evalkit.errors import EvaluationError, RequestError

TEXTS = ["play some music", "play my album", "book a table for two", "book a restaurant", "rain tomorrow", "x", "x y"]


def silent(_):
    """No progress to show."""


def vectors(encoder, texts=TEXTS):
    return encoder.encode(texts, ["native"], silent)["native"].vectors


def test_every_kind_is_an_encoder():
    for kind in (RandomEncoder, TfidfEncoder, PrecomputedEncoder, TransformerEncoder):
        for method in ("identify", "encode", "encode_queries"):
            assert callable(getattr(kind, method))
    assert isinstance(RandomEncoder(), Encoder)


def test_random_depends_on_seed_and_text_alone():
    made = vectors(RandomEncoder(seed=3))
    np.testing.assert_array_equal(vectors(RandomEncoder(seed=3), TEXTS[::-1]), made[::-1])
    np.testing.assert_array_equal(vectors(RandomEncoder(seed=3), ["rain tomorrow"])[0], made[4])
    assert not np.isclose(vectors(RandomEncoder(seed=4)), made).any()
    repeated = vectors(RandomEncoder(), ["x", "y", "x"])
    np.testing.assert_array_equal(repeated[0], repeated[2])


def test_random_is_gaussian_and_of_768_dimensions():
    made = vectors(RandomEncoder(), [f"text {number}" for number in range(400)])
    assert made.shape == (400, 768)
    assert made.dtype == np.float32
    assert abs(made.mean()) < 0.01
    assert abs(made.std() - 1) < 0.01
    between = np.corrcoef(made)[np.triu_indices(400, 1)]
    assert abs(between).max() < 0.2
    assert abs(between.std() - 1 / np.sqrt(768)) < 0.001


def test_random_keeps_its_vectors_from_version_to_version():
    # A changed draw would make stored vectors and new ones differ under one identity.
    made = vectors(RandomEncoder(dimension=3, seed=7), ["mango"])[0]
    np.testing.assert_allclose(made, [-0.2280218, 2.549462, 0.9214096], rtol=1e-6)


def test_random_identities_differ_by_what_changes_a_vector():
    same = RandomEncoder(seed=1).identify("native")
    assert same == RandomEncoder(seed=1).identify("mean")
    assert same.pooling == same.native_pooling == "none"
    assert same.details != RandomEncoder(seed=2).identify("native").details
    assert same.details != RandomEncoder(seed=1, dimension=8).identify("native").details


def test_random_reports_progress_and_every_pooling_asked():
    finished = []
    made = RandomEncoder(dimension=4).encode(["t"] * 2_500, ["native", "cls"], finished.append)
    assert sum(finished) == 2_500
    assert len(finished) > 1
    assert made["native"] is made["cls"]


def test_tfidf_is_the_exact_cosine_of_all_terms_in_a_small_vocabulary():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union
    from sklearn.preprocessing import normalize

    union = make_union(
        TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4)),
    )
    expected = normalize(union.fit_transform(TEXTS)).toarray()
    made = vectors(TfidfEncoder())
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)


def test_tfidf_keeps_the_terms_that_most_texts_share():
    from sklearn.feature_extraction.text import TfidfVectorizer

    made = vectors(TfidfEncoder(max_features=5))
    assert made.shape == (len(TEXTS), 5)
    counts = {}
    for kind in ({"token_pattern": r"(?u)\b\w+\b"}, {"analyzer": "char_wb", "ngram_range": (2, 4)}):
        vectoriser = TfidfVectorizer(**kind)
        shared = (vectoriser.fit_transform(TEXTS) > 0).sum(axis=0).A1
        counts |= {(len(counts), term): n for term, n in zip(vectoriser.get_feature_names_out(), shared, strict=True)}
    assert np.count_nonzero(made) == sum(sorted(counts.values(), reverse=True)[:5])
    np.testing.assert_array_equal(made, vectors(TfidfEncoder(max_features=5)))


def test_tfidf_stays_within_its_memory(monkeypatch):
    from evalkit.encoders import tfidf

    monkeypatch.setattr(tfidf, "CELLS", 10 * len(TEXTS))
    monkeypatch.setattr(tfidf, "FEWEST", 3)
    assert vectors(TfidfEncoder()).shape[1] == 10


def test_tfidf_takes_queries_in_the_terms_of_the_corpus():
    encoder = TfidfEncoder()
    corpus = vectors(encoder)
    same = encoder.encode_queries([TEXTS[2], "qqqq"], ["native"], TEXTS, silent)["native"].vectors
    np.testing.assert_allclose(same[0], corpus[2], atol=1e-6)
    assert not same[1].any()
    fresh = TfidfEncoder().encode_queries([TEXTS[2]], ["native"], TEXTS, silent)["native"].vectors
    np.testing.assert_array_equal(fresh[0], same[0])
    refitted = encoder.encode_queries([TEXTS[2]], ["native"], TEXTS[:3], silent)["native"].vectors
    assert refitted.shape[1] < corpus.shape[1]


def test_tfidf_takes_texts_without_words():
    made = vectors(TfidfEncoder(), ["😀", "😀", "!!", "?!"])
    np.testing.assert_allclose(made[0], made[1])
    assert made[0] @ made[2] == 0
    with pytest.raises(EvaluationError, match="no terms"):
        vectors(TfidfEncoder(), ["", " "])


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(RequestError, match=r"model\.dimension=0"):
        RandomEncoder(dimension=0)
    with pytest.raises(RequestError, match=r"model\.max_features=0"):
        TfidfEncoder(max_features=0)
