"""The form of `study advise` in a real browser: it has the figures of the command for any number,
without a network, on a phone, in light and dark."""

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest
from playwright.sync_api import Browser

from analysis.guide.advice import AdviceQuestion, compute_advice
from analysis.stats import formats
from scenarios.advice import Waits
from study.cli import main
from tests.process.browsing import NEEDS_CHROMIUM, Looked, browser, compute_luminance

__all__ = ["browser"]

pytestmark = NEEDS_CHROMIUM
QUESTIONS = 1500
LEAST_PX = 12
"""The smallest font size of any text, on a phone too."""


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("form") / "advise.html"
    assert main(["advise", "--html", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def guidance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guidance")
    path = folder / "guidance.html"
    assert main(["guide", "--out", str(folder / "x.md"), "--html", str(path)]) == 0
    return path


def draw_questions() -> list[AdviceQuestion]:
    """Round numbers, as people type them, and odd ones, from the smallest to the largest."""
    chance = random.Random(18)
    found = []
    for place in range(QUESTIONS):
        waits: Waits = chance.choice(get_args(Waits))
        delay_s, rate, cpu_s, thread_cpu_s = (
            10 ** chance.uniform(*powers) for powers in ((-5, 3), (-3, 6), (-6, 1), (-6, 1))
        )
        if place % 2:
            delay_s, rate, cpu_s, thread_cpu_s = (
                float(f"{each:.1g}") for each in (delay_s, rate, cpu_s, thread_cpu_s)
            )
        found.append(
            AdviceQuestion(
                waits, 0.0 if waits == "nothing" else delay_s, rate, chance.randint(1, 100),
                chance.randint(1, 100), cpu_s, thread_cpu_s,
            )
        )  # fmt: skip
    return found


def export_advice(question: AdviceQuestion) -> dict[str, object]:
    """Formatted like the page's script does."""
    found = compute_advice(question)
    ways = [
        [
            each.name,
            formats.three_digits(each.highest_rps),
            formats.three_digits(each.served_rps),
            "grows" if each.mean_s is None else formats.three_digits(1000 * each.mean_s),
            each.limited_by,
        ]
        for each in found.ways
    ]
    plain: dict[str, object] = json.loads(json.dumps(asdict(found)))
    return plain | {"ways": ways}


def test_the_page_computes_what_the_command_computes(browser: Browser, form: Path) -> None:
    looked = Looked(browser.new_page(), form)
    asked = draw_questions()
    answers = looked.page.evaluate(
        "questions => questions.map(computeAdvice)", [asdict(each) for each in asked]
    )
    for question, answer in zip(asked, answers, strict=True):
        assert answer == export_advice(question), question


def test_what_is_typed_is_answered_as_the_command_answers(
    browser: Browser, form: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    looked = Looked(browser.new_page(), form)
    page = looked.page
    page.get_by_label("What does a request wait for?").select_option("disk")
    page.get_by_text("The machine, and the CPU").click()
    typed = {"delay": "20", "rate": "4000", "workers": "2", "cores": "4", "cpu": "0.6",
             "thread-cpu": "0.65"}  # fmt: skip
    for name, text in typed.items():
        page.locator(f"input[name={name}]").fill(text)
    words = "--waits disk --delay 20ms --rate 4000/s --workers 2"
    machine = "--cores 4 --cpu 0.6ms --thread-cpu 0.65ms"
    assert main(["advise", *words.split(), *machine.split()]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert " ".join(page.locator("#answer h3").inner_text().split()) in printed
    rows = page.locator("#answer tbody tr").all()
    assert len(rows) == 4
    for row in rows:
        assert " ".join(row.inner_text().split()) in printed
    assert page.locator("#answer dd").nth(1).inner_text() in printed
    assert f"study advise {words}" in page.locator("#answer").inner_text()
    assert looked.complaints == []
    assert looked.asked == [form.as_uri()]


def test_what_cannot_be_is_said_at_its_place(browser: Browser, form: Path) -> None:
    page = Looked(browser.new_page(), form).page
    page.get_by_label("Workers").fill("1.5")
    assert page.locator("#answer").inner_text() == "Workers: give a whole number, 1 to 4096"
    page.get_by_label("Workers").fill("2")
    assert page.locator("#answer tbody tr").count() > 1
    page.get_by_label("Requests per second").fill("")
    assert "Requests per second: give 0.001 to 1000000" in page.locator("#answer").inner_text()


def test_nothing_is_asked_for_no_delay(browser: Browser, form: Path) -> None:
    page = Looked(browser.new_page(), form).page
    page.get_by_label("What does a request wait for?").select_option("nothing")
    assert page.get_by_label("How long, ms").is_hidden()
    assert page.locator("#answer h3").inner_text() == "Write async def"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["form", "guidance"])
def test_it_holds_on_a_phone(
    browser: Browser, which: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    Looked(page, request.getfixturevalue(which))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('.advice').scrollWidth") <= 390
    sizes = page.locator(".advice *").evaluate_all(
        "all => all.map(each => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(sizes) >= LEAST_PX
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (compute_luminance(ink) < compute_luminance(paper)) == (scheme == "light")


def test_the_guidance_has_the_form_and_leads_to_its_rules(browser: Browser, guidance: Path) -> None:
    looked = Looked(browser.new_page(), guidance)
    links = looked.page.locator("#answer details a[href^='#rule-']")
    assert links.count() == 2
    for each in links.all():
        target = each.get_attribute("href") or ""
        assert looked.page.locator(f'[id="{target.removeprefix("#")}"]').count() == 1, target
    assert looked.complaints == []
    looked.page.emulate_media(media="print")
    assert looked.page.locator(".advice").is_hidden()
