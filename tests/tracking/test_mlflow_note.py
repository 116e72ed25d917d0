import pytest
from tracker_fixtures import fill_folder, make_record

from evalkit.tracking import RunContext
from evalkit.tracking.mlflow_note import EXPERIMENT_NOTE, escape, run_note, sweep_note
from evalkit.types import Score


def note_of(folder, record, **context):
    return run_note(record, fill_folder(folder, record), "r1", RunContext(**context))


def test_the_verdict_comes_first_with_chance_and_interval(tmp_path):
    first = note_of(tmp_path, make_record()).splitlines()[0]
    assert first == (
        "**neighbours/precision\\_at\\_1 is 0.900; chance would give 0.170 (95 % interval 0.800 to 1.000): "
        "the labels are told apart beyond chance (p = 0.001).**"
    )

    weak = Score("neighbours/precision_at_1", "embedding", 0.2, chance=0.17, p_value=0.31)
    assert "no more than chance can give (p = 0.31)" in note_of(tmp_path, make_record(scores=(weak,)))
    assert "No score that ranks models" in note_of(tmp_path, make_record(scores=()))


def test_each_score_stands_beside_its_chance(tmp_path):
    lines = note_of(tmp_path, make_record()).splitlines()
    assert "| neighbours/precision\\_at\\_1 | 0.900 | 0.170 | 0.880 | 0.800 – 1.000 | 0.001 |" in lines
    assert "| separation/davies\\_bouldin ↓ | 1.200 | 3.500 | 0.660 |  | 0.001 |" in lines
    assert "| hulls/overlap |  |  |  |  |  |" in lines


def test_the_pair_that_overlaps_most_is_named(tmp_path):
    folder = fill_folder(tmp_path, make_record())
    assert (
        "2 pairs of topics overlap on the map, most of all animals and sports (IoU 0.25); "
        "the vectors tell these two apart with accuracy 0.91 (chance 0.50)."
    ) in run_note(make_record(), folder, "r1", RunContext())
    (folder / "pairs.csv").write_text("label_a,label_b,iou\n")
    assert "No two topics overlap" in run_note(make_record(), folder, "r1", RunContext())
    (folder / "pairs.csv").unlink()
    assert "overlap on the map" not in run_note(make_record(), folder, "r1", RunContext())


def test_the_map_and_warnings_that_may_quote_texts_go_with_them(tmp_path):
    note = note_of(tmp_path, make_record())
    assert "![The map](get-artifact?path=map.svg&run_uuid=r1)" in note
    assert "'kangaroo'" in note
    without_texts = note_of(tmp_path, make_record(), log_texts=False)
    assert not any(word in without_texts for word in ("get-artifact", "kangaroo"))


@pytest.mark.parametrize(
    "hostile",
    ["<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "a|b\n# c", "`code` **bold** ~~x~~", "https://h/x"],
)
def test_names_from_data_are_never_markup(hostile):
    shown = escape(hostile)
    assert not any(mark in shown for mark in ("<", "\n", "](", "://"))
    assert not any(mark in shown.replace("\\" + mark, "") for mark in "`*|#[]()~")


def test_a_long_note_keeps_the_verdict_and_fits(tmp_path):
    scores = tuple(Score(f"family/score_{i}", "embedding", 0.5, 1, 0.1, 0.4, 0.01, 0.4, 0.6) for i in range(300))
    note = note_of(tmp_path, make_record(scores=scores, warnings=("w" * 9000,)))
    assert len(note) <= 7900
    assert "family/score\\_0 is 0.500" in note.splitlines()[0]
    assert "All scores are in the metrics." in note


def test_the_sweeps_note_holds_the_leaderboard(tmp_path):
    (tmp_path / "leaderboard.md").write_text("| model | f |\n|:--|--:|\n| bge \\[x] | 0.8 [0.7, 0.9] (0.1) |\n")
    note = sweep_note(tmp_path, {"runs": 3, "best": "bge", "rank_by": "f_1", "f_1": 0.87654})
    assert note.splitlines()[0] == "**Best: bge, with f\\_1 of 0.877.**"
    assert "- runs: 3" in note
    assert "| bge \\[x\\] | 0.8 \\[0.7, 0.9\\] (0.1) |" in note
    (tmp_path / "leaderboard.md").write_text("| model |\n" * 2000)
    assert len(sweep_note(tmp_path, {})) <= 7900


def test_the_experiments_note_explains_the_suffixes():
    assert all(suffix in EXPERIMENT_NOTE for suffix in (".chance", ".adjusted", ".p_value", ".ci_low"))
