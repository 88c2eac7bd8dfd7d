"""The report in a real browser: Debian's Chromium, headless, and no network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from analysis.metrics import list_metrics
from analysis.report.run_table import format_metric
from analysis.report.write import compose_run_answer, load_run_summary, write_page
from records.rundir import open_run
from tests.process.browsing import NEEDS_CHROMIUM, Looked, browser, compute_luminance
from tests.process.support import ROOT

SAMPLE = ROOT / "docs" / "sample-run"
MOST_BYTES = 3_000_000
PHONE = {"width": 360, "height": 740}
SHEET: ViewportSize = {"width": 794, "height": 1123}
"""A4 upright."""
LEAST_TEXT_PX = 12
READ_SIZES = """() => [...document.querySelectorAll('main *')]
    .filter(each => each.getClientRects().length && !each.closest('svg, .hidden'))
    .filter(each => [...each.childNodes].some(own => own.nodeType == 3 && own.textContent.trim()))
    .map(each => parseFloat(getComputedStyle(each).fontSize))"""
PLANTED = "<script>window.planted = 1</script><img src=x onerror='window.planted = 2'>"

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]


def report_of(source: Path, folder: Path) -> Path:
    copy = folder / source.name
    shutil.copytree(source, copy, dirs_exist_ok=True)
    run = open_run(copy)
    return write_page(run, load_run_summary(run))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(SAMPLE, tmp_path_factory.mktemp("report"))


@pytest.fixture
def looked(browser: Browser, report: Path) -> Iterator[Looked]:
    page = browser.new_page()
    yield Looked(page, report)
    page.close()


def test_it_opens_without_complaint_and_asks_nobody(looked: Looked, report: Path) -> None:
    expect(
        looked.page.get_by_role("heading", name="Thread and event-loop timeline")
    ).to_be_visible()
    assert looked.complaints == []
    assert [each for each in looked.asked if not each.startswith(("file:", "data:"))] == []
    assert report.stat().st_size < MOST_BYTES


def test_the_answer_is_on_the_first_screen_and_its_rules_are_one_click_below(
    browser: Browser, report: Path
) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(report.as_uri())
    answer = compose_run_answer(load_run_summary(open_run(report.parent)))
    assert page.locator("h1").inner_text() == answer.title
    said = page.locator(".statements p")
    assert [each.inner_text() for each in said.all()] == [
        each.message for each in answer.statements
    ]
    box = page.locator("figure").first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 1000, "question, answer and picture are on one screen"
    links = page.locator("#answers a").all()
    assert len(links) == sum(each.rule is not None for each in answer.changes) > 0
    for link in links:
        target = page.locator(link.get_attribute("href") or "")
        assert (target.inner_text().split(":")[0]).lower() == link.inner_text()
    page.close()


def test_the_table_says_what_summary_json_says(looked: Looked, report: Path) -> None:
    summary = load_run_summary(open_run(report.parent))
    written = json.loads((report.parent / "summary.json").read_text())["cells"]
    assert [each.scenario for each in summary.cells] == [each["scenario"] for each in written]
    for cell in summary.cells:
        row = looked.page.locator(f'#figures tr[data-row="{cell.scenario}.{cell.trial}"]')
        for metric in list_metrics("page", "table"):
            shown = row.locator(f'td[data-figure="{metric.key}"] .measured')
            assert shown.inner_text() == format_metric(cell, metric)


def test_a_phone_never_scrolls_sideways(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": PHONE["width"], "height": PHONE["height"]})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert min(page.evaluate(READ_SIZES)) >= LEAST_TEXT_PX
    widths = page.evaluate(
        "[...document.querySelectorAll('.picture svg')].filter(e => e.getClientRects().length)"
        ".map(e => e.getBoundingClientRect().width)"
    )
    assert widths
    assert all(0 < width <= PHONE["width"] for width in widths)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_light_and_dark(
    browser: Browser, report: Path, scheme: str
) -> None:
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(report.as_uri())
    ground = compute_luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (ground < 0.5) is (scheme == "dark")
    for what in ("'h1'", "'td'", "'.picture svg text'"):
        kind = "fill" if "svg" in what else "color"
        ink = page.evaluate(f"getComputedStyle(document.querySelector({what})).{kind}")
        assert abs(compute_luminance(ink) - ground) > 0.5, (what, ink)
    page.close()


def test_it_can_be_printed(looked: Looked) -> None:
    looked.page.set_viewport_size(SHEET)
    looked.page.emulate_media(media="print")
    assert looked.page.evaluate("document.documentElement.scrollWidth") <= SHEET["width"]
    expect(looked.page.locator("nav")).to_be_hidden()
    pdf = looked.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert looked.complaints == []


def test_the_slice_is_moved_by_keyboard(looked: Looked) -> None:
    figure = looked.page.locator("figure", has=looked.page.locator("form.slice")).first
    begin = figure.get_by_role("slider", name="start")
    before = float(begin.input_value())
    begin.focus()
    begin.press("ArrowRight")
    moved = figure.locator(".picture[data-begin]")
    expect(moved).to_have_count(1)
    assert float(moved.get_attribute("data-begin") or "nan") > before
    expect(moved.locator("svg g.mark-rect path").first).to_be_attached()
    ground = moved.locator("svg").evaluate("own => getComputedStyle(own).backgroundColor")
    assert ground == "rgba(0, 0, 0, 0)", "dark mode has no white ground"
    assert looked.complaints == []


def test_nothing_overlaps_on_a_blocked_loop(looked: Looked) -> None:
    cells = json.loads(looked.page.locator("#slices").text_content() or "")
    (blocked,) = [each for each in cells if each["identity"] == "async-http-sync-shared-1"]
    rows = blocked["rows"]["rows"]
    spans = sorted((bar[3], bar[4]) for bar in blocked["rows"]["bars"] if rows[bar[0]] == "loop")
    assert len(spans) > 10
    # times are written in tenths of a ms: neighbours may share the last digit
    assert all(end <= begin + 0.1 for (_, end), (begin, _) in pairwise(spans))


def test_what_came_from_outside_is_text(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "planted"
    shutil.copytree(SAMPLE, folder)
    path = folder / "cells" / "sync-http.1" / "requests.parquet"
    requests = pl.read_parquet(path)
    requests.with_columns(
        error=pl.lit(PLANTED), status=pl.lit(500).cast(requests.schema["status"])
    ).write_parquet(path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["command"] = f"study run {PLANTED}"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    run = open_run(folder)
    page = browser.new_page()
    page.goto(write_page(run, load_run_summary(run)).as_uri())
    assert PLANTED in (page.locator("details.notes").first.text_content() or "")
    assert PLANTED in page.locator(".command").inner_text()
    assert page.evaluate("window.planted") is None
    page.close()


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    """In separate processes, with any hash seed."""
    made: list[dict[str, bytes]] = []
    for seed in ("1", "2"):
        folder = tmp_path / seed / "sample-run"
        shutil.copytree(SAMPLE, folder)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            (sys.executable, "-m", "study", "report", str(folder)),
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        names = [folder / "report.html", *sorted((folder / "charts").iterdir())]
        made.append({each.name: each.read_bytes() for each in names})
    assert made[0].keys() == made[1].keys()
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []
    kinds = {Path(name).suffix for name in made[0]}
    assert kinds == {".html", ".svg", ".png"}
