"""What a user's shell, folder and account bring along stops no command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.records import read_record

QUICK = ("model=tfidf", "projection=pca", "evaluators=[neighbours]")


# Stands in for a user id that the system has no entry for (docker -u). A real one may not enter the folder of an
# environment that only its owner can read, as CI's is.
WITHOUT_ENTRY = """
import pwd, runpy
def missing(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = missing
runpy.run_module("evalkit.run", run_name="__main__", alter_sys=True)
"""


def run(folder, *arguments, python=("-m", "evalkit.run"), **changes):
    environment = {key: value for key, value in (os.environ | changes).items() if value is not None}
    command = [sys.executable, *python, *QUICK, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_a_plotting_backend_that_jupyter_left_is_not_used(tmp_path):
    done = run(tmp_path, "tracker=none", MPLBACKEND="module://matplotlib_inline.backend_inline")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_user_without_a_home_folder_gets_one_beside_the_store(tmp_path):
    done = run(tmp_path, python=("-c", WITHOUT_ENTRY), HOME=None, USER=None, LOGNAME=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert "MLflow" in done.stdout
    assert not Path(tmp_path, "~").exists()


@pytest.mark.parametrize("name", ["random.py", "logging.py", "yaml.py", "sklearn/__init__.py"])
def test_a_file_that_hides_a_module_is_named(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("x = 1\n")
    done = run(tmp_path, "tracker=none")
    hiding = file if file.parent == tmp_path else file.parent
    assert done.returncode == 2
    assert done.stderr == (
        f"evalkit: {hiding} hides the module {hiding.stem!r}, which the libraries need: "
        "rename it, or start in another folder.\n"
    )


@pytest.mark.parametrize(
    ("evaluators", "ranking"),
    [
        ("[probe]", "probe/accuracy"),
        ("[separation,geometry]", "separation/centroid_accuracy"),
        ("[neighbours,probe]", None),
    ],
)
def test_models_are_ranked_by_a_score_that_runs(evalkit, evaluators, ranking):
    done = evalkit(*QUICK[:2], f"evaluators={evaluators}").succeeded()
    assert read_record(done.runs[0]).settings["rank_by"] == (ranking or "neighbours/map_at_r_macro")
