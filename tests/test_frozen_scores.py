"""The scores of given vectors are those that were frozen before the packages were made (see tests/frozen/scores.py)."""

import json

import pytest
from frozen import scores

PROCESSOR = {"geometry/intrinsic_dimension chance": 1e-5, "neighbours/map_at_r": 1e-5, "probe/": 1e-3}
"""What differs from processor to processor in the code that froze the numbers as well: single-precision cosines, two
nearly tied neighbours among two thousand, and a text at a permuted probe's boundary."""


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
        if entry not in absent and measured[entry] != pytest.approx(value, **_tolerance(entry))
    }
    assert not differing


def _tolerance(entry):
    bound = next((bound for part, bound in PROCESSOR.items() if part in entry), 1e-9)
    return {"rel": bound, "abs": bound}
