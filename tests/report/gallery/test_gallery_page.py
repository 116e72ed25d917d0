import re
from pathlib import Path

import pandas as pd
import pytest
import specimens

from evalkit.errors import EvaluationError
from evalkit.report import gallery
from evalkit.report.load_runs import LoadedRun


def page(sweep, folder, **changes):
    runs, tables = sweep(**changes)
    gallery.write(runs, *tables, out=folder / "gallery.html")
    return (folder / "gallery.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_beside_itself(sweep, tmp_path):
    html = page(sweep, tmp_path)
    assert not re.search(r"""(?:src|href)\s*=\s*["']""", html)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)
    assert "localStorage" not in html
    assert "innerHTML" not in html
    assert "default-src 'none'" in html
    assert [path.name for path in tmp_path.iterdir()] == ["gallery.html"]


def test_the_same_sweep_gives_the_same_page(sweep, tmp_path):
    assert page(sweep, tmp_path) == page(sweep, tmp_path)


def test_no_text_can_end_the_data_or_fill_a_place_holder(sweep, tmp_path):
    hostile = ["</script><script>alert(1)</script>", "<!--<script>", "%%SCRIPT%%", "%%"]
    html = page(sweep, tmp_path, change=lambda frame: frame.assign(text=[*hostile, *frame["text"][len(hostile) :]]))
    assert html.count("</script>") == 2
    assert html.count("<script") == 2
    assert "\\u003c/script\\u003e" in html
    assert '"%%SCRIPT%%","%%",' in html
    assert html.rstrip().endswith("</html>")


def test_a_failed_write_leaves_the_old_page(sweep, tmp_path):
    before = page(sweep, tmp_path)
    with pytest.raises(EvaluationError):
        gallery.write([], *[pd.DataFrame()] * 4, out=tmp_path / "gallery.html")
    assert (tmp_path / "gallery.html").read_text(encoding="utf-8") == before


@pytest.mark.slow
def test_twelve_runs_of_15000_texts_stay_below_15_mb(tmp_path):
    import numpy as np

    base = specimens.clouds(15_000, 7)
    base["text"] = [f"a sentence of usual length about one of the topics, number {i} of many" for i in range(15_000)]
    rng = np.random.default_rng(0)
    runs = []
    for i in range(12):
        texts = base.assign(
            x=base["x"] + rng.normal(size=len(base)), neighbours=list(rng.integers(0, len(base), (len(base), 10)))
        )
        runs.append(LoadedRun(specimens.record(texts, seed=i % 3, model=f"model{i // 3}"), texts, Path(f"run{i}")))
    gallery.write(runs, *[pd.DataFrame()] * 4, out=tmp_path / "gallery.html")
    html = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    assert '"shown":15000' in html
    assert (tmp_path / "gallery.html").stat().st_size < 15_000_000
