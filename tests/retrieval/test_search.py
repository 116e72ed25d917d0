import numpy as np
import pytest

from evalkit.errors import EvaluationError
from evalkit.retrieval import search as searching
from evalkit.retrieval.scores import NAMES, per_query
from evalkit.retrieval.search import hits_from_scores, ranks, search
from evalkit.retrieval.types import Judgments


def unit(rng, n, d=24):
    vectors = rng.standard_normal((n, d), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def vectors():
    rng = np.random.default_rng(1)
    return unit(rng, 30), unit(rng, 9_500)


@pytest.mark.parametrize("k", [1, 10, 100])
@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_the_nearest_of_all(vectors, k, device, monkeypatch):
    queries, documents = vectors
    if device == "torch":  # the way to a CUDA device, on the CPU
        monkeypatch.setattr(searching, "_top_on_cpu", lambda *parts: searching._top_on_device(*parts[:3], "cpu"))
        monkeypatch.setattr(searching, "CUDA_DOCUMENT_BLOCK", 4_000)
    hits = search(queries, documents, k)
    cosines = queries.astype(np.float64) @ documents.T.astype(np.float64)
    expected = np.argsort(-cosines, axis=1)[:, :k]
    assert (hits.documents == expected).mean() > 0.999  # neighbours within 5e-7 may change places
    assert hits.scores == pytest.approx(np.take_along_axis(cosines, expected, axis=1), abs=1e-6)
    assert hits.size == 9_500


def test_fewer_documents_than_asked_for():
    rng = np.random.default_rng(2)
    hits = search(unit(rng, 3), unit(rng, 7), 100)
    assert hits.documents.shape == (3, 7)
    assert (np.sort(hits.documents, axis=1) == np.arange(7)).all()
    assert hits.ties.rows.size == 0


def test_a_memory_map_of_half_precision_is_read_in_blocks(vectors, tmp_path):
    queries, documents = vectors
    mapped = np.memmap(tmp_path / "documents", dtype=np.float16, mode="w+", shape=documents.shape)
    mapped[:] = documents
    hits = search(queries, mapped, 5)
    assert hits.scores == pytest.approx(search(queries, documents, 5).scores, abs=2e-3)


@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_quantised_vectors_tie_and_the_order_of_documents_does_not_matter(device, monkeypatch):
    """Signs of 16 numbers: most queries have ties across every place, among lists and beyond."""
    if device == "torch":
        monkeypatch.setattr(searching, "_top_on_cpu", lambda *parts: searching._top_on_device(*parts[:3], "cpu"))
    rng = np.random.default_rng(3)
    queries, documents = (np.sign(rng.standard_normal((n, 16))).astype(np.float32) / 4 for n in (25, 6_000))
    judged = [np.sort(rng.choice(6_000, 40, replace=False)) for _ in range(25)]

    def scores(order):
        place = np.argsort(order)
        rows = [np.sort(place[row]) for row in judged]
        judgments = Judgments(np.arange(26) * 40, np.concatenate(rows).astype(np.int32), np.ones(1000))
        hits = search(queries, documents[order])
        assert hits.ties.rows.size > 12
        return per_query(hits, judgments)

    first, second = scores(np.arange(6_000)), scores(rng.permutation(6_000))
    complete = hits_from_scores([queries @ documents.T], tolerance=5e-7)
    judgments = Judgments(np.arange(26) * 40, np.concatenate(judged).astype(np.int32), np.ones(1000))
    dense = per_query(complete, judgments)
    for name in NAMES:
        assert first[name] == pytest.approx(second[name], abs=1e-12), name
        assert first[name] == pytest.approx(dense[name], abs=1e-12), name


def test_ranks_of_single_documents(vectors):
    queries, documents = vectors
    cosines = queries @ documents.T
    rows, wanted = np.array([0, 3, 3]), np.array([17, 5, 9_000])
    expected = 1 + (cosines[rows] > cosines[rows, wanted][:, None] + 5e-7).sum(axis=1)
    assert ranks(queries, documents, rows, wanted).tolist() == expected.tolist()


def test_vectors_that_do_not_fit_are_refused():
    with pytest.raises(EvaluationError, match=r"one dimension and k of at least 1, found \(2, 3\), \(5, 4\)"):
        search(np.zeros((2, 3), np.float32), np.zeros((5, 4), np.float32))
    with pytest.raises(EvaluationError, match="k = 0"):
        search(np.zeros((2, 3), np.float32), np.zeros((5, 3), np.float32), 0)
