"""The scores of given vectors are those that were frozen before the packages were made (see tests/frozen/scores.py)."""

import json

import pytest
from frozen import scores

SINGLE = "geometry/intrinsic_dimension chance"
"""Rests on single-precision cosines of drawn vectors, whose seventh digit differs from processor to processor."""


@pytest.mark.parametrize(
    "name",
    ["topics", pytest.param("snips", marks=pytest.mark.slow), pytest.param("clinc150_domains", marks=pytest.mark.slow)],
)
def test_scores_intervals_and_paired_tests_are_the_frozen_ones(name, request, tmp_path):
    shared = None if name == "topics" else request.getfixturevalue("shared_data")
    frozen = json.loads(scores.FROZEN.read_text(encoding="utf-8"))[name]
    measured = scores.measure(scores.corpus(name, shared), tmp_path)
    assert measured.keys() == frozen.keys()
    absent = {entry for entry, value in frozen.items() if value is None}
    assert {entry for entry, value in measured.items() if value is None} == absent
    differing = {
        entry: (value, measured[entry])
        for entry, value in frozen.items()
        if entry not in absent
        and measured[entry] != pytest.approx(value, rel=1e-6 if entry.endswith(SINGLE) else 1e-9, abs=1e-9)
    }
    assert not differing
