"""The pictures of a run are readable on a desktop and on a phone."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from analysis.report.drawing import COLOURS, PALE_SKY, RenderedChart
from analysis.report.page import render_report
from analysis.report.write import compose_run_answer, load_run_summary
from records.rundir import open_run
from tests.unit.svg_reading import Picture

ROOT = Path(__file__).resolve().parents[2]
RUNS = {
    "sample": ROOT / "docs" / "sample-run",
    **{
        name: ROOT / "tests" / "golden" / "runs" / name
        for name in ("killed", "contrast", "sweep", "overloaded")
    },
}
LEAST_TEXT_PX = 12
PHONE_PX, DESK_PX = 358, 864
"""The smallest width of a picture: on a phone of 390 px, and on a screen that is wide enough for
the wide form (report.css)."""
GREYS = {"black", "white", "#000", "#ddd", "#888"}

pytestmark = [pytest.mark.slow, pytest.mark.untimed]


@cache
def draw_run(name: str) -> tuple[RenderedChart, ...]:
    run = open_run(RUNS[name])
    summary = load_run_summary(run)
    _, pictures = render_report(run, summary, compose_run_answer(summary))
    return tuple(each for each in pictures if each is not None)


def list_forms(pictures: Sequence[RenderedChart]) -> Iterator[tuple[str, Picture, float]]:
    """Each form with the smallest width at which a page shows it."""
    for each in pictures:
        yield each.name, Picture(each.svg), DESK_PX if each.narrow else PHONE_PX
        if each.narrow:
            yield f"{each.name}, narrow", Picture(each.narrow), PHONE_PX


@pytest.mark.parametrize("name", RUNS)
def test_every_picture_can_be_read(name: str) -> None:
    """No text is shown smaller than 12 px, none covers another, no panel is empty."""
    drawn = draw_run(name)
    assert drawn
    for form, picture, shown_px in list_forms(drawn):
        shrunk = min(1.0, shown_px / picture.width)
        assert min(picture.font_sizes) * shrunk >= LEAST_TEXT_PX, form
        assert picture.overlapping == [], form
        assert picture.cut_off == [], form
        assert picture.empty_panels == [], form
        assert "role-title-text" in str([each.role for each in picture.texts]), form


@pytest.mark.parametrize("name", RUNS)
def test_colours_are_told_apart_by_colour_blind_people_too(name: str) -> None:
    """All colours come from one palette made for this."""
    known = {*COLOURS, PALE_SKY} | GREYS
    for form, picture, _ in list_forms(draw_run(name)):
        assert picture.colours <= known, form
