"""The rows of an audit's load on disk, in case the audit is killed."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from records.audit import AUDIT_FILE, KIND, Phase
from records.rundir import create_run, read_record
from stress.audit import load_driver
from stress.audit.ask import Ask, RequestPlan
from stress.audit.driven import AuditLoad, Row
from stress.audit.kept_rows import ROWS_FILE, KeptRows, read_kept_rows
from stress.audit.load_driver import LoadDriver
from stress.audit.save_audit import RECORD, recover_audit, save_begun_audit
from tests.unit.audit_samples import RECORD as BEGUN

FIRST: Row = ("alone", 0, 2**63 + 1, "GET", "/a", 0.5, 0.75, 200, None, 4)
SECOND: Row = ("alone", 1, 7, "GET", "/b", 0.5, None, None, "timeout", 0)
LAST: Row = ("all routes, 20 users", 20, 8, "GET", "/b", 1.5, 2.5, 200, None, 0)
ALONE = Phase("alone", 0.0, 1.0, 1, ("GET /a",))


def test_each_row_is_written_once_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    kept, rows, phases = KeptRows(path), [FIRST], list[Phase]()
    kept.add_new(rows, phases)
    rows.append(SECOND)
    phases.append(ALONE)
    kept.add_new(rows, phases)
    kept.add_new(rows, phases)
    assert read_kept_rows(path) == ([FIRST, SECOND], (ALONE,))
    content = path.read_bytes()
    path.write_bytes(content + b'["alone", 1')
    assert read_kept_rows(path) == ([FIRST, SECOND], (ALONE,))


def test_a_full_disk_does_not_end_the_load() -> None:
    kept = KeptRows(Path("/dev/full"))
    kept.add_new([FIRST], [])
    assert kept.path is None
    kept.add_new([FIRST, SECOND], [])


def test_the_phase_of_a_killed_audit_ends_with_its_last_row(tmp_path: Path) -> None:
    cell = create_run(tmp_path, KIND).open_cell(KIND)
    cell.raw.mkdir(parents=True)
    save_begun_audit(cell, BEGUN)
    KeptRows(cell.raw / ROWS_FILE).add_new([FIRST, SECOND, LAST], [ALONE])
    assert recover_audit(cell) == "recovered"
    record = read_record(RECORD, cell.path / AUDIT_FILE)
    assert record.phases == (ALONE, Phase(LAST[0], 1.5, 2.5, 20, ("GET /b",)))
    assert record.ended_s == 2.5


def test_an_interruption_of_the_first_requests_records_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupt(*_: object) -> None:
        raise asyncio.CancelledError

    async def learn(*_: object) -> dict[tuple[str, str], str]:
        return {("GET", "/reset/s3cr3t"): "/reset/{token}"}

    monkeypatch.setattr(load_driver, "send", interrupt)
    monkeypatch.setattr(load_driver, "learn_routes", learn)
    plan = RequestPlan((Ask("GET", "/reset/s3cr3t", "/reset/s3cr3t"),))
    load = AuditLoad(0.0, 1, journals=tmp_path)
    driver = LoadDriver("http://127.0.0.1:9", plan, load, lambda _: None)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(driver.run())
    assert [each.routes for each in driver.phases] == [("GET /reset/{token}",)]
    assert [row[4] for row in driver.rows] == ["/reset/{token}"]


def test_the_load_s_own_disk_is_one_of_its_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = [0.0]

    class SlowDisk(KeptRows):
        def add_new(self, _rows: Sequence[Row], _phases: Sequence[Phase]) -> None:
            if clock_s[0]:
                raise asyncio.CancelledError
            clock_s[0] = 1.0

    monkeypatch.setattr(load_driver, "monotonic", lambda: clock_s[0])
    driver = LoadDriver("", RequestPlan(), AuditLoad(0.0), lambda _: None, kept=SlowDisk())
    driver.driven.append(Ask("GET", "/", "/"))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(driver._measure_pauses())
    assert driver.latest_beat_s == 1.0 - load_driver.BEAT_S
