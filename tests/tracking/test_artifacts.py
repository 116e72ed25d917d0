import json

import pytest
from tracker_fixtures import WORDS, fill_folder, make_record

from evalkit.records import record_to_json
from evalkit.tracking.artifacts import run_files, sweep_files, without_texts

ALL = {
    "record.json", "texts.parquet", "labels.csv", "map.png", "map.svg", "neighbours.csv", "neighbours.png", "pairs.csv",
    "confusion.csv", "confusion.png",
}  # fmt: skip
TEXTLESS = {"labels.csv", "pairs.csv", "confusion.csv", "confusion.png"}


def names(files):
    return {file.name for file in files}


def test_links_out_of_the_folder_are_not_followed(run_folder, tmp_path):
    """Nor are errors, logs and configurations logged."""
    (run_folder / "error.json").write_text("{}")
    (tmp_path / "secret.txt").write_text("x")
    (run_folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert names(run_files(run_folder, make_record())) == ALL


@pytest.mark.parametrize(("texts", "with_map"), [(30, False), (60, False), (61, True), (None, False)])
def test_without_texts_only_known_files_go_and_maps_only_without_words(run_folder, texts, with_map):
    record = make_record(corpus={"name": "topics", "texts": texts})
    expected = TEXTLESS | ({"map.png", "map.svg"} if with_map else set())
    (run_folder / "unheard_of.csv").write_text("zebra")
    files = run_files(run_folder, record, log_texts=False)
    assert names(files) == expected
    assert with_map or not any(word in file.read_text() for word in WORDS for file in files)


def test_the_record_without_texts_holds_none_and_still_is_the_record():
    record = make_record()
    reduced = without_texts(record)
    text = json.dumps(record_to_json(reduced))
    assert any(word in json.dumps(record_to_json(record)) for word in WORDS)
    assert not any(word in text for word in WORDS)
    assert reduced.identity == record.identity
    assert reduced.scores == record.scores
    assert reduced.settings["model"] == record.settings["model"]


def test_a_sweeps_tables_and_gallery(tmp_path):
    for name in ("leaderboard.csv", "leaderboard.md", "gallery.html", "multirun.yaml", "sweep.json", ".x"):
        (tmp_path / name).write_text("")
    fill_folder(tmp_path / "0", make_record())
    (tmp_path / "corpus-ab").mkdir()
    (tmp_path / "corpus-ab" / "topics.csv").write_text("")
    assert names(sweep_files(tmp_path)) == {"leaderboard.csv", "leaderboard.md", "gallery.html", "topics.csv"}
    assert names(sweep_files(tmp_path, log_texts=False)) == {"leaderboard.csv", "leaderboard.md", "topics.csv"}
