"""Many runs in one process leave nothing behind in it (EVALKIT_RUNS: how many)."""

import os

import pytest
from reliability import endurance

RUNS = int(os.environ.get("EVALKIT_RUNS", "60"))


@pytest.mark.slow
@pytest.mark.timeout(1800 + 5 * RUNS)
@pytest.mark.parametrize(
    ("kind", "options"), [("no tracker", ["tracker=none"]), ("MLflow on sqlite", ["tracker.uri=sqlite:///mlflow.db"])]
)
def test_memory_handles_and_figures_do_not_grow_with_the_runs(tmp_path, reliability, kind, options):
    outcome = endurance.run(tmp_path, RUNS, *options, every=RUNS // 6)
    assert len(outcome.samples) == 6
    assert outcome.complaints() == []
    made = f"a sweep over {RUNS} seeds, looked at every {RUNS // 6} runs"
    reliability("endurance", f"many runs in one process, {kind}", made=made, tried=RUNS, found=outcome.seen())


def test_growth_is_complained_of():
    """The measure itself: a process that gains 1 MB and a file a run must not pass."""
    samples = [
        {"runs": n, "megabytes": 400.0 + n, "handles": n, "threads": 4, "figures": 0, "objects": 1000 * n}
        for n in (10, 20, 30, 40, 50)
    ]
    complaints = endurance.Outcome(samples, 0, 50).complaints()
    assert complaints == ["memory grew by 1.00 MB a run", "+40000 objects", "+40 handles"]
