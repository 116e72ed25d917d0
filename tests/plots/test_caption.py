import dataclasses

import pytest
import specimens

from evalkit.plots import caption
from evalkit.types import Score


@pytest.fixture
def record():
    return specimens.record(specimens.words())


def with_scores(record, *scores):
    kept = {score.name: score for score in record.scores} | {score.name: score for score in scores}
    return dataclasses.replace(record, scores=tuple(kept.values()))


def test_the_caption_says_what_was_drawn_and_every_score_beside_its_chance(record):
    subject, vectors, plane = caption.lines(record)
    assert subject == "all-MiniLM-L6-v2 · mean pooling · t-SNE (perplexity 9.67) · seed 0 · topics: 30 texts, 5 topics"
    assert vectors == "In the vectors: silhouette 0.32 (chance −0.02), neighbour precision at 5 0.83 (chance 0.17)"
    assert plane == "On this map: silhouette 0.56 (chance −0.10), hull overlap 0.10 (chance 0.71; 0 is best)"


def test_an_undefined_score_is_said_to_be_undefined(record):
    _, _, plane = caption.lines(with_scores(record, Score("hulls/overlap", "map", None)))
    assert "hull overlap undefined" in plane


def test_a_record_without_map_scores_has_no_line_about_the_map(record):
    kept = tuple(score for score in record.scores if score.space == "embedding")
    assert caption.lines(dataclasses.replace(record, scores=kept))[2] == ""


@pytest.mark.parametrize(
    ("names", "chosen"),
    [((1, 5, 10), "5"), ((1, 3), "3"), ((10, 20), "10"), ((), None)],
)
def test_the_precision_shown_is_the_one_nearest_to_five(names, chosen):
    scores = {f"neighbours/precision_at_{k}": Score(f"neighbours/precision_at_{k}", "embedding", 0.5) for k in names}
    scores["neighbours/precision_at_5_macro"] = Score("neighbours/precision_at_5_macro", "embedding", 0.5)
    expected = None if chosen is None else f"neighbours/precision_at_{chosen}"
    assert caption.precision_name(scores) == expected


def test_a_faithful_map_bears_no_stamp(record):
    assert caption.stamp(record) is None


def test_separation_that_only_the_map_has_is_stamped(record):
    just = with_scores(record, Score("faithfulness/label_continuity", "map", caption.LEAST_CONTINUITY))
    below = with_scores(record, Score("faithfulness/label_continuity", "map", caption.LEAST_CONTINUITY - 0.01))
    assert caption.stamp(just) is None
    assert caption.stamp(below) == "The map shows more separation than the vectors have (label continuity 0.89)"


@pytest.mark.parametrize(("value", "chance", "stamped"), [(0.76, 0.5, False), (0.74, 0.5, True), (0.76, 0.6, True)])
def test_low_trustworthiness_is_judged_from_its_chance_level(record, value, chance, stamped):
    judged = with_scores(record, Score("faithfulness/trustworthiness_at_10", "map", value, 1.0, chance))
    assert (caption.stamp(judged) is not None) == stamped


def test_a_record_without_faithfulness_has_no_stamp(record):
    kept = tuple(score for score in record.scores if not score.name.startswith("faithfulness/"))
    assert caption.stamp(dataclasses.replace(record, scores=kept)) is None
