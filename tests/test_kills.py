"""A sweep is killed or stopped at drawn moments and started again: nothing is lost (EVALKIT_KILLS: how often)."""

import os
import signal

import numpy as np
import pytest
from reliability import kills

KILLS = int(os.environ.get("EVALKIT_KILLS", "3"))
RUNNING = "status 130 and one sentence, no traceback, no run RUNNING"
FAULTS = {
    signal.SIGKILL: ("kill -9 of a sweep", "{killed} stale runs marked KILLED, none RUNNING"),
    signal.SIGTERM: ("SIGTERM to a sweep", RUNNING),
    signal.SIGINT: ("Ctrl-C in a sweep", RUNNING),
}
MADE = (
    f"to its whole process group, at moments drawn over phases and time; then the same command again, up to "
    f"{kills.A_FOLDER} times a folder; compared with an undisturbed sweep"
)


@pytest.mark.slow
@pytest.mark.timeout(1200 + 240 * KILLS)
def test_a_sweep_that_is_killed_and_stopped_again_and_again_ends_as_if_it_had_not_been(tmp_path, reliability):
    random = np.random.default_rng(7)
    with kills.slow_hub(tmp_path) as hub:
        whole, measured = kills.undisturbed(tmp_path / "whole", hub.url)
        for how, number in ((signal.SIGKILL, KILLS), (signal.SIGTERM, 1 + KILLS // 5), (signal.SIGINT, 1 + KILLS // 5)):
            tally = kills.strike_many(tmp_path, hub.url, whole, measured, number, how, random)
            assert tally.struck.total() == number
            assert tally.wrong == []
            fault, seen = FAULTS[how]
            hits = ", ".join(f"{phase} {count}" for phase, count in tally.struck.most_common())
            reliability(
                "resuming", fault, made=MADE, tried=number,
                found=f"hit while {hits}; {tally.started} starts; nothing that stood in the store was made again; "
                + seen.format(killed=tally.killed_runs),
            )  # fmt: skip
