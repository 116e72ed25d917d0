import dataclasses

import numpy as np
import pandas as pd
import pytest

from evalkit.plots import confusion
from evalkit.plots import neighbours as neighbours_picture


@pytest.fixture
def asked(specimens):
    texts = specimens.words()
    return specimens.record(texts, queries=specimens.nearest_lists(texts)), sorted(set(texts["label"]))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_nearest_texts_are_drawn_equal_each_time(asked, tmp_path, theme):
    record, names = asked
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files = {"out_png": tmp_path / folder / "n.png", "out_svg": tmp_path / folder / "n.svg"}
        neighbours_picture.draw(record, names, theme=theme, **files)
    for name in ("n.png", "n.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_many_queries_with_strange_texts_are_drawn(specimens, tmp_path):
    texts = specimens.words()
    texts.loc[0, "text"] = "$broken_{ <img src=x>\n" + "long " * 500
    record = specimens.record(
        texts, queries=specimens.nearest_lists(texts, queries=tuple(f"query {i}" for i in range(40)))
    )
    neighbours_picture.draw(record, sorted(set(texts["label"])), out_png=tmp_path / "n.png", out_svg=tmp_path / "n.svg")
    assert (tmp_path / "n.svg").stat().st_size < 1_000_000


def test_without_queries_there_is_nothing_to_draw(asked, tmp_path):
    record, names = asked
    with pytest.raises(ValueError, match="no queries"):
        neighbours_picture.draw(
            dataclasses.replace(record, queries=()), names, out_png=tmp_path / "n.png", out_svg=tmp_path / "n.svg"
        )


def test_votes_of_the_neighbours_by_hand():
    texts = pd.DataFrame({"label": ["b", "a", "a", "b"], "neighbours": [[1, 2], [2, 0], [1, 3], [0, 1]]})
    shares = confusion.neighbour_votes(texts, k=2)
    assert list(shares.index) == list(shares.columns) == ["a", "b"]
    # a's texts (rows 1, 2) have neighbours a, b, a, b; b's (rows 0, 3) have a, a, b, a.
    np.testing.assert_allclose(shares.to_numpy(), [[0.5, 0.5], [0.75, 0.25]])
    np.testing.assert_allclose(confusion.neighbour_votes(texts, k=1).to_numpy(), [[1.0, 0.0], [0.5, 0.5]])


def test_the_most_confused_topics_are_kept_in_order():
    shares = np.eye(5)
    shares[3, 3], shares[3, 1] = 0.4, 0.6
    shares[4, 4], shares[4, 0] = 0.9, 0.1
    np.testing.assert_array_equal(confusion.most_confused(shares, 2), [1, 3])
    np.testing.assert_array_equal(confusion.most_confused(shares, 4), [0, 1, 3, 4])


@pytest.mark.parametrize("k", [2, 5, 14, 30, 150])
def test_confusions_of_any_number_of_topics_are_drawn(specimens, tmp_path, k):
    rng = np.random.default_rng(k)
    names = [f"topic <b>{i}</b> $_" for i in range(k)]
    shares = pd.DataFrame(0.6 * np.eye(k) + 0.4 * rng.dirichlet(np.ones(k), k), names, names)
    texts = specimens.words()
    confusion.draw(specimens.record(texts), shares, out_png=tmp_path / "c.png", out_svg=tmp_path / "c.svg")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "c.svg").stat().st_size < 1_000_000
