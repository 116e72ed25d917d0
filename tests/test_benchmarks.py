"""The benchmark scripts as they are run, at a small size: their JSON, and the page that is made of it."""

import json
import math
import subprocess
import sys

import pytest

CHEAP = ("silhouette_scaling", "neighbours", "help")
FIELDS = {"work", "against", "reach", "ours", "peer", "measured", "holds", "same", "unit", "ratio"}


def script(repository, name, *arguments):
    done = subprocess.run(
        [sys.executable, str(repository / "benchmarks" / f"{name}.py"), *map(str, arguments)],
        cwd=repository, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def results(repository, tmp_path_factory):
    """Folder with the JSON of the cheap scripts."""
    out = tmp_path_factory.mktemp("results")
    for name in CHEAP:
        script(repository, name, "--size", "small", "--repeats", 1, "--out", out)
    return out


def load(file):
    return json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)  # neither NaN nor Infinity


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_a_script_leaves_its_row_with_machine_commit_and_versions(results, repository, name):
    found = load(results / f"{name}.json")
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=False
    ).stdout.strip()
    assert (found["name"], found["size"], found["repeats"], found["commit"]) == (name, "small", 1, commit)
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["processor"]
    assert {"numpy", "torch", "scikit-learn"} <= set(found["versions"])
    (row,) = found["rows"]
    assert set(row) == FIELDS
    assert 0 < row["ours"] < 400
    if row["peer"] is not None:
        assert math.isclose(row["ratio"], row["peer"] / row["ours"])


@pytest.mark.slow
def test_both_sides_computed_the_same(results):
    said = {name: load(results / f"{name}.json")["rows"][0]["same"] for name in CHEAP}
    assert float(said["silhouette_scaling"].rsplit(" ", 1)[1]) < 1e-6
    assert said["neighbours"].count("100.0000% of the neighbours the same") == 2
    assert said["help"] == "the page names 6 of 6 groups"


@pytest.mark.slow
def test_the_page_has_every_row_and_says_what_is_missing(results, repository, tmp_path):
    out = tmp_path / "benchmarks.md"
    script(repository, "write", "--results", results, "--out", out)
    text = out.read_text(encoding="utf-8")
    for name in CHEAP:
        found = load(results / f"{name}.json")
        assert f"## {name}\n" in text
        assert f"| {found['rows'][0]['work']} | {found['rows'][0]['against']} |" in text
        assert found["commit"][:9] in text
        assert found["machine"]["processor"] in text
    assert "Not measured yet: sweep72, snips12, encode, encode_bfloat16, tsne, million, first_result." in text
    assert "Tried at a small size only, which says nothing: silhouette_scaling, neighbours, help." in text


def test_the_committed_page_is_the_one_that_the_committed_results_make(repository, tmp_path):
    folder = repository / "benchmarks" / "results"
    if not any(folder.glob("*.json")):
        assert not (repository / "docs" / "benchmarks.md").exists(), "a page without results"
        return
    assert all(load(file)["size"] == "full" for file in folder.glob("*.json"))
    script(repository, "write", "--out", tmp_path / "benchmarks.md")
    committed = (repository / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert (tmp_path / "benchmarks.md").read_text(encoding="utf-8") == committed
