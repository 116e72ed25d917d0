"""Many runs in one process leave nothing behind in it (500 runs: reliability.endurance)."""

from __future__ import annotations

import pytest
from reliability import endurance


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("kind", "runs", "options"),
    [
        ("no tracker", 60, ["tracker=none"]),
        ("MLflow on sqlite", 60, ["tracker.uri=sqlite:///mlflow.db"]),
    ],
)
def test_memory_handles_and_figures_do_not_grow_with_the_runs(tmp_path, request, kind, runs, options):
    outcome = endurance.run(tmp_path, runs, *options, every=runs // 6)
    assert len(outcome.samples) == 6
    assert endurance.report(outcome, kind, f"test_endurance.py: {request.node.originalname}") == []


def test_growth_is_complained_of():
    """The measure itself: a process that gains 1 MB and a file a run must not pass."""
    samples = [
        {"runs": n, "megabytes": 400.0 + n, "handles": n, "threads": 4, "figures": 0, "objects": 1000 * n}
        for n in (10, 20, 30, 40, 50)
    ]
    complaints = endurance.Outcome(samples, 0, 50, 1.0, "").complaints()
    assert complaints == ["memory grew by 1.00 MB a run", "+40000 objects", "+40 handles"]
