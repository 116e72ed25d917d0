import pytest

from evalkit.plots import style


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$x_1$ and $y$", "$x_1$ and $y$"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("soft\u00adhyphen and \u202ereversed", "softhyphen and reversed"),
        ("  spaces \u2028 everywhere ", "spaces everywhere"),
        ("שלום עולם", "שלום עולם"),
        ("", ""),
        ("\U000e0fff private \ue000", "□ private □"),
    ],
)
def test_clean_keeps_text_as_text_on_one_line(text, expected):
    assert style.clean(text, 40) == expected


def test_clean_cuts_long_texts_and_says_so():
    assert style.clean("word " * 2000, 30) == "word word word word word word…"
    assert style.clean("x" * 30, 30) == "x" * 30


def test_numbers_are_written_as_readers_expect():
    assert [style.number(v) for v in (0.301, -0.02, -0.0001)] == ["0.30", "−0.02", "0.00"]


def test_models_are_called_by_the_last_part_of_their_hub_id():
    assert style.subject({"name": "org/all-MiniLM-L6-v2", "pooling": "mean"}) == "all-MiniLM-L6-v2 · mean pooling"
    assert style.subject({"name": "tfidf", "pooling": "none"}) == "tfidf"
