"""Tables for people and spreadsheets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.report.run_folder import FIGURES, harmless, write_csv

TABLES = {
    "floats": pd.DataFrame({"a": [1 / 3, np.nan, 1e-12, -0.0, 1e20, np.inf], "b": np.arange(6)}),
    "words": pd.DataFrame(
        {
            "text": ["plain", "a,b", 'say "so"', "two\nlines", "=1+1", "", "über", " x ", "\r", "@x", "-3", None],
            "yes": [True, False] * 6,
        }
    ),
    "mixed": pd.DataFrame({"o": pd.Series([1, "x", None, 0.1, True, "=x"], dtype=object), "n": [1.0] * 6}),
    "nullable": pd.DataFrame(
        {"f": pd.array([0.1, None], dtype="Float64"), "i": pd.array([1, None], dtype="Int64"), "s": ["a", None]}
    ),
    "empty": pd.DataFrame({"a": [], "b": []}),
    "odd heads": pd.DataFrame({"=a": [1], 5: [2], "x,y": [3]}),
    "one column": pd.DataFrame({"only": ["", "x", None]}),
    "categories": pd.DataFrame({"c": pd.Categorical(["x", "y", None])}),
}


def by_pandas(table, path):
    """The same rules, written by pandas."""
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [harmless(cell) if isinstance(cell, str) else cell for cell in safe[name]]
    safe.columns = [harmless(str(name)) for name in safe.columns]
    safe.to_csv(path, index=False, lineterminator="\n", float_format=FIGURES)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_written_as_pandas_writes_it(tmp_path, name):
    write_csv(TABLES[name], tmp_path / "ours.csv")
    by_pandas(TABLES[name], tmp_path / "theirs.csv")
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_nothing_half_written_remains(tmp_path):
    class Bad:
        def __str__(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match="cannot be written"):
        write_csv(pd.DataFrame({"a": pd.Series([Bad()], dtype=object)}), tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []
