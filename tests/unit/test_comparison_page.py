"""Two runs as a page: it says the same as the terminal."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from scenarios.errors import UserError
from study.compare import compare_directories

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample-run"


@pytest.fixture
def slower(tmp_path: Path) -> Path:
    """The sample, each response half a second later."""
    copy = tmp_path / "slower"
    shutil.copytree(SAMPLE, copy)
    for path in copy.glob("cells/*/requests.parquet"):
        requests = pl.read_parquet(path)
        requests.with_columns(pl.col("started_s", "intended_s") - 0.5).write_parquet(path)
    return copy


def test_the_page_has_every_figure_and_its_pictures(
    slower: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "ab.html"
    assert compare_directories(SAMPLE, slower, anyway=False, html=page) == 0
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    for words in (
        "sync-http",
        "async-http-shared",
        "median_ms",
        "ok_rps",
        "<svg",
        "too few trials",
    ):
        assert words in text
    charts = {each.name for each in (tmp_path / "ab.charts").iterdir()}
    assert {"sync-http-ratios.svg", "sync-http-quantiles.png"} <= charts


def test_pictures_of_an_earlier_page_go_and_other_files_stay(slower: Path, tmp_path: Path) -> None:
    page, charts = tmp_path / "ab.html", tmp_path / "ab.charts"
    charts.mkdir()
    page.write_text('<figure id="gone-ratios"><figure id="../kept">')
    for name in ("gone-ratios.svg", "gone-ratios.png", "mine.svg"):
        (charts / name).touch()
    (tmp_path / "kept.svg").touch()
    compare_directories(SAMPLE, slower, anyway=False, html=page)
    left = {each.name for each in charts.iterdir()}
    assert left >= {"mine.svg", "sync-http-ratios.svg"}
    assert not left & {"gone-ratios.svg", "gone-ratios.png"}
    assert (tmp_path / "kept.svg").exists()


def test_the_same_two_runs_make_the_same_page(slower: Path, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        compare_directories(SAMPLE, slower, anyway=False, html=tmp_path / name)
    assert (tmp_path / "one.html").read_text() == (tmp_path / "two.html").read_text()


def test_a_page_of_another_kind_is_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match=r"the name must end in \.html"):
        compare_directories(tmp_path, tmp_path, anyway=False, html=tmp_path / "ab.pdf")
