import re

import pandas as pd
import pytest

from evalkit.errors import RequestError
from evalkit.report.__main__ import main
from evalkit.report.build_report import report_on
from evalkit.report.load_runs import collect

QUICK = ("projection=pca", "evaluators=[neighbours]")


@pytest.fixture
def two_sweeps(evalkit):
    evalkit("-m", *QUICK, "model=minilm,random", "hydra.sweep.dir=one")
    return evalkit("-m", *QUICK, "model=tfidf,random", "hydra.sweep.dir=two").folder


@pytest.mark.slow
def test_any_set_of_records_makes_one_report(two_sweeps):
    out = two_sweeps / "report"
    report = report_on(collect([two_sweeps / "one", two_sweeps / "two"]), out)
    assert len(report.runs) == 3, "random was evaluated twice and counts once"
    assert {file.name for file in out.iterdir()} == {
        "leaderboard.csv", "leaderboard.md", "comparisons.csv", "agreement.csv", "topics.csv", "gallery.html",
    }  # fmt: skip
    board = pd.read_csv(out / "leaderboard.csv")
    assert board["model"].tolist()[0] == "minilm"
    compared = pd.read_csv(out / "comparisons.csv")
    main_score = compared[compared["score"] == "neighbours/map_at_r_macro"]
    assert len(main_score) == 3
    assert (main_score["p_holm"] >= main_score["p_value"]).all()
    assert pd.read_csv(out / "agreement.csv")["cka"].between(-1, 1).all()
    assert not re.search(r"\]\s*\(", (out / "leaderboard.md").read_text()), "markdown would take this for a link"


@pytest.mark.slow
def test_different_corpora_are_not_compared(two_sweeps, evalkit, tmp_path):
    (tmp_path / "t.csv").write_text("text,label\na,x\nb,x\nc,y\nd,y\n")
    evalkit(*QUICK, "model=random", "dataset=csv", f"dataset.path={tmp_path}/t.csv", "hydra.run.dir=three")
    with pytest.raises(RequestError, match="different texts or labels") as caught:
        report_on(collect([two_sweeps]), two_sweeps / "report")
    assert "30 texts" in str(caught.value)
    assert "4 texts" in str(caught.value)
    assert not (two_sweeps / "report").exists()


def test_the_command(two_sweeps, capfd):
    main([str(two_sweeps / "one"), "--out", str(two_sweeps / "r")])
    assert "minilm" in capfd.readouterr().out
    for arguments, words in (
        ([str(two_sweeps / "nowhere")], "is no folder"),
        ([str(two_sweeps / "r")], "holds no record"),
        ([str(two_sweeps / "one"), "--rank-by", "no/score"], "not every run has the score no/score"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        assert words in capfd.readouterr().err
