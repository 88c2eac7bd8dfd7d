"""docs/guidance.md and docs/workshop.md: made from recorded runs, byte for byte, and every figure
leads to its run."""

import re
from pathlib import Path

import pytest

from analysis.guide.page import build_guidance
from analysis.guide.recorded import find_experiment, find_runs
from study import guide, workshop
from study.cli import main

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "docs" / "evidence"
LINK = re.compile(r"\[[^\]]+\]\(#([^)]+)\)")
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


def test_the_guidance_is_what_its_runs_say(tmp_path: Path) -> None:
    page = tmp_path / "guidance.md"
    assert main(["guide", "--out", str(page)]) == 0
    assert page.read_text() == guide.PAGE.read_text()


def test_the_form_is_what_its_runs_say(tmp_path: Path) -> None:
    page = tmp_path / "advise.html"
    assert main(["advise", "--html", str(page)]) == 0
    assert page.read_text() == guide.PAGE.with_name("advise.html").read_text()


def test_the_workshop_is_what_its_runs_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written where it goes outside a clone."""
    page = tmp_path / "workshop.md"
    monkeypatch.setattr(workshop, "IS_CLONE", False)
    assert workshop.write_workshop_page([workshop.KEPT], tmp_path, None) == 0
    assert page.read_text() == workshop.PAGE.read_text()
    teacher = workshop.PAGE.with_name(workshop.TEACHER)
    assert page.with_name(workshop.TEACHER).read_text() == teacher.read_text()


def test_nothing_was_left_out_and_all_holds() -> None:
    made = build_guidance(guide.load_records([guide.KEPT]))
    assert made.missing == ()
    assert all(each.holds for each in made.relations)


@pytest.mark.parametrize("name", ["guidance.md", "workshop-teacher.md"])
def test_every_figure_leads_to_its_run(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    links, anchors = LINK.findall(text), ANCHOR.findall(text)
    assert len(links) > 20
    assert set(links) <= set(anchors)
    assert len(set(anchors)) == len(anchors)


@pytest.mark.parametrize("name", ["guidance.md", "workshop.md", "workshop-teacher.md"])
def test_it_is_small_and_names_no_place(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    assert str(ROOT) not in text
    files = [each for each in EVIDENCE.rglob("*") if each.is_file()]
    # five trials of 90 scenarios, with some 4 kB of figures each
    assert sum(each.stat().st_size for each in files) < 2_500_000
    for each in files:
        assert str(ROOT).encode() not in each.read_bytes(), each
        assert str(Path.home()).encode() + b"/" not in each.read_bytes(), each


def test_the_runs_were_made_by_the_commands_that_they_name() -> None:
    for run in find_runs([guide.KEPT]):
        assert find_experiment(str(run.load_manifest()["command"])) is not None
