import base64
import json

import numpy as np
import pytest

pytestmark = pytest.mark.browser

STRANGE = "<img src=x onerror=alert(1)>"
ENDING = "</script><script>alert(2)</script>"


class Opened:
    """A page on screen, with all that it complained of, asked for, or tried to say."""

    def __init__(self, browser, file, width=1400, scheme="light"):
        self.page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
        self.faults, self.requests = [], []
        self.page.on("console", lambda message: self.complain(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-drawn]")
        self.data = json.loads(self.page.locator("#data").text_content())

    def complain(self, message):
        # Chromium's advice about reading pixels back is about these tests: the page itself never reads any.
        if not message.startswith("Canvas2D: Multiple readback operations using getImageData"):
            self.faults.append(message)

    def point(self, run, text):
        """Where a text stands in the run's map, in CSS pixels from the map's corner."""
        side = self.page.locator("canvas.over").nth(run).bounding_box()["width"]
        xy = np.frombuffer(base64.b64decode(self.data["runs"][run]["xy"]), "<u2").reshape(-1, 2)[text]
        return side * (0.06 + 0.88 * xy / 65_535)

    def hover(self, run, text):
        canvas = self.page.locator("canvas.over").nth(run)
        canvas.scroll_into_view_if_needed()
        x, y = self.point(run, text)
        canvas.hover(position={"x": float(x), "y": float(y)})

    def highlighted(self):
        return self.page.eval_on_selector_all("figure.map", "all => all.map(one => one.dataset.highlight)")

    def inked(self, run, text):
        """How much is drawn over the map within 10 pixels of the text."""
        x, y = self.point(run, text)
        script = """([run, x, y]) => {
            const over = document.querySelectorAll("canvas.over")[run], scale = over.width / over.clientWidth;
            const seen = over.getContext("2d").getImageData((x - 10) * scale, (y - 10) * scale, 20 * scale, 20 * scale);
            return seen.data.filter((value, i) => i % 4 === 3 && value > 0).length;
        }"""
        return self.page.evaluate(script, [run, float(x), float(y)])


@pytest.fixture
def opened(browser, written):
    pages = []

    def make(width=1400, scheme="light", **changes):
        pages.append(Opened(browser, written(**changes), width, scheme))
        return pages[-1]

    yield make
    for shown in pages:
        outside = [url for url in shown.requests if not url.startswith(("file:", "blob:"))]
        shown.page.close()
        assert shown.faults == []
        assert outside == []
        assert len(shown.requests) == 1


def test_a_text_pointed_at_in_one_map_is_seen_in_all(opened):
    shown = opened()
    assert shown.inked(4, 12) == 0
    shown.hover(0, 12)
    assert shown.highlighted() == ["12"] * 9
    assert min(shown.inked(run, 12) for run in range(9)) > 50
    assert shown.page.locator("#inspector").inner_text().split("\n")[0].startswith("animals")
    assert "lion" in shown.page.locator("#inspector .said").inner_text()
    shown.page.mouse.move(2, 2)
    assert shown.highlighted() == [""] * 9
    assert shown.inked(4, 12) == 0


def test_a_click_pins_and_lists_the_neighbours_in_every_model(opened):
    shown = opened()
    shown.hover(0, 3)
    shown.page.mouse.down()
    shown.page.mouse.up()
    shown.page.mouse.move(2, 2)
    assert shown.highlighted() == ["3"] * 9
    cards = shown.page.locator("#neighbours .card")
    assert cards.count() == 3
    nearest = np.frombuffer(base64.b64decode(shown.data["runs"][0]["near"]["of"]), "<u2").reshape(30, 5)[3]
    assert cards.nth(0).locator("li").all_inner_texts() == [shown.data["texts"][i] for i in nearest]
    shown.page.keyboard.press("Escape")
    assert shown.highlighted() == [""] * 9


def test_the_keyboard_alone_walks_and_pins(opened):
    shown = opened()
    shown.page.locator("canvas.over").first.focus()
    for key, expected in (("ArrowRight", "0"), ("ArrowRight", "1"), ("ArrowLeft", "0"), ("ArrowLeft", "29")):
        shown.page.keyboard.press(key)
        assert set(shown.highlighted()) == {expected}
    shown.page.keyboard.press("Enter")
    assert shown.page.locator("#unpin").is_visible()


def test_filters_hide_models_maps_and_rows(opened):
    shown = opened()
    shown.page.locator("#filter-model summary").click()
    shown.page.get_by_role("checkbox", name="tfidf").uncheck()
    models = shown.page.eval_on_selector_all("figure.map", "all => all.map(one => one.dataset.model)")
    assert set(models) == {"minilm", "random"}
    assert shown.page.locator("#leaderboard tbody th").all_inner_texts() == ["minilm", "random"]
    assert shown.page.locator("#filter-model summary").inner_text().startswith("Models (2 of 3)")
    shown.page.keyboard.press("Escape")
    shown.page.locator("#filter-projection summary").click()
    shown.page.get_by_role("checkbox", name="t-SNE").uncheck()
    assert shown.page.locator("figure.map").count() == 2


def test_a_topic_pressed_in_the_legend_is_shown_alone(opened):
    shown = opened()
    colours = """() => {
        const base = document.querySelector("canvas.base");
        const seen = base.getContext("2d").getImageData(0, 0, base.width, base.height);
        return seen.data.filter((value, i) => i % 4 === 3 && value > 0).length;
    }"""
    everything = shown.page.evaluate(colours)
    chip = shown.page.locator("#legend .chip", has_text="fruits")
    chip.click()
    assert shown.page.locator("#legend .chip[aria-pressed=true]").all_inner_texts() == ["fruits 6"]
    assert 0 < shown.page.evaluate(colours) < 0.5 * everything
    shown.hover(0, 12)  # a lion, hidden now
    assert shown.highlighted() == [""] * 9
    shown.page.locator("#all-labels").click()
    assert shown.page.evaluate(colours) == everything


def test_search_finds_rings_and_pins(opened):
    shown = opened()
    shown.page.locator("#search").fill("APPLE")
    assert shown.page.locator("#found-count").inner_text() == "2 found"
    assert shown.page.locator("#found li").all_inner_texts() == ["apple", "pineapple"]
    assert shown.inked(5, 6) > 10
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        shown.page.keyboard.press(key)
    assert set(shown.highlighted()) == {str(shown.data["texts"].index("pineapple"))}
    shown.page.locator("#search").fill("nothing like it")
    assert shown.page.locator("#found-count").inner_text() == "0 found"
    assert not shown.page.locator("#found").is_visible()


def test_the_leaderboard_sorts_and_groups_ties(opened):
    shown = opened()
    rows = shown.page.locator("#leaderboard tbody th")
    assert rows.all_inner_texts() == ["minilm", "tfidf", "random"]
    assert shown.page.locator("#leaderboard td.rank").all_inner_texts() == ["1", "2", "2"]
    assert shown.page.locator("#leaderboard td.rank.shared").count() == 2
    shown.page.get_by_role("button", name="Model", exact=True).click()
    assert rows.all_inner_texts() == ["minilm", "random", "tfidf"]
    shown.page.get_by_role("button", name="texts/s").click()
    assert rows.all_inner_texts() == ["random", "tfidf", "minilm"]
    assert shown.page.locator("th[aria-sort=descending]").inner_text().startswith("texts/s")
    shown.page.get_by_role("button", name="texts/s").click()
    assert rows.all_inner_texts() == ["minilm", "tfidf", "random"]
    assert shown.page.locator("th[aria-sort=ascending]").inner_text().startswith("texts/s")
    label = shown.page.locator("#leaderboard tr[data-model=minilm] svg").get_attribute("aria-label")
    assert label == "0.850, chance 0.17 · 95 % 0.75 to 0.88"


def test_the_chosen_score_stands_under_each_map_beside_its_chance(opened):
    shown = opened()
    shown.page.locator("#score").select_option("hulls/overlap")
    caption = shown.page.locator("figure.map .scored").first.inner_text()
    assert all(part in caption for part in ("hulls/overlap", "0.075", "chance 0.71"))
    shown.page.locator("#order").select_option("score")
    models = shown.page.locator("#maps .model h3").all_inner_texts()
    assert models == ["minilm", "tfidf", "random"]  # the least overlap first: lower is better
    shown.page.locator("#order").select_option("name")
    assert shown.page.locator("#maps .model h3").all_inner_texts() == ["minilm", "random", "tfidf"]


def test_the_comparison_matrix_colours_only_real_differences(opened):
    shown = opened()
    cells = shown.page.locator("#comparisons td:not(.self)").filter(has_text="p")
    kinds = [cell.get_attribute("class") for cell in cells.all()]
    assert kinds == ["better", "better", "worse", "level", "worse", "level"]
    assert cells.nth(0).inner_text().split("\n")[0] == "+0.500"
    assert cells.nth(2).inner_text().split("\n")[:2] == ["−0.500", "−0.60 to −0.40"]


def test_agreement_and_topics_are_heat_maps_with_their_chance(opened):
    shown = opened()
    assert "0.31\nchance 0.00" in shown.page.locator("#agreement td").nth(2).inner_text()
    shown.page.locator("#measure").select_option("overlap")
    assert "0.52\nchance 0.34" in shown.page.locator("#agreement td").nth(2).inner_text()
    assert shown.page.locator("#topics td", has_text="75 %").count() == 4


def test_queries_stand_side_by_side_for_every_model(opened):
    shown = opened()
    shown.page.locator("#query").select_option(label="melon")
    assert shown.page.locator("#neighbours .card h3").all_inner_texts() == ["minilm · mean", "tfidf", "random"]
    entry = shown.data["runs"][0]["queries"][1]
    assert entry["query"] == "melon"
    listed = shown.page.locator("#neighbours .card").first.locator("li span:nth-of-type(1)").all_inner_texts()
    assert [text for text in listed if text] == [n["text"] for n in entry["neighbours"]]


def test_a_stamp_stands_at_the_maps_that_mislead_and_only_there(opened):
    shown = opened()
    stamped = shown.page.locator("figure.map", has=shown.page.locator(".stamp"))
    assert stamped.count() == 3
    assert "label continuity 0.70" in stamped.first.inner_text()
    assert stamped.first.get_attribute("data-model") == "random"


def test_markup_in_labels_texts_and_queries_shows_as_itself(opened, artifacts):
    def hostile(frame):
        frame.loc[0, "text"], frame.loc[1, "text"] = STRANGE, ENDING
        return frame.assign(label=frame["label"].replace({"finance": STRANGE, "sports": "__proto__"}))

    shown = opened(change=hostile)
    assert shown.page.locator("#legend .chip", has_text=STRANGE).count() == 1
    shown.page.locator("#search").fill("onerror")
    assert shown.page.locator("#found li").all_inner_texts() == [STRANGE]
    shown.page.keyboard.press("Enter")
    assert STRANGE in shown.page.locator("#inspector .said").inner_text()
    shown.page.locator("#search").fill("alert(2)")
    assert shown.page.locator("#found li").all_inner_texts() == [ENDING]
    assert shown.page.locator("img").count() == 0
    assert shown.page.locator("script").count() == 2
    shown.page.screenshot(path=artifacts / "gallery_markup.png")


def test_the_theme_follows_the_system_and_the_button(opened):
    shown = opened(scheme="dark")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    assert shown.page.evaluate(paper) == "rgb(20, 23, 28)"
    shown.page.locator("#theme").click()
    assert shown.page.evaluate(paper) == "rgb(255, 255, 255)"
    assert opened(scheme="dark", theme="light").page.evaluate(paper) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("keep", [1, None])
def test_what_is_not_there_is_said(opened, keep):
    shown = opened(bare=True, with_queries=False, keep=keep)
    said = shown.page.locator("main").inner_text()
    assert "There is no leaderboard for these runs." in said
    assert "Nothing to compare" in said
    assert "Agreement needs two different embeddings" in said
    assert "No queries were given. Pin a text" in said
    assert shown.page.locator("figure.map").count() == (keep or 9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [700, 1400])
def test_the_page_fits_its_window(opened, artifacts, width, scheme):
    shown = opened(width=width, scheme=scheme)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    shown.hover(0, 12)
    shown.page.screenshot(path=artifacts / f"gallery_{width}_{scheme}.png", full_page=True)


def test_it_works_in_a_sandboxed_frame_from_a_blob(browser, written):
    """As MLflow's artifact viewer shows it: no origin of its own, no sibling files, scripts alone allowed."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    faults = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_content("<!DOCTYPE html><body></body>")
    page.evaluate(
        """html => {
            const frame = document.createElement("iframe");
            frame.setAttribute("sandbox", "allow-scripts");
            frame.width = 1150; frame.height = 850;
            frame.src = URL.createObjectURL(new Blob([html], { type: "text/html" }));
            document.body.append(frame);
        }""",
        written().read_text(encoding="utf-8"),
    )
    frame = page.frame_locator("iframe")
    frame.locator("html[data-drawn]").wait_for(state="attached")
    assert frame.locator("figure.map").count() == 9
    frame.locator("canvas.over").first.focus()
    page.keyboard.press("ArrowRight")
    assert frame.locator("figure.map[data-highlight='0']").count() == 9
    page.close()
    assert faults == []


@pytest.mark.slow
def test_twelve_maps_of_15000_texts_answer_at_once(browser, large):
    shown = Opened(browser, large)
    shown.hover(0, 7)
    # From the pointer's move to the last of twelve overlays drawn, in milliseconds; the first move has built the index.
    spent = shown.page.evaluate("""() => {
        const over = document.querySelector("canvas.over"), box = over.getBoundingClientRect(), times = [];
        for (let step = 0; step < 40; step++) {
            const place = { clientX: box.x + box.width * (0.2 + step / 70), clientY: box.y + box.height / 2 };
            const started = performance.now();
            over.dispatchEvent(new PointerEvent("pointermove", place));
            times.push(performance.now() - started);
        }
        return times.sort((a, b) => a - b)[20];
    }""")
    shown.page.close()
    assert shown.faults == []
    assert spent < 50
