"""Vectors from a file."""

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet

from evalkit.encoders.precomputed import PrecomputedEncoder
from evalkit.errors import RequestError


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def saved(folder, values, name="vectors.npy"):
    np.save(folder / name, values)
    return str(folder / name)


def test_whole_float32_files_are_read_where_they_lie(tmp_path, values):
    encoder = PrecomputedEncoder(path=saved(tmp_path, values))
    made = encoder.encode_rows(np.arange(6), 6).vectors
    assert isinstance(made, np.memmap)
    assert not made.flags.writeable
    np.testing.assert_array_equal(made, values)


def test_rows_are_chosen_by_their_place_in_the_data(tmp_path, values):
    encoder = PrecomputedEncoder(path=saved(tmp_path, values))
    np.testing.assert_array_equal(encoder.encode_rows(np.array([5, 0, 5]), 6).vectors, values[[5, 0, 5]])


@pytest.mark.parametrize("kind", ["float16", "float64", "int8", ">f4", "uint32"])
def test_number_types_become_float32(kind, tmp_path):
    original = np.arange(12).reshape(4, 3).astype(kind)
    made = PrecomputedEncoder(path=saved(tmp_path, np.asfortranarray(original))).encode_rows(np.arange(4), 4).vectors
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, np.arange(12).reshape(4, 3))


@pytest.mark.parametrize("kind", ["lists", "lists of one length", "columns"])
def test_parquet_is_lists_or_columns(kind, tmp_path, values):
    columns = {
        "lists": {"vector": values.tolist()},
        "lists of one length": {"v": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), 4)},
        "columns": {f"d{number}": values[:, number] for number in range(4)},
    }[kind]
    parquet.write_table(pyarrow.table(columns), tmp_path / "vectors.parquet", row_group_size=4)
    encoder = PrecomputedEncoder(path=str(tmp_path / "vectors.parquet"))
    np.testing.assert_allclose(encoder.encode_rows(np.array([1, 5]), 6).vectors, values[[1, 5]], rtol=1e-6)
    assert encoder.identify("native").dimension == 4


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pyarrow.table({"v": [[1.0, 2.0], [1.0]]}), "lengths from 1 to 2"),
        (pyarrow.table({"v": [[1.0], None]}), "without a value"),
        (pyarrow.table({"v": [[1.0], [None]]}), "do not hold numbers throughout"),
        (pyarrow.table({"v": [["a"], ["b"]]}), "do not hold numbers throughout"),
        (pyarrow.table({"u": [[1.0]], "v": [[1.0]]}), "has the columns u, v, and which of them are vectors is not"),
        (pyarrow.table({"d0": [1.0], "d1": [2.0], "label": [3.0]}), "has the columns d0, d1, label, and which"),
        (pyarrow.table({"d0": [1.0], "d1": [2.0], "n": [3]}), r"name the column of lists with model\.column, or the"),
        (pyarrow.table({"d0": [1.0], "word": ["a"]}), "has the columns d0, word, and which"),
        (pyarrow.table({"a": [1.0, None]}), "without a value"),
    ],
)
def test_parquet_that_holds_no_vectors_is_refused(table, said, tmp_path):
    parquet.write_table(table, tmp_path / "vectors.parquet")
    with pytest.raises(RequestError, match=said):
        PrecomputedEncoder(path=str(tmp_path / "vectors.parquet")).identify("native")


def test_options_say_which_columns_are_the_vectors(tmp_path, values):
    numbers = {f"d{number}": values[:, number] for number in range(4)}
    other = {"label": np.arange(6), "u": values[:, :2].tolist(), "v": (values * 2).tolist()}
    path = str(tmp_path / "vectors.parquet")
    parquet.write_table(pyarrow.table({**numbers, **other}), path)

    def made(**options):
        return PrecomputedEncoder(path=path, **options).encode_rows(np.arange(6), 6).vectors

    np.testing.assert_array_equal(made(columns="d"), values)
    np.testing.assert_array_equal(made(columns=["d2", "d0"]), values[:, [2, 0]])
    np.testing.assert_array_equal(made(column="v"), values * 2)
    identities = [PrecomputedEncoder(path=path, columns=names).identify("native") for names in ("d", ["d0", "d1"])]
    assert identities[0].details != identities[1].details
    for wrong in ({"columns": "x"}, {"columns": ["d0", "u"]}, {"columns": ["d9"]}, {"column": "d0"}, {"column": "w"}):
        with pytest.raises(RequestError, match="has the columns d0, d1, d2, d3, label, u, v, and which"):
            made(**wrong)
    with pytest.raises(RequestError, match="leave one of them out"):
        made(column="v", columns="d")
    with pytest.raises(RequestError, match=r"vectors\.npy has no columns: leave"):
        PrecomputedEncoder(path=saved(tmp_path, values), columns="d")


def test_a_label_beside_the_only_list_and_an_index_of_pandas_are_no_dimensions(tmp_path, values):
    path = tmp_path / "vectors.parquet"
    parquet.write_table(pyarrow.table({"label": np.arange(6), "v": values.tolist()}), path)
    np.testing.assert_array_equal(PrecomputedEncoder(path=str(path)).encode_rows(np.arange(6), 6).vectors, values)
    frame = pandas.DataFrame(values, columns=list("abcd"))
    frame[frame["a"] > frame["a"].min()].to_parquet(path)
    assert PrecomputedEncoder(path=str(path)).identify("native").dimension == 4


@pytest.mark.parametrize("wrong", [
    np.arange(4.0), np.zeros((2, 2, 2)), np.zeros((0, 3)), np.array([["a"]]), np.zeros((2, 2), complex), np.eye(2) > 0,
])  # fmt: skip
def test_arrays_that_are_no_vectors_are_refused(wrong, tmp_path):
    with pytest.raises(RequestError, match="one row a text"):
        PrecomputedEncoder(path=saved(tmp_path, wrong)).identify("native")


@pytest.mark.fault("security", "vectors in a pickle", "a .npy of objects, and garbage")
def test_pickles_and_garbage_are_refused(tmp_path):
    with pytest.raises(RequestError, match="cannot be read as an array"):
        PrecomputedEncoder(path=saved(tmp_path, np.array([[{}]], dtype=object))).identify("native")
    (tmp_path / "garbage.npy").write_bytes(b"no array")
    (tmp_path / "garbage.parquet").write_bytes(b"no table")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("garbage.npy", "garbage.parquet", "empty.npy"):
        with pytest.raises(RequestError, match="cannot be read as"):
            PrecomputedEncoder(path=str(tmp_path / name)).identify("native")


def test_files_that_are_not_there_or_of_another_kind_are_refused(tmp_path):
    with pytest.raises(RequestError, match=r"model\.path=.* is no file"):
        PrecomputedEncoder(path=str(tmp_path / "none.npy"))
    (tmp_path / "vectors.csv").write_text("1,2")
    with pytest.raises(RequestError, match=r"neither \.npy nor \.parquet"):
        PrecomputedEncoder(path=str(tmp_path / "vectors.csv"))


def test_another_number_of_rows_is_refused_naming_both(tmp_path, values):
    encoder = PrecomputedEncoder(path=saved(tmp_path, values))
    with pytest.raises(RequestError, match="has 6 rows and the data have 7"):
        encoder.encode_rows(np.arange(5), 7)
    with pytest.raises(RequestError, match="has 6 rows and the data have 2"):
        encoder.encode(["a", "b"], ["native"], lambda _: None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_value_that_is_not_finite_is_refused_naming_the_row(bad, tmp_path, values):
    wide = values.astype(np.float64)
    wide[4, 2] = bad
    encoder = PrecomputedEncoder(path=saved(tmp_path, wide))
    for rows in (np.arange(6), np.array([0, 4])):
        with pytest.raises(RequestError, match=r"row 4 of vectors\.npy"):
            encoder.encode_rows(rows, 6)
    assert len(encoder.encode_rows(np.array([0, 5]), 6).vectors) == 2


def test_queries_need_vectors_of_their_own(tmp_path, values):
    path, queries = saved(tmp_path, values), saved(tmp_path, values[:2] * 2, "queries.npy")
    without = PrecomputedEncoder(path=path)
    with pytest.raises(RequestError, match=r"there are 2 queries.*model\.query_path"):
        without.encode_queries(["a", "b"], ["native"], [], lambda _: None)
    encoder = PrecomputedEncoder(path=path, query_path=queries)
    made = encoder.encode_queries(["a", "b"], ["native", "mean"], [], lambda _: None)
    np.testing.assert_array_equal(made["mean"].vectors, values[:2] * 2)
    with pytest.raises(RequestError, match="has 2 rows and there are 3 queries"):
        encoder.encode_queries(["a", "b", "c"], ["native"], [], lambda _: None)
    narrow = PrecomputedEncoder(path=path, query_path=saved(tmp_path, values[:2, :3], "narrow.npy"))
    with pytest.raises(RequestError, match=r"narrow\.npy have 3 dimensions and those of vectors\.npy 4"):
        narrow.encode_queries(["a", "b"], ["native"], [], lambda _: None)


def test_identity_is_the_content(tmp_path, values):
    first = PrecomputedEncoder(path=saved(tmp_path, values)).identify("native")
    assert first == PrecomputedEncoder(path=saved(tmp_path, values)).identify("cls")
    assert (first.name, first.pooling, first.dimension) == ("vectors.npy", "none", 4)
    changed = PrecomputedEncoder(path=saved(tmp_path, values + 1)).identify("native")
    assert first.revision != changed.revision
    assert PrecomputedEncoder("mine", path=saved(tmp_path, values)).identify("native").name == "mine"
    asked = PrecomputedEncoder(path=saved(tmp_path, values), query_path=saved(tmp_path, values, "q.npy"))
    assert asked.identify("native").details != first.details
