import json

import numpy as np
import pytest

from evalkit.errors import RequestError
from evalkit.records import find_records, plain, read_record, record_to_json, run_name, write_json, write_record
from evalkit.types import Record, Score


def make_record(**changes):
    fields = {
        "identity": "ab" * 32,
        "evalkit_version": "0.1.0",
        "settings": {"model_label": "bge", "pooling": "native"},
        "corpus": {"name": "topics", "fingerprint": "f" * 64, "texts": 30, "labels": 5, "dropped": 0},
        "encoder": {"name": "BAAI/bge-base-en-v1.5", "pooling": "cls"},
        "projection": {"name": "tsne", "seed": 3, "parameters": {}},
        "scores": (Score(name="neighbours/precision_at_1", space="embedding", value=0.9, chance=0.17),),
        "queries": (),
        "timings": {"encode": 0.5},
        "environment": {},
        "warnings": ("one",),
    }
    return Record(**{**fields, **changes})


def test_a_record_survives_the_round_trip(tmp_path):
    record = make_record()
    write_record(record, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]
    back = read_record(tmp_path)
    assert record_to_json(back) == record_to_json(record)
    assert back.scores == record.scores
    assert run_name(back) == "bge·cls·tsne·3"


def test_numbers_that_are_not_finite_become_null():
    values = {"a": np.float64("nan"), "b": np.inf, "c": np.int32(3), "d": (1.5, np.array([1, 2]))}
    assert plain(values) == {"a": None, "b": None, "c": 3, "d": [1.5, [1, 2]]}


def test_a_failed_write_leaves_the_old_file_whole(tmp_path):
    write_json({"a": 1}, tmp_path / "record.json")
    with pytest.raises(TypeError, match="object has no JSON form"):
        write_json({"a": object()}, tmp_path / "record.json")
    assert json.loads((tmp_path / "record.json").read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not whole JSON"),
        ('{"identity": "a"', "is not whole JSON"),
        ("[]", "is no evalkit record"),
        ('{"identity": "a", "scores": [], "format": 99}', "record format 99"),
        ('{"identity": "a", "scores": []}', "is a damaged evalkit record"),
    ],
)
def test_a_file_that_is_no_whole_record_is_refused_with_a_cure(tmp_path, content, words):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(RequestError, match=words) as caught:
        read_record(tmp_path)
    assert str(caught.value).endswith(".")


def test_records_are_found_recursively_in_natural_order(tmp_path):
    for name in ("10", "2", "1"):
        (tmp_path / name).mkdir()
        write_record(make_record(), tmp_path / name)
    assert [folder.name for folder in find_records([tmp_path])] == ["1", "2", "10"]
    assert len(find_records([tmp_path, tmp_path / "2"])) == 3


def test_a_missing_folder_and_one_without_a_record_are_wrong_requests(tmp_path):
    with pytest.raises(RequestError, match="is no folder"):
        find_records([tmp_path / "nowhere"])
    with pytest.raises(RequestError, match=r"record\.json cannot be read"):
        read_record(tmp_path)


def test_fields_of_a_later_version_of_the_same_format_are_passed_over(tmp_path):
    data = {**record_to_json(make_record()), "later": 1}
    data["scores"][0]["later"] = 2
    write_json(data, tmp_path / "record.json")
    assert read_record(tmp_path).identity == "ab" * 32


@pytest.mark.slow
def test_a_record_has_the_same_bytes_whether_its_map_was_drawn_or_found(evalkit, tmp_path):
    options = ("model=tfidf", "projection=tsne", "evaluators=[map]", "reuse=false", f"store={tmp_path / 'store'}")
    texts = []
    for name in ("first", "second"):
        done = evalkit(*options, f"hydra.run.dir={name}").succeeded()
        data = json.loads((done.folder / name / "record.json").read_text(encoding="utf-8"))
        for changing in ("timings", "environment", "encoder", "created"):
            data.pop(changing, None)
        texts.append(json.dumps(data))
    assert texts[0] == texts[1]
