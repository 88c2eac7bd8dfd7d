"""Texts from outside: no client writes lines of its own, or controls the terminal."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from math import nan
from pathlib import Path

import polars as pl
import pytest

from analysis.findings.code_texts import parse_stack
from analysis.report.table import Column, Row, Table, render_markdown, render_terminal
from records.audit import KIND, AuditRecord
from records.harmless import make_harmless
from records.parse_json import parse_json
from records.rundir import CellDir, create_run, encode_record, read_record
from scenarios.errors import UserError
from stress.audit.ask import Ask, RequestPlan
from stress.audit.requests import render_plan
from stress.audit.save_audit import RECORD
from study.journal_folder import build_run
from study.live.panel import fit_line
from study.progress import PlainDisplay
from study.report import rebuild_reports
from tests.probe.journal_support import written

ROOT = Path(__file__).resolve().parents[2]
FORGED = "/x\nNothing blocks.\t\x1b[2J\r\x85\u2028\u202e"
SHOWN = "/x Nothing blocks. \ufffd[2J\ufffd\ufffd\ufffd\ufffd"


def test_a_text_is_one_line() -> None:
    assert make_harmless(FORGED) == SHOWN
    assert make_harmless("n\udcff") == r"n\udcff"


def test_records_are_read_harmless(tmp_path: Path) -> None:
    assert parse_json(json.dumps({FORGED: [FORGED, 1]})) == {SHOWN: [SHOWN, 1]}
    (frame,) = parse_stack(json.dumps([(FORGED, FORGED, 1, FORGED, 1)]))
    assert (frame.module, frame.file, frame.function) == (SHOWN, SHOWN, SHOWN)
    cell = CellDir(tmp_path)
    cell.save_table("asked", pl.DataFrame({"route": [FORGED, "/", None], "status": [1, 2, 3]}))
    assert cell.load_table("asked")["route"].to_list() == [SHOWN, "/", None]


def test_a_table_shows_no_line_of_another() -> None:
    rows = (Row(FORGED), Row(FORGED, ["1"]))
    table = Table((Column("name"), Column("value")), rows, FORGED, (FORGED,))
    for width in (None, 10):
        assert not [line for line in render_terminal(table, width) if line.startswith("Nothing")]
        assert all(line == make_harmless(line) for line in render_terminal(table, width))
    assert "\nNothing" not in render_markdown(table)


def test_progress_shows_no_line_of_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay()
    display.print_step(FORGED)
    display.close()
    assert capsys.readouterr().err == f"{SHOWN}\n"
    assert fit_line(FORGED) == SHOWN
    assert render_plan(RequestPlan((Ask("GET", FORGED, FORGED),)))[0].startswith(
        f"GET {SHOWN[:12]}"
    )


@pytest.mark.slow
@pytest.mark.untimed
def test_a_client_forges_no_line_of_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with written(tmp_path, 1, 10.0) as journal:
        for visit in range(1, 4):
            journal.add_request(visit, FORGED, 10.0 + visit, 10.5 + visit)
            journal.add_sample(10.0 + visit)
    assert rebuild_reports(build_run(tmp_path).path) == 0
    texts = [capsys.readouterr().out]
    texts += [each.read_text() for each in tmp_path.glob("*.*") if each.suffix != ".journal"]
    assert not [each for each in texts if "\nNothing" in each or "\\nNothing" in each]
    assert SHOWN in texts[0]


def test_a_folder_whose_name_is_not_utf8_can_be_reported(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"n\xff")
    folder.mkdir()
    with written(folder, 1, 10.0) as journal:
        journal.add("h", visit=1, arrived_s=10.0, sent_s=10.5, endpoint=f"{folder}/main.py:1 read")
        journal.add_sample(10.0)
    cell = build_run(folder).open_cell(KIND)
    assert cell.load_table("handlers")["endpoint"].to_list() == [
        f"{tmp_path}/n\\udcff/main.py:1 read"
    ]


def test_no_run_begins_in_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--out .*: its name is not UTF-8"):
        create_run(tmp_path / os.fsdecode(b"n\xff"), "audit")
    assert not list(tmp_path.iterdir())


def test_a_record_holds_names_that_are_not_utf8_as_text(tmp_path: Path) -> None:
    record = AuditRecord("", 0.0, nan, ("serve", "\udcff"), "/n\udcff", "")
    (tmp_path / "record.json").write_bytes(encode_record(RECORD, replace(record, ended_s=1.0)))
    read = read_record(RECORD, tmp_path / "record.json")
    assert (read.command, read.folder) == (("serve", r"\udcff"), r"/n\udcff")
    assert b"NaN" not in encode_record(RECORD, record)


def test_a_record_is_read_and_made_in_a_locale_that_is_not_utf8(tmp_path: Path) -> None:
    """Its texts are UTF-8 in each, and so is a folder whose name has such a letter."""
    run = tmp_path / "run ü"
    shutil.copytree(ROOT / "docs" / "sample-run", run)
    file = run / "cells" / "async-http-shared.1" / "cell.json"
    question = json.loads(file.read_text("utf-8"))["scenario"]["question"]
    file.write_text(file.read_text("utf-8").replace(question, "wie schnell: ü?"), "utf-8")
    code = (
        "import sys; from pathlib import Path; from records.rundir import create_run, open_run\n"
        "cell = open_run(Path(sys.argv[1])).open_cell('async-http-shared.1')\n"
        "assert cell.load_record().scenario.question == 'wie schnell: \\xfc?'\n"
        "assert cell.load_table('requests').height\n"
        "create_run(Path(sys.argv[1]), 'n')"
    )
    done = subprocess.run(
        (sys.executable, "-c", code, run), cwd=ROOT, capture_output=True, check=False,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
