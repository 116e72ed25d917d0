import io
import sys
from pathlib import Path

import pandas as pd
import pytest
import specimens

from evalkit.records import HEADLINE_SCORES
from evalkit.report import terminal
from evalkit.report.leaderboard_text import terminal_columns

RANK_BY = "neighbours/map_at_r_macro"


def board(*models):
    rows = []
    for place, model in enumerate(models):
        row = {"rank": place + 1, "model": model, "pooling": "mean_sqrt_len", "tied_with": ", ".join(models[1:])}
        for name in HEADLINE_SCORES:
            row |= {name: 0.83449, f"{name}.ci_low": 0.1234, f"{name}.ci_high": 0.98765, f"{name}.chance": 0.0925}
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize(
    "models", [("minilm", "tfidf"), ("an-organisation/" + "a-very-long-model-name" * 3, "日本語" * 10)]
)
def test_the_leaderboard_cuts_no_figure_at_any_width(monkeypatch, capsys, width, models):
    monkeypatch.setenv("COLUMNS", str(width))
    terminal.print_table("a title", terminal_columns(board(*models), RANK_BY))
    out = capsys.readouterr().out
    assert "…" not in out
    assert out.count("0.834 [0.123, 0.988]") == 2
    assert ("0.092" in out) == ("chance" in out)
    assert out.count("0.834") == 2 * (1 + ("precision@1" in out) + ("silhouette" in out) + ("overlap" in out))
    assert "rank" in out
    if width >= 40:
        assert max(len(line) for line in out.splitlines()) <= width
    if width >= 80:
        assert "tied with" in out
    if width >= 120 and models[0] == "minilm":
        assert {"pooling", "chance", "precision@1", "silhouette"} <= set(out.split())


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_of_a_run_cuts_no_figure(monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    record = specimens.record(specimens.words())
    terminal.record_table(record, Path("out"))
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()[:-1]) <= width
    for score in record.scores:
        if score.name in HEADLINE_SCORES:
            assert f" {score.value:.3f}" in out
    for score in record.scores[:2]:
        assert f"{score.ci_low:.3f} – {score.ci_high:.3f}" in out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_stream_of_any_encoding_gets_the_results(monkeypatch, encoding):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, errors="strict"))
    terminal.print_table("map_at_r ↓", terminal_columns(board("minilm", "日本語"), RANK_BY))
    terminal.say("a path \udcff and ↓")
    sys.stdout.flush()
    text = written.getvalue().decode(encoding)
    assert "minilm" in text
    assert "0.834 [0.123, 0.988]" in text
    assert ("↓" in text) == (encoding == "utf-8")


def test_a_runs_line_holds_name_score_and_time():
    record = specimens.record(specimens.words(), model_label="minilm")
    line = terminal.run_line(record, "map/silhouette", 1.25, reused=False)
    assert line.split() == ["minilm·mean·tsne·0", "map/silhouette", "0.560", "(chance", "-0.100)", "1.2", "s"]
    assert terminal.run_line(record, "none", 1.0, reused=True).endswith("found finished")
