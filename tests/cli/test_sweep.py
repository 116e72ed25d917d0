import json
import os

import pandas as pd
import pytest

from evalkit.pipeline import evaluate as pipeline
from evalkit.records import read_record

QUICK = ("projection=pca", "evaluators=[neighbours]")


def identities(done):
    return {read_record(folder).identity for folder in done.runs}


def test_a_sweep_leaves_a_run_a_combination_and_the_tables(evalkit):
    done = evalkit("-m", *QUICK, "model=minilm,tfidf,random", "seed=0,1", "hydra.sweep.dir=sweep").succeeded()
    folder = done.folder / "sweep"
    assert len(done.runs) == 6
    assert len(identities(done)) == 6
    names = {file.name for file in folder.iterdir() if file.is_file()}
    tables = {"leaderboard.csv", "leaderboard.md", "comparisons.csv", "agreement.csv", "topics.csv"}
    assert names >= tables | {"gallery.html"}
    board = pd.read_csv(folder / "leaderboard.csv")
    assert board["model"].tolist()[0] == "minilm"
    assert board["rank"].tolist() == [1, 2, 2]
    assert board["tied_with"].fillna("").tolist() == ["", *board["model"].tolist()[:0:-1]]
    compared = pd.read_csv(folder / "comparisons.csv")
    assert set(compared["score"]) >= {"neighbours/map_at_r", "neighbours/map_at_r_macro", "neighbours/precision_at_5"}
    assert "minilm is ahead of random by" in done.out


@pytest.mark.slow
def test_combinations_of_one_identity_are_done_once_and_said_once(evalkit):
    done = evalkit("-m", *QUICK, "model=minilm,tfidf", "pooling=native,mean,cls", "store=own").succeeded()
    assert len(done.runs) == 6
    assert len(identities(done)) == 3  # minilm's native is mean; tf-idf has no tokens to pool
    assert done.err.count("6 combinations come to 3 evaluations") == 1
    assert done.out.count("found finished") == 3


@pytest.mark.parametrize(
    ("overrides", "seeds"),
    [
        (["seed=choice(3,1)"], [3, 1]),
        (["seed=range(0,3)", "hydra.sweeper.max_batch_size=2"], [0, 1, 2]),
        (["+hydra.sweeper.params.seed='4,5'"], [4, 5]),
        (["+hydra.sweeper.params.seed='4,5'", "seed=6"], [6]),
        (["pooling=glob(m*x)", "seed=7"], [7]),
    ],
)
def test_the_combinations_are_what_hydras_own_sweeper_makes(evalkit, overrides, seeds):
    done = evalkit("-m", *QUICK, "model=random", *overrides).succeeded()
    assert [read_record(run).projection["seed"] for run in done.runs] == seeds


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_seven_poolings_cost_one_forward_pass(evalkit_process, tmp_path, processes):
    """Counted by a wrapper around the model's forward, in whichever process calls it."""
    counter = tmp_path / "forwards"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(COUNTING)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "EVALKIT_COUNT_FORWARDS": str(counter)}
    launcher = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={processes}"] if processes > 1 else []
    poolings = "pooling=native,mean,cls,max,mean_sqrt_len,weighted_mean,last_token"
    evalkit_process("-m", *QUICK, poolings, "tracker=none", *launcher, environment=environment).succeeded()
    texts = [int(line) for line in counter.read_text().split()]
    assert sum(texts) == 30 + 5, "thirty words and five queries, each read once"


COUNTING = '''
import importlib.util
import os
import sys


class Watch:
    """Counts the rows of every forward pass of BERT, which minilm is, as soon as transformers has it."""

    def find_spec(self, name, path=None, target=None):
        if name != "transformers.models.bert.modeling_bert":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            forward = module.BertModel.forward

            def counted(self, *args, **kwargs):
                rows = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
                with open(os.environ["EVALKIT_COUNT_FORWARDS"], "a") as log:
                    log.write(f"{len(rows)}\\n")
                return forward(self, *args, **kwargs)

            module.BertModel.forward = counted

        spec.loader.exec_module = exec_module
        return spec


if "EVALKIT_COUNT_FORWARDS" in os.environ:
    sys.meta_path.insert(0, Watch())
'''


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["seed=0,-1"], "seed must be from 0"),
        (["seed=interval(0,1)"], "seed=interval(0,1) names no single values"),
        (["model=minilm,nothing"], "model has no choice 'nothing'"),
        (["projection=tsne,pca", "projection.project.perplexity=5,30"], "perplexity"),
        (["k=[1],[40]"], "k=40 asks for more neighbours"),
        (["dataset=csv", "dataset.path=nowhere.csv", "seed=0,1"], "nowhere.csv"),
        (["model=random,tfidf", "store=/dev/null"], "is a file, and the store needs a folder"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_its_first_job(evalkit, overrides, words):
    done = evalkit("-m", *overrides)
    assert done.status == 2
    assert words in done.err
    assert done.err.count("\n") == 1
    assert done.tree == []


def test_failures_are_listed_and_their_folders_hold_error_json_alone(evalkit, tmp_path, monkeypatch):
    original = pipeline.embed

    def broken(prepared, *args, **kwargs):
        if prepared.encoder.kind == "tfidf":
            raise RuntimeError("out of luck")
        return original(prepared, *args, **kwargs)

    monkeypatch.setattr(pipeline, "embed", broken)
    done = evalkit("-m", *QUICK, "model=tfidf,random", "seed=7", "hydra.sweep.dir=sweep")
    assert done.status == 1
    failed = done.folder / "sweep" / "0"
    assert sorted(f.name for f in failed.iterdir()) == [".hydra", "error.json"]
    error = json.loads((failed / "error.json").read_text())
    assert "out of luck" in error["message"]
    assert any("out of luck" in line for line in error["traceback"])
    assert "1 of the sweep's evaluations failed" in done.err
    assert len(done.runs) == 1
    assert pd.read_csv(done.folder / "sweep" / "leaderboard.csv")["neighbours/map_at_r_macro"].notna().all()


@pytest.mark.slow
def test_the_same_sweep_again_finds_everything(evalkit):
    first = evalkit("-m", *QUICK, "model=tfidf,random", "hydra.sweep.dir=one", "store=own")
    second = evalkit("-m", *QUICK, "model=tfidf,random", "hydra.sweep.dir=two", "store=own")
    assert first.status == second.status == 0
    assert second.out.count("found finished") == 2
    plans = [json.loads((first.folder / name / "sweep.json").read_text()) for name in ("one", "two")]
    assert plans[0]["sweep"] == plans[1]["sweep"]


@pytest.mark.slow
def test_without_reuse_a_combination_is_still_done_once_a_sweep(evalkit):
    arguments = ("-m", *QUICK, "model=tfidf", "pooling=mean,cls", "reuse=false", "store=own")
    evalkit(*arguments, "hydra.sweep.dir=one")
    again = evalkit(*arguments, "hydra.sweep.dir=two")
    assert again.out.count("found finished") == 1


def test_a_sweep_over_corpora_gets_a_leaderboard_each(evalkit, tmp_path):
    for name, labels in (("a", "xxyy"), ("b", "xyxy")):
        rows = [f"word{n},{label}" for n, label in enumerate(labels)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows]))
    paths = ",".join(str(tmp_path / f"{name}.csv") for name in "ab")
    done = evalkit("-m", *QUICK, "dataset=csv", f"dataset.path={paths}", "model=random,tfidf").succeeded()
    assert len(list(done.folder.rglob("corpus-*/leaderboard.csv"))) == 2


def test_what_a_killed_sweep_had_begun_to_write_is_removed_by_the_next(evalkit):
    done = evalkit("-m", *QUICK, "model=random", "hydra.sweep.dir=sweep")
    run = done.runs[0]
    (run / f".{'ab' * 16}").mkdir()
    (run / f".{'ab' * 16}" / "map.png").write_bytes(b"half")
    for file in (run / f".{'cd' * 16}.record.json", run.parent / f".{'ef' * 16}.leaderboard.csv"):
        file.write_bytes(b"half")
    (run / ".mine").write_text("kept")
    assert evalkit("-m", *QUICK, "model=random", "hydra.sweep.dir=sweep").status == 0
    left = {path.name for folder in (run, run.parent) for path in folder.iterdir() if path.name.startswith(".")}
    assert left == {".hydra", ".mine"}


@pytest.mark.slow
def test_a_run_that_cannot_be_written_fails_alone(evalkit, tmp_path):
    blocked = tmp_path / "work" / "sweep" / "2" / "map.png"
    blocked.mkdir(parents=True)
    (blocked / "in the way").touch()
    combinations = ("model=random", "pooling=native,mean", "seed=0,1,2,3")
    done = evalkit("-m", *QUICK, *combinations, "hydra.sweep.dir=sweep", "store=own")
    assert done.status == 1
    assert "Traceback" not in done.err
    assert done.err.count("cannot be written") == 2  # when it happened, and in the sum
    error = json.loads((blocked.parent / "error.json").read_text(encoding="utf-8"))
    assert error["error"] == "EvaluationError"
    assert "traceback" not in error
    assert not (blocked.parent / "record.json").exists()
    assert len(done.runs) == 7  # native and mean are one: the other of the two is not found, and made
    assert "1 of the sweep's evaluations failed" in done.err


@pytest.mark.slow
def test_a_folder_used_again_holds_what_this_sweep_wrote(evalkit):
    before = evalkit("-m", *QUICK, "model=tfidf,random", "seed=0,1", "hydra.sweep.dir=sweep")
    (before.folder / "sweep" / "3" / "notes.txt").write_text("mine")
    done = evalkit("-m", *QUICK, "model=tfidf", "seed=0,1", "queries=[]", "hydra.sweep.dir=sweep")
    assert (done.status, len(done.runs)) == (0, 2)
    assert "random" not in (done.folder / "sweep" / "leaderboard.csv").read_text(encoding="utf-8")
    assert not list(done.folder.glob("sweep/*/neighbours.*"))
    assert [file.name for file in (done.folder / "sweep" / "3").iterdir() if file.name != ".hydra"] == ["notes.txt"]


def test_a_run_folder_used_again_holds_what_this_run_wrote(evalkit):
    before = evalkit(*QUICK, "model=tfidf", "hydra.run.dir=latest")
    assert len(list(before.runs[0].glob("neighbours.*"))) == 3
    done = evalkit(*QUICK, "model=tfidf", "queries=[]", "hydra.run.dir=latest")
    assert done.status == 0
    assert not list(done.runs[0].glob("neighbours.*"))
