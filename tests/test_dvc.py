"""The DVC pipeline as a newcomer meets it: in a fresh clone, without a network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

DVC = shutil.which("dvc", path=str(Path(sys.executable).parent))

pytestmark = pytest.mark.slow

STAGES = [f"{part}-{name}" for name in ("offline", "poolings", "seeds") for part in ("evaluate", "report")]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of what is committed, whose `python` is this one; its own sources come before installed ones."""
    if DVC is None:
        pytest.skip("dvc is not installed: pip install 'evalkit[dvc]'")
    repository = Path(__file__).resolve().parent.parent
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    subprocess.run(["git", "clone", "-q", str(repository), str(folder)], check=True)
    return folder


def call(clone, *command, network=None):
    """Run a command in the clone: without a network, or with what `network` says of one."""
    dirty = {"MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT", "DVC_EXP_NAME"}
    environment = {key: value for key, value in os.environ.items() if key not in dirty}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"PYTHONPATH": str(clone), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= network or {"HF_HUB_OFFLINE": "1"}
    environment |= {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        command, cwd=clone, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def dvc(clone, *arguments, network=None):
    done = call(clone, DVC, *arguments, network=network)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def reached(clone, file):
    """The stages of the top pipeline that see `file`, or the package that holds it, changed."""
    status = json.loads(dvc(clone, "status", "--json"))
    found = []
    for name in STAGES:
        entries = [entry["changed deps"] for entry in status.get(name, []) if "changed deps" in entry]
        if any(file == dep or file.startswith(f"{dep}/") for entry in entries for dep in entry):
            found.append(name)
    return sorted(found)


EVALUATE = ["evaluate-offline", "evaluate-poolings", "evaluate-seeds"]


def boards(clone):
    """(study, model, pooling, score) → value, of the committed or reproduced results."""
    return {
        (name, model, pooling, score): value
        for name in ("offline", "poolings", "seeds")
        for model, rows in json.loads((clone / f"experiments/{name}/results/leaderboard.json").read_text()).items()
        for pooling, scores in rows.items()
        for score, value in scores.items()
    }


def test_a_fresh_clone_reproduces_without_a_network(clone):
    committed = boards(clone)
    dvc(clone, "repro")
    for entry, value in boards(clone).items():
        # Another processor adds in another order; t-SNE and UMAP make another map of the last digit.
        drawn = entry[3].startswith(("map/", "hulls/", "faithfulness/"))
        assert value == pytest.approx(committed[entry], abs=0.15 if drawn else 2e-4), entry
    changed = {line[3:] for line in call(clone, "git", "status", "--porcelain").stdout.splitlines()}
    assert all("/results/" in file or file.endswith(("README.md", "dvc.lock")) for file in changed)
    call(clone, "git", "commit", "-qam", "as this processor computes it")
    for name in ("offline", "poolings", "seeds"):
        assert (clone / "experiments" / name / "gallery.html").is_file()
    again = dvc(clone, "repro")
    assert "Running stage" not in again
    assert "up to date" in again


def test_metrics_and_maps_are_shown(clone, tmp_path):
    shown = json.loads(dvc(clone, "metrics", "show", "--json"))
    board = shown[""]["data"]["experiments/offline/results/leaderboard.json"]["data"]
    assert board["minilm"]["mean"]["separation/silhouette"] == 0.3013
    assert board["minilm"]["mean"]["rank"] == 1
    dvc(clone, "plots", "show", "-o", str(tmp_path / "plots"))
    names = {file.name for file in (tmp_path / "plots").rglob("*.png")}
    assert any("minilm-mean-tsne" in name for name in names), names
    assert "No changes" in dvc(clone, "metrics", "diff") or dvc(clone, "metrics", "diff").strip() == ""


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("evalkit/metrics/separation.py", EVALUATE),
        ("evalkit/runtime/compiled.py", EVALUATE),
        ("evalkit/datasets/topics.csv", EVALUATE),
        ("evalkit/runtime/signals.py", []),
        ("conf/projection/umap.yaml", ["evaluate-seeds"]),
        ("conf/model/tfidf.yaml", ["evaluate-offline"]),
        ("conf/model/bge.yaml", []),
        ("conf/pooling/cls.yaml", ["evaluate-poolings"]),
        ("evalkit/tracking/mlflow_note.py", []),
        ("evalkit/report/leaderboard.py", ["report-offline", "report-poolings", "report-seeds"]),
        ("experiments/offline/claims.csv", ["report-offline"]),
    ],
)
def test_a_change_reaches_what_depends_on_it_and_nothing_else(clone, file, stages):
    path = clone / file
    before = path.read_bytes()
    path.write_bytes(before + b"\n# changed\n")
    try:
        assert reached(clone, file) == stages
    finally:
        path.write_bytes(before)


def runs_of(clone, experiment):
    """Names of the runs in MLflow that DVC's experiment made."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    (own,) = (entry for entry in client.search_experiments() if entry.name == "evalkit")
    runs = client.search_runs([own.experiment_id], f"tags.`evalkit.dvc_experiment` = '{experiment}'")
    return {run.info.run_name for run in runs}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # SQLAlchemy, of how MLflow uses it
def test_an_experiment_varies_a_study_and_its_runs_bear_its_name(clone):
    setting = 'conf/experiment/poolings.yaml:hydra.sweeper.params.pooling="mean,cls"'
    dvc(clone, "exp", "run", "-q", "-n", "two-poolings", "-S", setting, "report-poolings")
    try:
        board = json.loads((clone / "experiments/poolings/results/leaderboard.json").read_text(encoding="utf-8"))
        assert set(board["minilm"]) == {"mean", "cls"}
        assert "sweep" in runs_of(clone, "two-poolings")
    finally:
        call(clone, "git", "checkout", "-q", ".")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # SQLAlchemy, of how MLflow uses it
def test_an_experiment_in_a_copy_leaves_its_runs_in_this_repository_and_the_files_alone(clone):
    setting = 'conf/experiment/poolings.yaml:hydra.sweeper.params.pooling="mean,max"'
    dvc(clone, "exp", "run", "-q", "--temp", "-n", "thrown-away", "-S", setting, "report-poolings")
    assert call(clone, "git", "status", "--porcelain").stdout == ""
    shown = json.loads(dvc(clone, "exp", "show", "--json"))
    names = {entry.get("name") for rev in shown for each in rev.get("experiments") or [] for entry in each["revs"]}
    assert "thrown-away" in names
    assert "sweep" in runs_of(clone, "thrown-away")


def test_the_article_says_so_where_the_hub_is_out_of_reach(clone, tmp_path):
    network = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = call(clone, DVC, "repro", "experiments/article/dvc.yaml", network=network)
    try:
        assert done.returncode != 0, "a study that is not whole must not be kept as if it were"
        assert "(bert·native·tsne·0) and 2 more: google-bert/bert-base-uncased is not wholly" in done.stderr
        assert "Traceback" not in done.stderr
        reported = call(clone, sys.executable, "-m", "evalkit.study", "report", "article", network=network)
        assert reported.returncode == 0, reported.stderr
        claims = pd.read_csv(clone / "experiments/article/results/claims.csv", keep_default_na=False)
        assert set(claims.loc[claims["model"] != "random", "holds"]) == {"open"}
        assert set(claims.loc[claims["model"] != "random", "measured"]) == {""}
        assert claims.loc[claims["model"] == "random", "measured"].item() != ""
    finally:
        call(clone, "git", "checkout", "-q", ".")


def test_the_article_is_reproduced_where_the_hub_is_reachable(clone, hub, hub_environment):
    """Small generated models bear the four names: the pipeline is shown here, not the article's findings."""
    network = {key: value for key, value in hub_environment.items() if key.startswith(("HF_", "NO_", "no_"))}
    dvc(clone, "repro", "experiments/article/dvc.yaml", network=network)
    try:
        asked = len(hub.requests)
        assert asked > 4
        results = clone / "experiments" / "article" / "results"
        board = json.loads((results / "leaderboard.json").read_text(encoding="utf-8"))
        assert set(board) == {"bert", "distilbert", "mpnet", "bge", "random"}
        claims = pd.read_csv(results / "claims.csv", keep_default_na=False)
        assert len(claims) == 14
        assert "open" not in set(claims["holds"])
        assert (claims["measured"] != "").all()
        assert claims["measured"][9] in (clone / "experiments/article/README.md").read_text(encoding="utf-8")
        assert len(list((results / "maps").glob("*.png"))) == 5
        again = dvc(clone, "repro", "experiments/article/dvc.yaml", network=network)
        assert "Running stage" not in again
        assert len(hub.requests) == asked
    finally:
        call(clone, "git", "checkout", "-q", ".")
        call(clone, "git", "clean", "-fdq", "experiments")


def test_telemetry_is_off_and_the_ignore_rules_are_committed(clone):
    assert call(clone, DVC, "config", "core.analytics").stdout.strip() == "false"
    for path in ("experiments/offline/runs", "experiments/seeds/gallery.html", "experiments/article/sweep"):
        assert call(clone, "git", "check-ignore", "-q", path).returncode == 0, path
    assert call(clone, "git", "check-ignore", "-q", "mlflow.db").returncode == 0
    lock = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))
    assert sorted(lock["stages"]) == sorted(STAGES)
