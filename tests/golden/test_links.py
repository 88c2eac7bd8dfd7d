"""No link leads nowhere: in the Markdown of the repository, and in pages wherever they are put.
Those of the recorded runs are looked at when their texts are pinned."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from analysis.report.page import render_report
from analysis.report.write import compose_run_answer, load_run_summary
from records.rundir import open_run
from study.cli import main
from tests.golden.links import find_dead_links
from tests.golden.pins import ROOT, RUNS

PAGES = [
    each
    for pattern in ("*.md", "docs/*.md", "*/README.md", "*/*/README.md")
    for each in sorted(ROOT.glob(pattern))
    if not any(part.startswith(".") for part in each.relative_to(ROOT).parts)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda each: str(each.relative_to(ROOT)))
def test_no_link_of_the_documentation_is_dead(page: Path) -> None:
    assert not list(find_dead_links(page.read_text(), page.parent))


def test_the_printed_guidance_stands_by_itself(tmp_path: Path) -> None:
    """It is sent and printed: no file of the documentation lies next to it."""
    page = tmp_path / "alone" / "guidance.html"
    page.parent.mkdir()
    assert main(["guide", "--out", str(tmp_path / "x.md"), "--html", str(page)]) == 0
    text = page.read_text()
    assert not list(find_dead_links(text, page.parent))
    assert 'href="#' in text
    assert ".md" not in text


def test_a_page_without_a_timeline_does_not_link_to_one(tmp_path: Path) -> None:
    """A compiled server's cell has no probe in it."""
    run = tmp_path / "run"
    shutil.copytree(RUNS["overloaded"], run)
    for table in run.glob("cells/*/handlers.parquet"):
        pl.read_parquet(table).clear().write_parquet(table)
    opened = open_run(run)
    summary = load_run_summary(opened)
    text, _ = render_report(opened, summary, compose_run_answer(summary))
    assert 'id="lanes"' not in text
    assert not list(find_dead_links(text, run))


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading: `x`\n<a id='no'></a><a id=\"yes\"></a>")
    dead = '[a](there.md#nowhere) [b](gone.md) <a href="#gone">c</a>'
    alive = "[a](there.md#yes) [b](there.md#a-heading-x) [c](https://example.org/x)"
    assert list(find_dead_links(dead, tmp_path)) == ["there.md#nowhere", "gone.md", "#gone"]
    assert not list(find_dead_links(alive, tmp_path))
