import numpy as np
import pytest
from score_samples import codes, draw
from sklearn.linear_model import LogisticRegression

from evalkit.metrics.mteb_probe import draw_rows, mteb_predictions, mteb_score
from evalkit.types import SplitVectors


def test_every_draw_takes_eight_of_a_label_and_all_of_a_smaller_one():
    labels = codes(50, 20, 3)
    draws = draw_rows(labels)
    assert len(draws) == 10
    for rows in draws:
        assert np.array_equal(np.bincount(labels[rows]), [8, 8, 3])
    assert len({tuple(sorted(rows)) for rows in draws}) == 10


def test_the_shuffled_list_is_shuffled_again():
    order = list(range(20))
    for rows in draw_rows(codes(20)):
        np.random.RandomState(42).shuffle(order)
        assert rows.tolist() == order[:8]


def test_meaningless_vectors_have_no_small_p():
    (train, train_labels), (test, test_labels) = draw(60, 5, 3), draw(50, 5, 3, seed=1)
    score = mteb_score(SplitVectors(train, test, train_labels, test_labels), np.random.default_rng(0))
    assert score.chance == 17 / 50
    assert score.p_value > 0.01
    assert score.ci_low is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ten_accuracies_equal_those_of_the_mteb_package(shared_data):
    """The package's own task class, on its own draws, with vectors put in place of a model's."""
    pytest.importorskip("mteb")
    import datasets
    import pandas as pd
    from mteb.abstasks.classification import AbsTaskClassification
    from mteb.timing import TimingStack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = pd.read_csv(shared_data / "clinc150" / "data_split.csv")
    part = {name: table[table["split"] == name] for name in ("train", "test")}
    matrix = TfidfVectorizer().fit(part["train"]["text"])
    reduce = TruncatedSVD(64, random_state=0).fit(matrix.transform(part["train"]["text"]))
    vectors = {n: reduce.transform(matrix.transform(rows["text"])).astype(np.float32) for n, rows in part.items()}
    names = sorted(set(table["label"]))
    codes = {n: rows["label"].map(names.index).to_numpy(dtype=np.int32) for n, rows in part.items()}
    predictions, _ = mteb_predictions(vectors["train"], codes["train"], vectors["test"])
    ours = (predictions == codes["test"]).mean(axis=1)

    class Task(AbsTaskClassification):
        metadata = None

        def __init__(self):
            self.seed = 42

    task = Task()
    task.evaluator_model = LogisticRegression(max_iter=100).set_params(random_state=task.seed)
    data = {
        name: datasets.Dataset.from_dict({"row": np.arange(len(rows)), "label": rows["label"].tolist()})
        for name, rows in part.items()
    }
    order = None
    theirs = []
    for number in range(10):
        chosen, order, rows = task._undersample_data(data["train"], number, order)
        scores, _ = task._run_experiment(
            chosen, data["test"], vectors["train"][rows], vectors["test"], timer=TimingStack()
        )
        theirs.append(scores["accuracy"])
    assert ours.tolist() == theirs
