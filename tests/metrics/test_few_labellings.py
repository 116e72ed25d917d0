"""The centroid scores of few texts in one call, beside those that larger corpora get."""

import numpy as np
import pytest

from evalkit.metrics import separation
from evalkit.metrics.centroid_scores import ROUNDING, SAME_PLACE, score_labellings
from evalkit.metrics.few_labellings import NAMES, summarise_few
from evalkit.metrics.label_means import centre

rng = np.random.default_rng(4)


@pytest.mark.parametrize(
    ("vectors", "labels"),
    [
        (rng.normal(size=(30, 80)), np.repeat(np.arange(5), 6)),
        (rng.normal(size=(40, 3)) + 20, np.repeat(np.arange(4), [1, 2, 7, 30])),
        (rng.integers(0, 2, size=(36, 3)), np.repeat(np.arange(3), 12)),  # ties, and vectors that are zero
        (np.repeat(np.eye(3), 5, axis=0), np.repeat(np.arange(5), 3)),
        (np.ones((12, 4)), np.repeat(np.arange(3), 4)),
        (rng.normal(size=(6, 4)), np.arange(6)),
        (np.vstack([np.eye(4), -np.eye(4)]), np.tile(np.arange(4), 2)),  # labels that sum to zero
    ],
    ids=["plain", "a narrow cone", "ties", "three places", "equal", "a label a text", "no centroid"],
)
def test_scores_are_those_of_the_larger_corpora(vectors, labels):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    labellings = np.random.default_rng(0).permuted(np.tile(labels, (25, 1)), axis=1).astype(np.int32)
    labellings[0] = labels
    sizes = np.bincount(labels)
    centred = centre(unit, sizes.size)
    few = summarise_few(centred, labellings, sizes, SAME_PLACE, ROUNDING)
    many = separation._summarise(score_labellings(centred, labellings, sizes), labellings, sizes)
    assert tuple(few) == tuple(many) == NAMES
    for name, values in many.items():
        np.testing.assert_allclose(few[name], values, rtol=1e-9, atol=1e-12, err_msg=name)
