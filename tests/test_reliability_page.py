"""docs/reliability.md says what was noted: tries added up, losses shown, nothing ends a cell."""

from __future__ import annotations

import json

import pytest
from reliability import notes, table

LINE = {
    "part": "store",
    "fault": "a flipped bit",
    "made": "one bit",
    "tried": 2,
    "lost": "nothing",
    "found": "",
    "by": "t",
}


def test_a_note_becomes_a_row(tmp_path, monkeypatch):
    file = tmp_path / "lines.jsonl"
    monkeypatch.setenv(notes.ENVIRONMENT, str(file))
    for _ in range(2):
        notes.note("store", "a flipped bit", made="one | bit <of> many", by="test_x", tried=2, found="seen")
    page = table.render(table.read([file]))
    assert f"| a flipped bit | one \\| bit &lt;of> many | 4 | nothing | seen | test_x | {notes.commit()} |" in page
    assert "1 faults, 4 tries; something was lost in none of them." in page


def test_a_page_gives_its_rows_and_what_is_noted_again_replaces_its_own(tmp_path):
    old = [
        {**LINE, "commit": "abc", "made": "one | bit <of> many"},
        {**LINE, "commit": "abc", "fault": "a long run", "by": "long.py --runs 5"},
        {**LINE, "commit": "abc", "fault": "no space", "lost": "a run", "found": "seen"},
    ]
    (tmp_path / "page.md").write_text(table.render(old), encoding="utf-8")
    assert table.render(table.read([tmp_path / "page.md"])) == table.render(old)
    new = [
        {**LINE, "commit": "def", "fault": fault, "by": by}
        for fault, by in (("a flipped bit", "t"), ("a long run", "long.py --runs 9"))
    ]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(line) + "\n" for line in new), encoding="utf-8")
    page = table.render(table.read([tmp_path / "page.md", tmp_path / "new.jsonl"]))
    assert page == table.render([old[2], *new])


def test_a_loss_is_shown():
    page = table.render([{**LINE, "commit": "abc"}, {**LINE, "commit": "abc", "lost": "two runs"}])
    assert "| a flipped bit | one bit | 4 | two runs |" in page
    assert "something was lost in 1 of them" in page


def test_without_a_file_nothing_is_written(monkeypatch):
    monkeypatch.delenv(notes.ENVIRONMENT, raising=False)
    notes.note("store", "x", made="y", by="z")


def test_an_unknown_part_is_refused():
    with pytest.raises(SystemExit, match="no section is called nowhere"):
        table.render([{**LINE, "commit": "abc", "part": "nowhere"}])


def test_the_marks_are_noted(pytestconfig, tmp_path, monkeypatch):
    """A test of its own in a folder of its own, run as CI would."""
    import subprocess
    import sys

    (tmp_path / "conftest.py").write_text('pytest_plugins = ["reliability_fixtures"]\n')
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.fault('store', 'a fault', 'made so')\n"
        "@pytest.mark.parametrize('n', [1, 2, 3])\n"
        "def test_it(n):\n    assert n < 3\n"
        "def test_counted(reliability):\n    reliability('tracker', 'another', made='so', tried=7)\n"
    )
    environment = {"PYTHONPATH": str(pytestconfig.rootpath / "tests"), notes.ENVIRONMENT: str(tmp_path / "lines")}
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
