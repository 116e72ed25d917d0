import pytest
import specimens
from matplotlib.colors import to_hex

from evalkit.plots import neighbours, palette, style


def drawn(*queries):
    """Record, topics and figure of these queries; a topic has a long name and a text is long."""
    texts = specimens.words()
    texts.loc[0, "text"] = "$broken_{ <img src=x>\n" + "W" * 500
    texts["label"] = texts["label"].replace({"sports": "sports " * 10})
    record = specimens.record(texts, queries=specimens.nearest_lists(texts, queries=queries))
    names = sorted(set(texts["label"]))
    colours = dict(zip(names, palette.colours(len(names), "light"), strict=True))
    with style.applied("light"):
        figure = neighbours._figure(record, colours, "light")
        figure.canvas.draw()
    return record, names, figure


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_nearest_texts_are_drawn_equal_each_time(tmp_path, theme):
    record, names, _ = drawn("bitcoin", "melon")
    written = []
    for name in ("a", "b"):
        neighbours.draw(record, names, tmp_path / name, theme)
        written.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("png", "svg")])
    assert written[0] == written[1]


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_queries_and_texts_of_any_length_stay_in_their_panels(count):
    record, _, figure = drawn(*("W" * 100 for _ in range(count)))
    assert len(figure.axes) == min(count, neighbours.SHOWN)
    for axes in figure.axes:
        left, _, right, _ = axes.bbox.extents
        title, *rest = axes.texts
        assert title.get_text().endswith("…")
        similarities, texts = rest[::2], rest[1::2]
        for value, text in zip(similarities, texts, strict=True):
            assert text.get_window_extent().x1 < value.get_window_extent().x0
        assert all(left <= text.get_window_extent().x0 for text in axes.texts)
        assert all(text.get_window_extent().x1 <= right + 1 for text in axes.texts)
    legend = figure.legends[0].get_window_extent()
    assert legend.y1 < min(axes.bbox.y0 for axes in figure.axes)
    assert figure.texts[0].get_window_extent().y1 < legend.y0
    assert ("12 of 40 queries" in figure.texts[0].get_text()) == (len(record.queries) == 40)


def test_bars_are_as_long_as_the_similarities_in_the_topics_colours():
    record, names, figure = drawn("bitcoin")
    _, bars, _ = figure.axes[0].collections
    near = record.queries[0]["neighbours"]
    assert [line[1][0] for line in bars.get_segments()] == [entry["similarity"] for entry in near]
    hues = dict(zip(names, palette.colours(len(names), "light"), strict=True))
    assert [to_hex(colour) for colour in bars.get_colors()] == [hues[entry["label"]] for entry in near]
