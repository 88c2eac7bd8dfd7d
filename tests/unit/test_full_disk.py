"""A full disk while an audit saves, or during its recording."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from analysis.findings.notices import list_limits
from analysis.guide.recorded import Records
from records.audit import KIND
from records.process_ids import make_process_id
from records.rows import PROBE
from records.rundir import CellDir, RunDir, create_run
from records.server import ServerRecord, WorkerEnd
from scenarios.errors import BROKEN, UserError
from stress.audit.driven import AuditLoad
from stress.audit.requests import RequestOptions
from stress.interruption import Interruption
from study.audit import Audit, AuditOrder
from study.guide import publish_texts
from study.journal_folder import build_run
from study.progress import QuietDisplay
from tests.unit.audit_samples import PID, AuditBuilder, make_table
from tests.unit.test_journal_folder import write_shared_folder

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def test_no_part_of_a_table_is_left(tmp_path: Path) -> None:
    path = tmp_path / "probe.parquet"
    half = tmp_path / "probe.parquet.half"
    half.symlink_to(FULL)
    with pytest.raises(OSError, match="No space left"):
        CellDir(tmp_path).save_table("probe", pl.DataFrame({"at_s": [1.0]}))
    assert not path.exists()
    assert not half.is_symlink()


def test_an_audit_that_cannot_be_saved_is_one_line_and_keeps_the_journals(tmp_path: Path) -> None:
    directory = create_run(tmp_path, KIND)
    cell = directory.open_cell(KIND)
    cell.raw.mkdir(parents=True)
    journal = cell.raw / "attach-7.json"
    journal.touch()
    (cell.path / "asked.parquet.half").symlink_to(FULL)
    order = AuditOrder(
        command=None,
        url="http://127.0.0.1:1",
        port=None,
        requests=RequestOptions(),
        load=AuditLoad(0.0),
        out=tmp_path,
        recorded_command="",
    )
    with pytest.raises(UserError, match="cannot save the audit: No space left") as caught:
        Audit(order, directory, Interruption(), QuietDisplay()).keep()
    assert caught.value.exit_code == BROKEN
    assert "\n" not in str(caught.value)
    assert journal.exists()


def test_a_report_of_journals_that_cannot_be_saved_names_what_to_copy(tmp_path: Path) -> None:
    """`study report` has no --out: it writes next to the journals."""
    write_shared_folder(tmp_path)
    cell = RunDir(tmp_path).open_cell(KIND).path
    cell.mkdir(parents=True)
    (cell / "asked.parquet.half").symlink_to(FULL)
    copied = r"or copy the journals, attach-\*.json and launch.json to another folder, then"
    with pytest.raises(UserError, match=copied) as caught:
        build_run(tmp_path)
    assert caught.value.exit_code == BROKEN


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "page.md.half").symlink_to(FULL)
    with pytest.raises(UserError, match=r"page\.md: can't be written: No space left") as caught:
        publish_texts({page: "text"}, [], Records(), None)
    assert caught.value.exit_code == BROKEN


@pytest.mark.parametrize(
    ("until_s", "gone_s", "silent_s"),
    [(9.0, None, None), (4.0, None, 6.0), (4.0, 4.1, None), (4.0, 7.0, 3.0), (-1.0, None, None)],
)
def test_a_probe_that_stopped_within_the_load_is_said(
    until_s: float, gone_s: float | None, silent_s: float | None
) -> None:
    """The load ends at 10 s; a probe that wrote nothing during it belongs to an ended process."""
    evidence = AuditBuilder().build()
    ends = () if gone_s is None else (WorkerEnd(PID, gone_s),)
    rows = [{"pid": PID, "at_s": at_s, "heartbeat_age_s": 0.0} for at_s in (-2.0, until_s)]
    evidence = replace(
        evidence,
        samples=make_table(rows, PROBE),
        record=replace(evidence.record, server=ServerRecord(ends=ends)),
    )
    said = [each for each in list_limits(evidence) if each.code == "RECORDING_STOPPED"]
    assert [each.seconds for each in said] == ([] if silent_s is None else [silent_s])
    broken = replace(evidence.record.processes[0], stopped="KeyError in waits.py:7")
    record = replace(evidence.record, processes=(broken,))
    for notice in list_limits(replace(evidence, record=record)):
        if notice.code == "RECORDING_STOPPED":
            assert notice.message.endswith("The probe failed: KeyError in waits.py:7.")


@pytest.mark.parametrize(("again_s", "silent_s"), [(4.8, None), (7.0, 3.0)])
def test_a_process_that_replaces_itself_has_lost_no_probe(
    again_s: float, silent_s: float | None
) -> None:
    """It keeps its pid. Only the time of a long start is said: nothing is recorded in it."""
    spans = {PID: (0.0, 4.0), make_process_id(PID, 1): (again_s, 9.0)}
    rows = [
        {"pid": pid, "at_s": at_s, "heartbeat_age_s": 0.0}
        for pid, span in spans.items()
        for at_s in span
    ]
    evidence = replace(AuditBuilder().build(), samples=make_table(rows, PROBE))
    said = [each for each in list_limits(evidence) if each.code == "RECORDING_STOPPED"]
    assert [each.seconds for each in said] == ([] if silent_s is None else [silent_s])
    assert all("after os.execv" in each.message for each in said)
