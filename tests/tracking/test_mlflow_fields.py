import json
import math

from tracker_fixtures import make_record

from evalkit.tracking import RunContext, sweep_identity
from evalkit.tracking.mlflow_fields import (
    dataset_description,
    finite_metrics,
    logged_name,
    run_metrics,
    run_params,
    run_tags,
)
from evalkit.types import Score


def test_runs_are_named_by_what_ran_on_one_line_without_secrets():
    assert logged_name(make_record()) == "bge·cls·tsne·3"
    record = make_record(settings={"model_label": "a\nb hf_abcdefgh1234567890"})
    assert logged_name(record) == "a b ***·cls·tsne·3"


def test_params_are_flat_and_leave_out_what_distinguishes_nothing():
    params = run_params(make_record())
    assert params["model.name"] == "BAAI/bge-base-en-v1.5"
    assert params["model_name"] == "bge"
    assert params["evaluators"] == "neighbours"
    assert params["projection.perplexity"] == "5"
    assert params["k"] == "[1, 5]"
    assert params["encoder.dimension"] == "768"
    assert json.loads(params["queries"]) == ["zebra crossing", "mango chutney"]
    assert params["dataset.path"] == "http://anna:***@host/topics.csv"
    unwanted = ("tracker", "store", "reuse", "model.revision", "projection._target_", "encoder.key")
    assert not [key for key in params if key.startswith(unwanted)]
    assert "encoder.texts_per_second" not in params

    without_texts = run_params(make_record(), log_texts=False)
    assert "queries" not in without_texts
    assert not any("zebra" in value or "mango" in value for value in without_texts.values())


def test_the_users_own_code_is_a_param_and_long_values_are_cut_where_mlflow_would():
    own = {"mine": {"_target_": "my.scores.evaluate"}}
    params = run_params(make_record(settings={"queries": ["ab" * 4000], "note": "x" * 6000, "evaluators": own}))
    assert params["evaluators.mine._target_"] == "my.scores.evaluate"
    assert len(params["queries"]) == 6000
    assert params["queries"].endswith("…")
    assert params["note"] == "x" * 6000


def test_metrics_are_the_scores_with_all_that_is_finite():
    metrics = run_metrics(make_record())
    assert metrics == {
        "neighbours/precision_at_1": 0.9,
        "neighbours/precision_at_1.chance": 0.17,
        "neighbours/precision_at_1.adjusted": 0.88,
        "neighbours/precision_at_1.p_value": 0.001,
        "neighbours/precision_at_1.ci_low": 0.8,
        "neighbours/precision_at_1.ci_high": 1.0,
        "separation/davies_bouldin": 1.2,
        "separation/davies_bouldin.chance": 3.5,
        "separation/davies_bouldin.adjusted": 0.66,
        "separation/davies_bouldin.p_value": 0.001,
        "encoder/texts_per_second": 812.5,
        "encoder/truncated_share": 0.0,
        "timings/encode_seconds": 0.5,
        "timings/project_seconds": 1.5,
    }


def test_no_metric_is_infinite_or_nameless_to_mlflow():
    record = make_record(scores=(Score("mine/f@1", "embedding", math.inf, chance=0.5, adjusted=math.nan),))
    metrics = run_metrics(record)
    assert metrics["mine/f_1.chance"] == 0.5
    assert "mine/f_1" not in metrics
    assert "mine/f_1.adjusted" not in metrics
    assert finite_metrics({"a": True, "b": "1", "c": None, "d": 2}) == {"d": 2.0}


def test_tags_say_what_a_run_is():
    context = RunContext(
        sweep="5ee9", sweep_name="12-00", dvc_experiment="bold-ant", git_commit="d" * 40, git_dirty=True
    )
    tags = run_tags(make_record(), context)
    expected = {
        "evalkit.identity": "ab" * 32,
        "evalkit.kind": "run",
        "evalkit.version": "0.1.0",
        "evalkit.model": "bge",
        "evalkit.pooling": "cls",
        "evalkit.projection": "tsne",
        "evalkit.seed": "3",
        "evalkit.corpus": "topics",
        "evalkit.sweep": "5ee9",
        "evalkit.sweep_name": "12-00",
        "evalkit.dvc_experiment": "bold-ant",
        "mlflow.source.git.commit": "d" * 40,
        "evalkit.git_dirty": "true",
        "mlflow.source.name": "evalkit",
        "mlflow.source.type": "LOCAL",
    }
    assert {key: tags.get(key) for key in expected} == expected
    assert set(tags) - set(expected) <= {"mlflow.user"}


def test_outside_a_sweep_the_record_tells_the_commit():
    tags = run_tags(make_record(), RunContext())
    assert tags["mlflow.source.git.commit"] == "c" * 40
    assert tags["evalkit.git_dirty"] == "false"
    assert "evalkit.sweep" not in tags
    assert run_tags(make_record(projection={"name": "pca", "seed": 0}), RunContext())["evalkit.seed"] == "0"


def test_the_corpus_is_described_without_secrets():
    fields = dataset_description(make_record())
    assert fields["name"] == "topics"
    assert fields["digest"] == "f" * 16
    assert "geheim" not in fields["source"]
    assert json.loads(fields["profile"])["texts"] == 30


def test_a_sweeps_id_does_not_depend_on_order_or_repeats():
    assert sweep_identity(["c", "b", "a", "a"]) == sweep_identity(["a", "b", "c"]) != sweep_identity(["a", "b"])
    assert sweep_identity(["ab", "c"]) != sweep_identity(["a", "bc"])
