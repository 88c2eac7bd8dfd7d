"""The printed guidance: in a real browser, with the size of the paper."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from study import guide
from study.cli import main

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.untimed,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: apt-get install chromium"),
]
SHEET = {"width": 1062, "height": 733}
"""A4 landscape at 96 dots an inch, less margins of 8 mm."""


def test_the_decision_table_is_one_sheet(tmp_path: Path) -> None:
    page_file = tmp_path / "guidance.html"
    markdown = guide.PAGE.stat().st_mtime_ns
    assert main(["guide", "--html", str(page_file)]) == 0
    assert list(tmp_path.iterdir()) == [page_file]
    assert guide.PAGE.stat().st_mtime_ns == markdown
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": SHEET["width"], "height": SHEET["height"]})
        page.goto(page_file.as_uri())
        page.emulate_media(media="print")
        table = page.locator("table").first
        assert table.locator("tbody tr").count() >= 10
        box = table.bounding_box()
        chromium.close()
    assert box is not None
    assert box["y"] + box["height"] <= SHEET["height"]
    assert box["width"] <= SHEET["width"]
