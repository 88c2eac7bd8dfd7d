"""A damaged run directory gives one line that names the file."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from records.files import write_whole
from records.rows import SPANS
from records.rundir import CellDir, RunDir
from scenarios.errors import UserError
from stress.cell_runner import save_runner
from stress.save_cell import BEGUN_FILE
from study.cli import main

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample-run"
CELL = "cells/async-http-shared.1"
FILES = ("manifest.json", *(f"{CELL}/{name}" for name in (
    "cell.json", "requests.parquet", "handlers.parquet", "probe.parquet", "machine.parquet",
    "bystander.parquet", "upstream.parquet",
)))  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["empty", "half", "garbage", "gone", "pipe"])
def test_each_file_in_each_way(
    name: str, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(SAMPLE, copy)
    path = copy / name
    content = path.read_bytes()
    if damage in ("gone", "pipe"):
        path.unlink()
        if damage == "pipe":
            os.mkfifo(path)
    else:
        damaged = {"empty": b"", "half": content[: len(content) // 2], "garbage": b"\xff[]"}
        path.write_bytes(damaged[damage])
    code = main(["report", str(copy)])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.count("\n") == 1
    if name.endswith("cell.json") and damage == "gone":
        assert code == 0
        assert "async-http-shared.1 is left out" in said
        return
    assert code == 2
    assert (path.name if name != "manifest.json" else "manifest") in said


@pytest.mark.parametrize("name", ["summary.json", "report.html"])
def test_a_report_is_not_written_to_a_pipe_that_nothing_reads(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(SAMPLE, copy)
    (copy / name).unlink(missing_ok=True)
    os.mkfifo(copy / name)
    assert main(["report", str(copy)]) != 0
    assert "No such device or address" in capsys.readouterr().err


def test_a_link_to_a_file_stays_one(tmp_path: Path) -> None:
    """Otherwise, root would replace /dev/stdout, for all programs."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize(("mode", "kept"), [("ab", "before, "), ("wb", "")])
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_page_on_standard_output_is_a_part_of_it(
    name: str, mode: str, kept: str, tmp_path: Path
) -> None:
    """As in study guide --html /dev/stdout >file, or >>file."""
    (tmp_path / "file").write_text("before, ")
    code = "from pathlib import Path; from records.files import write_whole as write; "
    code += f"write(Path('{name}'), 'page, '); print('after', end='')"
    with (tmp_path / "file").open(mode) as output:
        subprocess.run((sys.executable, "-c", code), stdout=output, check=True)
    assert (tmp_path / "file").read_text() == f"{kept}page, after"


def test_a_report_is_written_to_a_pipe_that_is_read(tmp_path: Path) -> None:
    """Longer than a pipe holds: the reader has to begin before all is written."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "read").open("wb") as output:
        reader = subprocess.Popen(("cat", tmp_path / "pipe"), stdout=output)
    content, opened = b"x" * 1_000_000, False
    while not opened:
        try:
            write_whole(tmp_path / "pipe", content)
            opened = True
        except OSError:
            assert reader.poll() is None
    assert reader.wait() == 0
    assert (tmp_path / "read").read_bytes() == content


@pytest.mark.parametrize(
    ("name", "other"), [("a[1]", "a1"), ("a[", "a1"), ("st*r", "star"), ("?", "b"), ("**", "b")]
)
def test_a_folder_with_the_name_of_a_pattern_reads_its_own_tables(
    name: str, other: str, tmp_path: Path
) -> None:
    tables = {each: CellDir(tmp_path / each) for each in (name, other)}
    for each, cell in tables.items():
        cell.path.mkdir()
        cell.save_table("asked", pl.DataFrame({"route": [each]}))
    for each, cell in tables.items():
        assert cell.load_table("asked")["route"].to_list() == [each]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("phases", "window_start_s"), "INFINITY"),  # read loosely, each of three is a number
        (("phases", "window_start_s"), "3.5"),
        (("phases", "window_start_s"), True),
        (("phases", "window_end_s"), 0.0),  # before its start
        (("scenario", "load", "users"), 10**12),  # took 24 GB
        (("scenario", "load", "think_s"), 1e305),  # became infinite
    ],
)
def test_a_value_that_no_record_has_is_damage(
    place: tuple[str, ...], value: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(SAMPLE, copy)
    path = copy / CELL / "cell.json"
    record = part = json.loads(path.read_text())
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    path.write_text(json.dumps(record))
    assert main(["report", str(copy)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{path} is damaged" in said


def test_a_row_that_ends_before_it_begins_is_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(SAMPLE, copy)
    path, (began, ended) = copy / CELL / "requests.parquet", SPANS["requests"]
    frame = pl.read_parquet(path)
    first = pl.int_range(pl.len()) == frame[ended].is_not_null().arg_max()
    frame.with_columns(
        pl.when(first).then(pl.col(began) - 1.0).otherwise(pl.col(ended)).alias(ended)
    ).write_parquet(path)
    assert main(["report", str(copy)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"a row has {ended} before {began}" in said


def test_a_cell_that_is_still_being_measured_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The study that measures it is this process."""
    copy = tmp_path / "run"
    shutil.copytree(SAMPLE, copy)
    cell = CellDir(copy / CELL)
    begun = cell.record_file.rename(tmp_path / "begun.json")
    cell.raw.mkdir(exist_ok=True)
    shutil.copy(begun, cell.raw / BEGUN_FILE)
    save_runner(cell)
    assert main(["report", str(copy)]) == 0
    assert "async-http-shared.1 is left out: it is still being measured" in capsys.readouterr().err
    assert not cell.record_file.exists()


def test_another_schema_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": 99}')
    assert main(["report", str(tmp_path)]) == 2
    assert "schema 1" in capsys.readouterr().err


def test_a_cell_whose_load_wrk_made_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no rows, and wrk's own figures are no longer read."""
    copy = tmp_path / "run"
    shutil.copytree(SAMPLE, copy)
    path = copy / CELL / "cell.json"
    path.write_text(path.read_text().replace('"load": {', '"load": {"engine": "wrk",', 1))
    assert main(["report", str(copy)]) == 2
    said = capsys.readouterr().err
    assert "engine" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["/etc/x", "../../x", ".."])
def test_the_name_of_a_cell_stays_in_its_run(name: str) -> None:
    with pytest.raises(UserError, match="not the name of a cell"):
        RunDir(Path("run")).open_cell(f"{name}/1" if name == ".." else name)
