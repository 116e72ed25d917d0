"""Damaged files and odd options give our sentences or results, nothing else (EVALKIT_FUZZ_SECONDS: for how long)."""

import os

import numpy as np
import pytest
from reliability import fuzz

SECONDS = float(os.environ.get("EVALKIT_FUZZ_SECONDS", "4"))


@pytest.mark.timeout(600 + SECONDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_only_sentences_come_out(tmp_path, reliability, seed):
    tally = fuzz.fuzz(tmp_path, SECONDS, np.random.default_rng(seed))
    assert tally.wrong == {}
    assert len(tally.cases) == 6
    for kind, number in tally.cases.items():
        assert tally.refused[kind] > 0
        made = "one to five wounds to a good file" if kind != "options" else "one to three overrides of odd values"
        found = f"{tally.refused[kind]} refused in a sentence, the rest accepted"
        reliability("input", f"fuzzed {kind}", made=made, tried=number, found=found)


def test_what_is_no_sentence_is_kept_with_its_file(tmp_path, monkeypatch):
    def broken(path):
        raise KeyError(path.name)

    monkeypatch.setattr(fuzz, "read_file", broken)
    tally = fuzz.fuzz(tmp_path, 0.2, np.random.default_rng(0))
    assert any("KeyError" in what for what in tally.wrong)
    assert list(tmp_path.glob("finding-*"))
