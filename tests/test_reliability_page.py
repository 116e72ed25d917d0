"""docs/reliability.md says what was noted: tries added up, losses shown, nothing ends a cell."""

import json
import subprocess
import sys

from reliability import page

LINE = {"part": "store", "fault": "a flipped bit", "made": "one | bit <of> many", "tried": 2, "lost": "nothing"}
LINE |= {"found": "seen", "by": "test_x"}


def test_a_page_adds_up_tries_and_shows_losses():
    text = page.render([LINE, LINE], "abc1234")
    assert "| a flipped bit | one \\| bit &lt;of> many | 4 | nothing | seen | test_x |" in text
    assert "1 faults, 4 tries at commit abc1234; something was lost in none." in text
    text = page.render([LINE, {**LINE, "lost": "two runs"}], "abc1234")
    assert "| 4 | two runs |" in text
    assert "something was lost in 1." in text


def test_the_marks_are_noted(pytestconfig, tmp_path):
    """A test of its own in a folder of its own, run as CI would."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["reliability_fixtures"]\n')
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.fault('store', 'a fault', 'made so')\n"
        "@pytest.mark.parametrize('n', [1, 2, 3])\n"
        "def test_it(n):\n    assert n < 3\n"
        "def test_counted(reliability):\n    reliability('tracker', 'another', made='so', tried=7)\n"
    )
    environment = {"PYTHONPATH": str(pytestconfig.rootpath / "tests"), "EVALKIT_RELIABILITY": str(tmp_path / "lines")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
    assert [(line["fault"], line["lost"], line["tried"]) for line in lines] == [
        ("a fault", "nothing", 1),
        ("a fault", "nothing", 1),
        ("a fault", "test_it[3] failed", 1),
        ("another", "nothing", 7),
    ]
    assert {line["by"] for line in lines} == {"test_it.py: test_it", "test_it.py: test_counted"}
