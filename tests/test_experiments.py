"""The studies: their names, their sweeps, and their committed results, computed again and compared."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.types import RunMode

from evalkit.cli.run import conf_folder
from evalkit.cli.study import freeze
from evalkit.config import schema
from evalkit.config.build import build
from evalkit.errors import RequestError
from evalkit.records import read_record
from evalkit.report import claims
from evalkit.report.load_runs import collect, unique

STUDIES = ("article", "mteb_check", "offline", "own_data", "poolings", "seeds")
OFFLINE = ("offline", "poolings", "seeds")

LOADED = """
import sys
from evalkit.cli.run import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
for name, module in sorted(sys.modules.items()):
    if name.startswith("evalkit") and getattr(module, "__file__", None):
        print("@", module.__file__)
"""


def stage(repository, name):
    pipeline = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))
    return pipeline["stages"][name]


def study(folder, *arguments):
    command = [sys.executable, "-m", "evalkit.study", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def room(repository, tmp_path):
    """A folder with the studies' texts and claims, and no results."""
    for name in STUDIES:
        folder = tmp_path / "experiments" / name
        folder.mkdir(parents=True)
        for file in (repository / "experiments" / name).iterdir():
            if file.suffix in {".md", ".csv"}:
                (folder / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_every_study_has_a_folder_a_readme_and_a_sweep_of_its_name(repository):
    sweeps = sorted(file.stem for file in (repository / "conf" / "experiment").glob("*.yaml"))
    folders = sorted(path.parent.name for path in (repository / "experiments").glob("*/README.md"))
    assert sweeps == folders == list(STUDIES)
    for name in STUDIES:
        readme = (repository / "experiments" / name / "README.md").read_text(encoding="utf-8")
        for word in ("**Question.**", "**Command.**", "**Expectation.**", "**Finding.**"):
            assert word in readme, (name, word)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_a_sweep_whose_combinations_compose_and_bind(name):
    schema.register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        hydra = compose("config", [f"experiment={name}"], return_hydra_config=True).hydra
        assert hydra.mode == RunMode.MULTIRUN
        sweeps = {key: str(value).split(",") for key, value in hydra.sweeper.params.items()}
        for key, choices in sweeps.items():
            for choice in {choices[0], choices[-1]}:
                request = build(compose("config", [f"experiment={name}", f"{key}={choice}"]))
                assert request.rank_by.partition("/")[0] in {evaluator.name for evaluator in request.evaluators}


def test_the_offline_studies_are_in_the_top_pipeline_and_no_other(repository):
    top = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))
    assert sorted(top["stages"]) == sorted(f"{part}-{name}" for part in ("evaluate", "report") for name in OFFLINE)
    for name in ("article", "mteb_check"):
        own = yaml.safe_load((repository / "experiments" / name / "dvc.yaml").read_text(encoding="utf-8"))
        assert sorted(own["stages"]) == ["evaluate", "report"]


def test_every_dependency_of_a_pipeline_is_there(repository):
    """DVC refuses a stage whose source has moved; the slow tests would be the first to say so."""
    for file in (repository / "dvc.yaml", *repository.glob("experiments/*/dvc.yaml")):
        for name, described in yaml.safe_load(file.read_text(encoding="utf-8"))["stages"].items():
            folder = file.parent / described.get("wdir", ".")
            gone = [dep for dep in described["deps"] if dep.endswith((".py", ".yaml")) and not (folder / dep).exists()]
            assert not gone, (file, name)


def test_committed_results_hold_no_time_no_machine_and_four_decimals(repository):
    for file in sorted((repository / "experiments").glob("*/results/*")):
        if file.suffix == ".csv":
            table = pd.read_csv(file)
            assert "texts_per_second" not in table
            for column in table.select_dtypes("number"):
                assert (table[column].dropna().round(4) == table[column].dropna()).all(), (file, column)
        if file.suffix == ".json":
            assert "seconds" not in file.read_text(encoding="utf-8")


def test_an_unknown_study_is_a_wrong_request(room):
    for name, words in (("nothing", "is no study"), ("offline", "evaluate first")):
        done = study(room, "report", name)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture
def views(evalkit, tmp_path):
    """A small sweep, as a study keeps it."""
    done = evalkit("-m", "model=random", "seed=0,1", "evaluators=[neighbours,hulls]").succeeded()
    freeze(done.folder / "multirun", tmp_path / "runs")
    return unique(collect([tmp_path / "runs"]))


@pytest.mark.slow
def test_what_is_kept_of_a_run_says_nothing_of_when_and_where(views):
    assert len(views) == 2
    for view in views:
        data = json.loads((view.folder / "record.json").read_text(encoding="utf-8"))
        assert (data["timings"], data["environment"], data["encoder"]["texts_per_second"]) == ({}, {}, None)
        assert not {"store", "tracker", "device"} & set(data["settings"])


def test_claims_are_checked_and_what_has_not_run_stays_open(views, tmp_path):
    assert len((views[0].folder / "pairs.csv").read_text().splitlines()) > 1  # the map shows overlapping topics
    words = [near["text"] for near in views[0].record.queries[0]["neighbours"]]
    value = views[0].score("neighbours/precision_at_1").value
    table = pd.DataFrame(
        [
            ("bert", "overlapping topics", "maps", "none"),
            ("random", "overlapping topics", "maps", "none"),
            ("random", "nearest words", "bitcoin", ", ".join(words)),
            ("random", "nearest words", "bitcoin", ", ".join(reversed(words))),
            ("random", "nearest words", "bitcoin", "one, two, three, four, five"),
            ("random", "score", "neighbours/precision_at_1", f"{value:.4f}"),
            ("random", "score", "neighbours/precision_at_1", f"{value + 0.1:.4f}"),
        ],
        columns=claims.COLUMNS,
    )
    checked = claims.check(table, views)
    assert checked["holds"].tolist() == ["open", "no", "yes", "another order", "0 of 5", "yes", "no"]
    assert checked["measured"][0] == ""
    table.loc[0, "about"] = "the weather"
    table.to_csv(tmp_path / "claims.csv", index=False)
    with pytest.raises(RequestError, match="the weather"):
        claims.read(tmp_path / "claims.csv")


@pytest.mark.slow
def test_every_source_that_a_study_imports_is_a_dependency_of_its_stage(repository, tmp_path):
    """Only packages that cannot change a result may be missing: the command line, configuration, tracking."""
    script = tmp_path / "loaded.py"
    script.write_text(LOADED, encoding="utf-8")
    for name in OFFLINE:
        done = subprocess.run(
            [sys.executable, str(script), f"experiment={name}", "tracker=none", "hydra.sweep.dir=sweep"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = [Path(line[2:]) for line in done.stdout.splitlines() if line.startswith("@ ")]
        loaded = {str(file.relative_to(repository)) for file in files}
        sources = [dep for dep in stage(repository, f"evaluate-{name}")["deps"] if dep.startswith("evalkit/")]
        missing = {file for file in loaded if not any(file == dep or file.startswith(f"{dep}/") for dep in sources)}
        harmless = ("evalkit/cli/", "evalkit/config/", "evalkit/report/", "evalkit/runtime/", "evalkit/tracking/")
        assert {file for file in missing if not file.startswith(harmless)} == {
            "evalkit/__init__.py", "evalkit/version.py",
        }  # fmt: skip
        assert all(any(file == dep or file.startswith(f"{dep}/") for file in loaded) for dep in sources)


def test_a_record_of_the_first_version_is_still_read(repository, tmp_path):
    file = repository / "tests" / "data" / "record_v0.1.0.json"
    record = read_record(file)
    assert record.evalkit_version == "0.1.0"
    assert record.encoder["name"] == "tfidf"
    assert {score.name: score.value for score in record.scores}["neighbours/precision_at_1"] == 0.2666666666666667
    assert len(record.queries) == 5
    newer = {**json.loads(file.read_text(encoding="utf-8")), "format": 99, "evalkit_version": "9.0"}
    (tmp_path / "record.json").write_text(json.dumps(newer), encoding="utf-8")
    with pytest.raises(RequestError, match=r"use evalkit 9\.0"):
        read_record(tmp_path)
