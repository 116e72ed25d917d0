"""Tables for people and spreadsheets."""

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import EvaluationError
from evalkit.report.run_folder import write_csv

TABLES = {
    "floats": (
        pd.DataFrame({"a": [1 / 3, np.nan, 1e-12, -0.0, 1e20], "b": range(5)}),
        "a,b\n0.333333333,0\n,1\n1e-12,2\n-0,3\n1e+20,4\n",
    ),
    "words": (
        pd.DataFrame({"text": ["a,b", 'say "so"', "two\nlines", "über", None], "yes": [True, False] * 2 + [True]}),
        'text,yes\n"a,b",True\n"say ""so""",False\n"two\nlines",True\nüber,False\n,True\n',
    ),
    "formulas": (
        pd.DataFrame({"text": ["=1+1", "@x", "-3", "+1", "\tx", "\r"], "n": [-1] * 6}),
        "text,n\n'=1+1,-1\n'@x,-1\n'-3,-1\n'+1,-1\n'\tx,-1\n'\r,-1\n",
    ),
    "mixed": (pd.DataFrame({"o": pd.Series([1, "x", None, True, "=x"], dtype=object)}), 'o\n1\nx\n""\nTrue\n\'=x\n'),
    "nullable": (
        pd.DataFrame({"f": pd.array([0.1, None], dtype="Float64"), "i": pd.array([1, None], dtype="Int64")}),
        "f,i\n0.1,1\n,\n",
    ),
    "empty": (pd.DataFrame({"a": [], "b": []}), "a,b\n"),
    "odd heads": (pd.DataFrame({"=a": [1], 5: [2], "x,y": [3]}), '\'=a,5,"x,y"\n1,2,3\n'),
    "categories": (pd.DataFrame({"c": pd.Categorical(["=x", "y"])}), "c\n'=x\ny\n"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_written_for_spreadsheets_without_formulas(tmp_path, name):
    table, expected = TABLES[name]
    before = table.copy()
    write_csv(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes().decode() == expected
    pd.testing.assert_frame_equal(table, before)


def test_nothing_half_written_remains(tmp_path):
    class Bad:
        def __str__(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(EvaluationError, match="cannot be written"):
        write_csv(pd.DataFrame({"a": pd.Series([Bad()], dtype=object)}), tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []
