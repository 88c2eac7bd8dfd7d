"""The recorded run in docs/sample-run: its reports can be made again, byte for byte."""

import shutil
from pathlib import Path

import pytest

from analysis.report.write import load_run_summary, write_reports
from records.rundir import open_run
from study.cli import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "docs" / "sample-run"
REPORTS = ("summary.json", "summary.csv", "summary.md")


@pytest.mark.parametrize("name", REPORTS)
def test_the_same_records_make_the_same_bytes(name: str, tmp_path: Path) -> None:
    run = open_run(SAMPLE)
    write_reports(tmp_path, load_run_summary(run))
    assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()


def test_it_can_be_tried_with_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "sample-run"
    shutil.copytree(SAMPLE, copy)
    assert main(["report", str(copy)]) == 0
    printed = capsys.readouterr().out
    for cell in open_run(SAMPLE).list_saved_cells():
        assert cell.load_record().scenario.name in printed


def test_it_is_small_and_names_no_place() -> None:
    files = [each for each in SAMPLE.rglob("*") if each.is_file()]
    assert sum(each.stat().st_size for each in files) < 1_000_000
    for each in files:
        content = each.read_bytes()
        assert str(ROOT).encode() not in content, each
        assert str(Path.home()).encode() + b"/" not in content, each
