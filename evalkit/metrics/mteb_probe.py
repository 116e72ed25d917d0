"""MTEB's classification protocol, draw for draw, so that the ten accuracies compare with published ones."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.stats.permutation import build_score, permutation_count, permute_scores
from evalkit.types import Codes, Floats, Score, SplitVectors, Vectors

DRAWS = 10
TEXTS_PER_LABEL = 8
SEED = 42
MAX_ITERATIONS = 100


def draw_rows(labels: Codes) -> list[NDArray[np.int64]]:
    """Training rows that MTEB fits on at each draw: the first 8 of every label in a shuffled order.

    MTEB shuffles the list of one draw again, from the same seed, for the next draw; so the draws differ, and are
    the same for every model.
    """
    order, chosen = np.arange(labels.size), []
    for _ in range(DRAWS):
        np.random.RandomState(SEED).shuffle(order)
        place_in_label = pd.Series(order).groupby(labels[order]).cumcount()
        chosen.append(order[place_in_label < TEXTS_PER_LABEL])
    return chosen


def mteb_predictions(train: Vectors, train_labels: Codes, test: Vectors) -> tuple[NDArray[np.int32], int]:
    """(10, m) labels of the test rows by the ten probes, and how many probes stopped at the protocol's 100 iterations.

    The vectors are as the model returns them, nothing dropped.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    predictions = np.empty((DRAWS, len(test)), dtype=np.int32)
    stopped = 0
    for draw, rows in enumerate(draw_rows(train_labels)):
        probe = LogisticRegression(max_iter=MAX_ITERATIONS, random_state=SEED)
        # On so little data threads wait for one another longer than they work.
        with warnings.catch_warnings(), threadpool_limits(limits=1):
            # The protocol stops after 100 iterations, converged or not.
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe.fit(train[rows], train_labels[rows])
        stopped += int(np.max(probe.n_iter_) >= MAX_ITERATIONS)
        predictions[draw] = probe.predict(test)
    return predictions, stopped


def mteb_score(split: SplitVectors, rng: np.random.Generator) -> Score:
    """Score probe/mteb_accuracy: mean accuracy of the ten draws on the whole test split.

    Chance is the largest label's share of the test split. The p-value permutes the test labels against
    the fitted probes' predictions, which is exact given the probes.
    """
    train = split.train if split.native_train is None else split.native_train
    test = split.test if split.native_test is None else split.native_test
    predictions, stopped = mteb_predictions(train, split.train_labels, test)
    size = split.test_labels.size
    per_draw = (predictions == split.test_labels).mean(axis=1)

    def statistic(labellings: NDArray[np.int32]) -> dict[str, Floats]:
        return {"accuracy": np.stack([(predictions == labels).mean() for labels in labellings])}

    count = permutation_count(float(DRAWS * size))
    null = permute_scores(statistic, split.test_labels, count=count, rng=rng)["accuracy"]
    parameters = {
        "per_draw": [float(accuracy) for accuracy in per_draw],
        "texts_per_label": TEXTS_PER_LABEL,
        "train_texts": int(split.train_labels.size),
        "test_texts": int(size),
        "stopped_at_max_iterations": stopped,
    }
    chance = float(np.bincount(split.test_labels).max() / size)
    return build_score(
        "probe/mteb_accuracy", "embedding", float(per_draw.mean()), best=1.0, chance=chance, null=null,
        parameters=parameters,
    )  # fmt: skip
