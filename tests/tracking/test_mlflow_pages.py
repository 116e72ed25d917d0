"""MLflow's own pages in a real browser: the printed address reads as a leaderboard, notes show map and figures."""

import os
import re
from pathlib import Path

import pytest
from tracker_fixtures import fill_folder, make_record

from evalkit.tracking import RunContext
from evalkit.tracking.mlflow_tracker import MlflowTracker
from evalkit.types import Score

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PATIENCE = 120_000
"""Milliseconds; MLflow's pages are some megabytes of script."""

PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"><rect width="90" height="90"/></svg>'


@pytest.fixture
def page(browser):
    opened = browser.new_page(viewport={"width": 1680, "height": 950})
    opened.set_default_timeout(PATIENCE)
    opened.set_default_navigation_timeout(PATIENCE)
    yield opened
    opened.close()


@pytest.fixture
def artifacts(tmp_path):
    kept = os.environ.get("EVALKIT_ARTIFACTS")
    folder = Path(kept) if kept else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_the_printed_addresses_read_as_a_leaderboard(store, serve, tmp_path, page, artifacts):
    server = serve(store)
    tracker = MlflowTracker(server.uri)
    links = {}
    for model, value in (("weak", 0.2), ("strong<b>", 0.9), ("middling", 0.5)):
        scores = (
            Score("neighbours/map_at_r_macro", "embedding", value, 1.0, 0.1, 0.3, 0.01, 0.1, 0.95),
            Score("separation/silhouette", "embedding", value / 2, 1.0, 0.0),
        )
        settings = {"model_label": model, "rank_by": "neighbours/map_at_r_macro"}
        record = make_record(model.encode().hex().rjust(64, "0"), settings=settings, scores=scores)
        folder = fill_folder(tmp_path / model.strip("<>b"), record)
        (folder / "map.svg").write_text(PICTURE)
        links[model] = tracker.log_run(record, folder, RunContext(sweep="5ee9")).link

    page.goto(tracker.address())
    page.get_by_text("neighbours/map_at_r_macro.chance").first.wait_for()
    page.get_by_role("link", name=re.compile("·cls·tsne·3")).first.wait_for()
    names = page.get_by_role("link", name=re.compile("·cls·tsne·3")).all_inner_texts()
    assert names == ["strong<b>·cls·tsne·3", "middling·cls·tsne·3", "weak·cls·tsne·3"]
    page.get_by_text("separation/silhouette").first.wait_for()
    page.screenshot(path=artifacts / "mlflow_runs.png")

    page.goto(links["strong<b>"])
    page.get_by_text("Show more").first.click()
    page.get_by_text("the labels are told apart beyond chance").first.wait_for()
    picture = page.get_by_role("img", name="The map").or_(page.locator("img[src*='get-artifact']")).first
    picture.wait_for()
    page.wait_for_function("element => element.complete && element.naturalWidth === 400", arg=picture.element_handle())
    page.screenshot(path=artifacts / "mlflow_run.png")
