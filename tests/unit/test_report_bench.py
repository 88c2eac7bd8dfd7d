"""The benchmark of the page renders a real report of a synthetic cell."""

from pathlib import Path

from benchmarks.big_cell import FEWEST_ROWS
from benchmarks.report_page import draw_page, make_run, summarize_run


def test_the_made_up_run_is_judged_and_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make_run(folder, FEWEST_ROWS)
    assert summarize_run(folder) == 0
    assert draw_page(folder) > 100_000
    assert "sync-http-shared" in (folder / "report.html").read_text()
