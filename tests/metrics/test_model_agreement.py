import numpy as np
import pytest
from score_samples import noise, unit

from evalkit.errors import RequestError
from evalkit.metrics.model_agreement import compare, debiased_cka, neighbour_overlap
from evalkit.neighbours.exact import nearest


def literal_hsic(k, m):
    """Song et al. 2012, eq. 5, from the N × N matrices."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(n)
    return (
        np.trace(k @ m)
        + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (ones @ k @ m @ ones)
    ) / (n * (n - 3))


def test_cka_equals_the_formula_of_gram_matrices():
    a, b = noise(25, 40).astype(float), noise(25, 7, 1).astype(float)
    b[:, :3] += a[:, :3]
    k, m = a @ a.T, b @ b.T
    expected = literal_hsic(k, m) / np.sqrt(literal_hsic(k, k) * literal_hsic(m, m))
    assert debiased_cka(a, b) == pytest.approx(expected, abs=1e-10)


def test_an_embedding_agrees_with_its_own_rotation():
    a = noise(30, 12)
    turned = a @ np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0].astype(np.float32)
    found = compare(a, turned, np.random.default_rng(0))
    assert found["cka"] == pytest.approx(1, abs=1e-5)
    assert found["overlap"] == pytest.approx(1, abs=0.01)
    assert found["cka_p"] == found["overlap_p"] == 0.01
    assert found == compare(a, turned, np.random.default_rng(0))


@pytest.mark.slow
def test_independent_noise_agrees_by_chance_only():
    rows = [compare(noise(30, 768, 2 * s), noise(30, 768, 2 * s + 1), np.random.default_rng(s)) for s in range(40)]
    cka = np.array([row["cka"] for row in rows])
    overlap = np.array([row["overlap"] - row["overlap_chance"] for row in rows])
    assert abs(cka.mean()) < 4 * cka.std() / np.sqrt(40)
    assert abs(overlap.mean()) < 4 * overlap.std() / np.sqrt(40)
    for name in ("cka_p", "overlap_p"):
        assert np.mean([row[name] <= 0.05 for row in rows]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)
    assert rows[0]["overlap_chance"] == 10 / 29


def test_overlap_by_hand():
    assert neighbour_overlap(np.array([[1, 2], [0, 2]]), np.array([[2, 3], [0, 2]])) == 0.75


def test_overlap_of_sampled_queries(monkeypatch):
    monkeypatch.setattr("evalkit.metrics.model_agreement.QUERY_ROWS", 60)
    a = noise(100, 8)
    b = unit(a + 0.3 * noise(100, 8, 1))
    found = compare(a, b, np.random.default_rng(0), permutations=19)
    whole = neighbour_overlap(nearest(a, 10).indices, nearest(b, 10).indices)
    assert found["overlap"] == pytest.approx(whole, abs=0.08)
    assert found["overlap_p"] == 0.05


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(RequestError, match="5 and 6 rows"):
        debiased_cka(noise(5, 3), noise(6, 3))
    with pytest.raises(RequestError, match="four texts"):
        debiased_cka(noise(3, 3), noise(3, 3))


def test_equal_vectors_have_no_cka():
    constant = np.tile(np.float32([1, 0]), (6, 1))
    found = compare(constant, noise(6, 3), np.random.default_rng(0), permutations=5)
    assert np.isnan(found["cka"])
    assert np.isnan(found["cka_p"])
