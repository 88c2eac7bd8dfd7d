"""The rows of an audit's load on disk, in case the audit is killed."""

from pathlib import Path

from records.audit import Phase
from stress.audit.driven import Row
from stress.audit.kept_rows import KeptRows, read_kept_rows

FIRST: Row = ("alone", 0, 2**63 + 1, "GET", "/a", 0.5, 0.75, 200, None, 4)
SECOND: Row = ("alone", 1, 7, "GET", "/b", 0.5, None, None, "timeout", 0)
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
