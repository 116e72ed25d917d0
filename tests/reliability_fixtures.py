"""``@pytest.mark.fault(part, fault, made)`` and the fixture ``reliability`` note what tests tried and lost."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from reliability.page import NOTHING, note


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(part, fault, made): what the test tries, for docs/reliability.md")


def _place(item: pytest.Item) -> str:
    return f"{Path(item.path).name}: {getattr(item, 'originalname', None) or item.name}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and not report.skipped:
        for mark in item.iter_markers("fault"):
            part, fault, made = mark.args
            lost = NOTHING if report.passed else f"{item.name} failed"
            note(part, fault, made=made, by=_place(item), lost=lost)
    return report


@pytest.fixture
def reliability(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`reliability(part, fault, made=…, tried=…, lost=…, found=…)` notes what the test counted."""

    def call(part: str, fault: str, **counted: Any) -> None:
        note(part, fault, by=_place(request.node), **counted)

    return call
