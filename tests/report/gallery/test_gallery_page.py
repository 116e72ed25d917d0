import re

import pytest


def test_the_page_needs_nothing_beside_itself(written):
    page = written()
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']""", html)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)
    assert "localStorage" not in html
    assert "innerHTML" not in html
    assert "default-src 'none'" in html
    assert list(page.parent.iterdir()) == [page]


def test_the_same_sweep_gives_the_same_page(written):
    assert written().read_bytes() == written().read_bytes()


def test_no_text_can_end_the_data_or_fill_a_place_holder(written):
    hostile = ["</script><script>alert(1)</script>", "<!--<script>", "%%SCRIPT%%", "%%"]
    page = written(change=lambda frame: frame.assign(text=[*hostile, *frame["text"][len(hostile) :]]))
    html = page.read_text(encoding="utf-8")
    assert html.count("</script>") == 2
    assert html.count("<script") == 2
    assert "\\u003c/script\\u003e" in html
    assert '"%%SCRIPT%%","%%",' in html
    assert html.rstrip().endswith("</html>")


@pytest.mark.slow
def test_twelve_runs_of_15000_texts_stay_below_15_mb(large):
    assert '"shown":15000' in large.read_text(encoding="utf-8")
    assert large.stat().st_size < 15_000_000
