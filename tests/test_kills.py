"""A sweep is killed or stopped at drawn moments and started again: nothing is lost (30 kills: reliability.kills)."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from reliability import kills


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_sweep_that_is_killed_and_stopped_again_and_again_ends_as_if_it_had_not_been(tmp_path, request):
    random = np.random.default_rng(7)
    with kills.slow_hub(tmp_path) as hub:
        whole, measured = kills.undisturbed(tmp_path / "whole", hub.url)
        for how, number in ((signal.SIGKILL, 5), (signal.SIGTERM, 2), (signal.SIGINT, 2)):
            tally = kills.strike_many(tmp_path, hub.url, whole, measured, number, how, random)
            assert tally.struck.total() == number
            assert tally.wrong == []
            kills.report(tally, how, f"test_kills.py: {request.node.name}")


def test_aims_cover_all_phases_and_any_moment():
    drawn = kills.aims(30, np.random.default_rng(0))
    assert len(drawn) == 30
    assert {aim: drawn.count(aim) for aim in drawn} == {**dict.fromkeys(kills.AIMS, 3), kills.ANY: 9}
