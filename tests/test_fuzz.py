"""Damaged files and odd options give our sentences or results, nothing else (reliability.fuzz takes minutes)."""

from __future__ import annotations

import numpy as np
import pytest
from reliability import fuzz


@pytest.mark.parametrize("seed", [0, 1])
def test_only_sentences_come_out(tmp_path, seed):
    tally = fuzz.fuzz(tmp_path, 4.0, np.random.default_rng(seed))
    assert tally.wrong == {}
    assert len(tally.cases) == 6
    assert all(tally.refused[kind] > 0 for kind in tally.cases)


def test_what_is_no_sentence_is_kept_with_its_file(tmp_path, monkeypatch):
    def broken(path):
        raise KeyError(path.name)

    monkeypatch.setattr(fuzz, "read_file", broken)
    tally = fuzz.fuzz(tmp_path, 0.2, np.random.default_rng(0))
    assert any("KeyError" in what for what in tally.wrong)
    assert list(tmp_path.glob("finding-*"))
