import dataclasses

import pytest
import specimens

from evalkit.plots import caption
from evalkit.types import Score

CONTINUITY, TRUST = "faithfulness/label_continuity", "faithfulness/trustworthiness_at_10"


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


def test_an_undefined_score_is_said_to_be_undefined_and_a_missing_one_not_at_all(record):
    _, _, plane = caption.lines(with_scores(record, Score("hulls/overlap", "map", None)))
    assert "hull overlap undefined" in plane
    kept = tuple(score for score in record.scores if score.space == "embedding")
    assert caption.lines(dataclasses.replace(record, scores=kept))[2] == ""


@pytest.mark.parametrize(("known", "chosen"), [((1, 5, 10), 5), ((1, 3), 3), ((10, 20), 10), ((), None)])
def test_the_precision_shown_is_the_one_nearest_to_five(known, chosen):
    names = [f"neighbours/precision_at_{k}" for k in (*known, "5_macro")]
    assert caption.precision_at({name: Score(name, "embedding", 0.5) for name in names}) == chosen


def test_a_map_that_is_faithful_or_was_not_measured_bears_no_stamp(record):
    assert caption.stamp(record) is None
    kept = tuple(score for score in record.scores if not score.name.startswith("faithfulness/"))
    assert caption.stamp(dataclasses.replace(record, scores=kept)) is None


@pytest.mark.parametrize(
    ("name", "value", "chance", "expected"),
    [
        (CONTINUITY, 0.9, None, None),
        (CONTINUITY, 0.89, None, "The map shows more separation than the vectors have (label continuity 0.89)"),
        (TRUST, 0.76, 0.5, None),
        (TRUST, 0.74, 0.5, "Neighbours on the map are often none in the vectors (trustworthiness 0.74, chance 0.50)"),
        (TRUST, 0.76, 0.6, "Neighbours on the map are often none in the vectors (trustworthiness 0.76, chance 0.60)"),
    ],
)
def test_only_maps_that_separate_too_much_or_mix_neighbours_are_stamped(record, name, value, chance, expected):
    assert caption.stamp(with_scores(record, Score(name, "map", value, 1.0, chance))) == expected
