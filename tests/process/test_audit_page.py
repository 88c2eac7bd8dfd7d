"""The page of an audit in a real browser: its first screen, in light and dark, on a phone and on a
desktop."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from analysis.findings import find_all, load_audit_evidence
from analysis.findings.remedies import Cure, Predicted, RouteChange, RouteLevel, Tried
from analysis.report.audit_page import PAGE_FILE, write_audit_page
from records.rundir import RunDir, create_run
from tests.process.browsing import NEEDS_CHROMIUM, Looked, browser, compute_luminance
from tests.process.support import ROOT
from tests.unit.audit_samples import AuditBuilder, endpoint, library, save_audit

DESK, PHONE = (1400, 900), (390, 844)
LEAST_TEXT_PX = 12
PLANTED = "<img src=x onerror='window.planted = 1'>"
LONG_ROUTE = "/organisations/{organisation}/departments/{department}/people"
READ_TEXTS = """() => [...document.querySelectorAll('svg text, main p, main td, main th, main li, '
    + 'main small, main dt, main code')]
    .filter(each => each.getClientRects().length)
    .map(each => [parseFloat(getComputedStyle(each).fontSize), each.textContent])"""
READ_OVERFLOW = """() => [...document.querySelectorAll('svg text, svg rect, svg circle')]
    .map(each => [each.getBoundingClientRect(), each.closest('svg').getBoundingClientRect()])
    .filter(([own, all]) => own.left < all.left - 6 || own.right > all.right + 6).length"""

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]


def save_blocked(folder: Path) -> RunDir:
    """Blocks in two places, with requests of other routes in flight."""
    audit = AuditBuilder()
    for began_s in (1.0, 3.0, 5.0, 7.0):
        stack = endpoint("build", 17, [library("socket", "readinto")])
        audit.block(began_s, 0.25, [stack] * 5)
        audit.ask("/report", began_s - 0.01, began_s + 0.26)
        audit.handlers[-1] |= {"visit": len(audit.blocks)}
        audit.block(began_s + 0.4, 0.1, [endpoint("pay", 47)] * 5, route=LONG_ROUTE)
        for each in range(9):
            audit.ask("/ping", began_s + each / 100, began_s + 0.3)
        audit.ask(LONG_ROUTE, began_s, began_s + 0.5)
    run = create_run(folder, "audit")
    save_audit(run, audit)
    return run


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Findings that each have a cure, a prediction and a trial."""
    run = save_blocked(tmp_path_factory.mktemp("audit"))
    evidence = load_audit_evidence(run)
    found = find_all(evidence)
    before = RouteLevel("/ping", 10.0, 500.0, 900.0), RouteLevel(LONG_ROUTE, 5.0, 400.0, 450.0)
    after = RouteLevel("/ping", 90.0, 2.0, 9.0), RouteLevel(LONG_ROUTE, 4.0, 600.0, None)
    changes = tuple(
        RouteChange(one.route, one, other, one.p50_ms / other.p50_ms, low, high)
        for one, other, low, high in zip(before, after, (200.0, 0.6), (300.0, 0.8), strict=True)
    )
    tried = Tried("offload=/report", 3, changes, worse=(LONG_ROUTE,))
    cure = Cure(
        "main.py", 17, ("    time.sleep(0.25)",), (f"    await asyncio.sleep(0.25)  # {PLANTED}",),
        "Await it.", "one-blocks-all", "offload=/report", 250.0, 0.3,
    )  # fmt: skip
    changed = tuple(
        replace(each, cure=cure, predicted=Predicted(20, before, after), tried=tried)
        for each in found.findings
    )
    write_audit_page(run, replace(found, findings=changed, trials=(tried,)), evidence)
    return run.path / PAGE_FILE


@pytest.fixture
def looked(browser: Browser, page_file: Path) -> Iterator[Looked]:
    page = browser.new_page(viewport={"width": DESK[0], "height": DESK[1]})
    yield Looked(page, page_file)
    page.close()


def test_it_opens_without_complaint_and_asks_nobody(looked: Looked, page_file: Path) -> None:
    expect(looked.page.get_by_role("heading", name="How it happens")).to_be_visible()
    assert looked.complaints == []
    assert [each for each in looked.asked if each != page_file.as_uri()] == []
    assert looked.page.evaluate("window.planted") is None
    assert PLANTED in looked.page.locator(".cure").first.inner_text()


def test_the_first_screen_has_the_answer_and_the_worst_with_its_change(looked: Looked) -> None:
    for what in (".answer", "#answer .finding h3", "#answer .diff del", "#answer .diff ins"):
        box = looked.page.locator(what).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= DESK[1], what


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_everything_can_be_read(
    browser: Browser, page_file: Path, size: tuple[int, int], scheme: str
) -> None:
    """No text is smaller than 12 px or leaves its picture; the page does not scroll sideways."""
    page = open_page(browser, page_file, size, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    texts = page.evaluate(READ_TEXTS)
    assert len(texts) > 30
    assert [text for pixels, text in texts if pixels < LEAST_TEXT_PX] == []
    assert page.evaluate(READ_OVERFLOW) == 0
    ground = compute_luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (ground < 0.5) is (scheme == "dark")
    for picture in (".moment", ".levels"):
        script = f"getComputedStyle(document.querySelector('{picture} text')).fill"
        assert abs(compute_luminance(page.evaluate(script)) - ground) > 0.5
    page.close()


def open_page(browser: Browser, file: Path, size: tuple[int, int], scheme: str) -> Page:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(file.as_uri())
    return page


def test_the_blocks_of_a_picture_are_where_the_record_has_them(looked: Looked) -> None:
    """The block's band, its bar on the loop and the bar of its request are at one place."""
    picture = looked.page.locator("#moments .moment").first
    band = picture.locator(".band").bounding_box()
    assert band is not None
    for bar in (picture.locator("rect.culprit").nth(0), picture.locator("rect.culprit").nth(1)):
        box = bar.bounding_box()
        assert box is not None
        assert abs(box["x"] - band["x"]) < 1
        assert abs(box["width"] - band["width"]) < 1


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    """In separate processes, with any hash seed."""
    run = save_blocked(tmp_path)
    made = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            (sys.executable, "-m", "study", "report", str(run.path)),
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        made.add((run.path / PAGE_FILE).read_bytes())
    assert len(made) == 1
