"""UMAP's layout on two threads: as good as on one, and the same every time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from evalkit.metrics.faithfulness import trustworthiness_samples
from evalkit.neighbours.exact import nearest, plane
from evalkit.projections import parallel_layout, umap


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(0)
    labels = rng.integers(12, size=1_500)
    x = 2 * rng.normal(size=(12, 24))[labels] + rng.normal(size=(1_500, 24))
    unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return unit, labels, nearest(unit, 14)


def lay(groups, monkeypatch, texts, seed=0):
    unit, _, graph = groups
    monkeypatch.setattr(umap, "ONE_THREAD_TEXTS", texts)
    return umap.project(unit, graph, seed=seed).points


def test_two_threads_keep_neighbours_and_labels_as_well_as_one(groups, monkeypatch):
    unit, labels, _ = groups
    found = []
    for texts in (10_000, 100):
        near = plane(lay(groups, monkeypatch, texts), 10).indices
        hits = (labels[near] == labels[:, None]).mean()
        found.append((trustworthiness_samples(unit, np.arange(len(unit)), near).mean(), hits))
    (trust, hit), (trust_parts, hit_parts) = found
    assert trust_parts == pytest.approx(trust, abs=0.005)
    assert hit_parts == pytest.approx(hit, abs=0.02)


def test_the_map_does_not_depend_on_which_thread_is_faster(groups, monkeypatch):
    points = lay(groups, monkeypatch, 100)
    move = parallel_layout._move

    def late(*arguments):
        if arguments[-1][0] == 0:  # the first part waits, now and then
            time.sleep(0.002 * (int(arguments[-3]) % 7 == 0))
        move(*arguments)

    monkeypatch.setattr(parallel_layout, "_move", late)
    np.testing.assert_array_equal(lay(groups, monkeypatch, 100), points)
    assert not np.array_equal(lay(groups, monkeypatch, 100, seed=1), points)
