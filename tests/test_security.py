"""What docs/security.md promises and no other test shows: hostile data and secrets through the whole command."""

import csv
from xml.etree import ElementTree

import pandas as pd
import pytest

QUICK = ("model=random", "projection=pca", "evaluators=[neighbours,hulls]")
HOSTILE = {
    '=HYPERLINK("http://h")': ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0"],
    "../../up": ["-2+3", "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"],
    "<script>alert(1)</script>": ["a|b", "[a](javascript:alert(1))", "/etc/passwd"],
}


TABLES = {
    "labels.csv", "pairs.csv", "confusion.csv", "neighbours.csv",
    "leaderboard.csv", "comparisons.csv", "agreement.csv", "topics.csv",
}  # fmt: skip
"""Every CSV that a run or a sweep writes."""


@pytest.fixture
def hostile(tmp_path):
    file = tmp_path / "hostile.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["text", "label"])
        rows.writerows((text, label) for label, texts in HOSTILE.items() for text in texts)
    return ("dataset=csv", f"dataset.path={file}", "queries=['=2+2']")


@pytest.mark.fault("security", "names that look like paths", "texts and labels such as ../../up through the command")
def test_names_from_data_are_no_paths(evalkit, hostile, tmp_path):
    ordinary = evalkit(*QUICK, "queries=[kiwi]", "hydra.run.dir=ordinary")
    outside = set(tmp_path.rglob("*")) - set(ordinary.folder.rglob("*"))
    done = evalkit(*QUICK, *hostile, "hydra.run.dir=hostile").succeeded()
    files = {name: {file.name for file in (done.folder / name).iterdir()} for name in ("ordinary", "hostile")}
    assert files["hostile"] == files["ordinary"]
    assert set(tmp_path.rglob("*")) - set(done.folder.rglob("*")) == outside


@pytest.mark.fault("security", "formulas in cells", "texts and labels that begin with = + - @, every CSV of a sweep")
def test_no_cell_is_a_formula(evalkit, hostile):
    sweep = ("-m", *QUICK, *hostile, "model=random,tfidf", "model.label='=1+1','@SUM(A1)'", "hydra.sweep.dir=sweep")
    done = evalkit(*sweep).succeeded()
    tables = sorted(file for file in (done.folder / "sweep").rglob("*.csv"))
    assert {file.name for file in tables} == TABLES
    texts = 0
    for file in tables:
        cells = pd.read_csv(file, header=None, dtype=str, keep_default_na=False).stack()
        words = cells[(cells != "") & pd.to_numeric(cells, errors="coerce").isna()]
        assert not words.str.match(r"[=+\-@\t\r]").any(), file.name
        texts += len(words)
    assert texts > 100
    kept = pd.read_parquet(done.folder / "sweep" / "0" / "texts.parquet")  # parquet holds what was given
    assert set(kept["label"]) == set(HOSTILE)
    assert set(kept["text"]) == {text for texts in HOSTILE.values() for text in texts}


@pytest.mark.fault("security", "markup in texts", "script and img in labels, the SVG files")
def test_pictures_hold_no_markup_from_data(evalkit, hostile):
    done = evalkit(*QUICK, *hostile, "hydra.run.dir=run")
    for name in ("map.svg", "confusion.svg", "neighbours.svg"):
        elements = list(ElementTree.parse(done.folder / "run" / name).iter())
        assert not {element.tag.rpartition("}")[2] for element in elements} & {"script", "img", "foreignObject", "a"}
        links = [value for element in elements for key, value in element.attrib.items() if key.endswith("href")]
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links), name


@pytest.mark.fault("security", "markup in a model's name", "leaderboard.md")
def test_a_models_name_is_no_markup_in_the_leaderboard(evalkit):
    done = evalkit("-m", *QUICK, "model.label='<b>|x'", "hydra.sweep.dir=sweep").succeeded()
    board = (done.folder / "sweep" / "leaderboard.md").read_text(encoding="utf-8")
    assert "&lt;b>\\|x" in board
