"""The live page: it changes during the run, only reads files, and is gone at the end."""

import re
from pathlib import Path

import polars as pl
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.process.browsing import NEEDS_CHROMIUM, browser
from tests.process.support import cells, only_run, running, wait_for

LOAD = ("--users", "10", "--delay", "100ms", "--duration", "6s", "--no-predict", "--port", "0")
SEEN_WITHIN_MS = 30_000
PHONE: ViewportSize = {"width": 390, "height": 844}
pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]


def number(page: Page, name: str) -> float:
    return float(page.locator(name).inner_text().replace(",", ""))


def test_the_page_moves_with_the_run_and_ends_with_it(browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("run", "sync-http", "async-http-sync-shared", *LOAD, "--live", "--out", str(out))
    with running(out, *words) as run:
        wait_for(lambda: "live: http://" in run.text(), "the address of the page")
        (address,) = re.findall(r"live: (http://127\.0\.0\.1:\d+/)", run.text())
        page = browser.new_page()
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        phone = browser.new_page(viewport=PHONE)
        phone.goto(address)
        page.goto(address)
        expect(page.locator("#scenario")).to_have_text("1 of 2: sync-http", timeout=SEEN_WITHIN_MS)
        expect(page.locator("#phase")).to_contain_text("window", timeout=SEEN_WITHIN_MS)
        assert number(page, "#in-flight") > 0
        assert number(page, "#threads") > 1
        assert number(page, "#good") > 0
        expect(page.locator("#lanes svg g.mark-rect path").first).to_be_attached()
        expect(phone.locator("#lanes svg")).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        phone.close()
        expect(page.locator("#scenario")).to_have_text(
            "2 of 2: async-http-sync-shared", timeout=SEEN_WITHIN_MS
        )
        expect(page.locator("#rows")).to_contain_text("sync-http")
        expect(page.locator("#lanes")).to_have_attribute(
            "data-bars", re.compile(r"[1-9]"), timeout=SEEN_WITHIN_MS
        )
        expect(page.locator("#phase")).to_contain_text("The run has ended", timeout=SEEN_WITHIN_MS)
        assert run.process.wait(60) == 0, run.text()
        assert complaints == []
        assert [each for each in asked if not each.startswith((address, "data:"))] == []
        page.close()
    for cell in cells(out):
        assert isinstance(cell["live_cpu_percent_peak"], float)
        name = f"{cell['scenario']}.{cell['trial']}"
        machine = pl.read_parquet(only_run(out) / "cells" / name / "machine.parquet")
        assert "live" in machine["role"].to_list()
    assert (only_run(out) / "report.html").is_file()
