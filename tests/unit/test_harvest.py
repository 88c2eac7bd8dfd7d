from math import nan
from pathlib import Path

import polars as pl
import pytest

from records.build_probe_tables import build_handlers_table, build_probe_table
from records.build_tables import build_requests_table, build_upstream_table, read_journals
from records.journal import Journal, JournalWriter, decode_journal
from records.rows import HANDLERS, PROBE, REQUESTS, SENT, UPSTREAM

T0 = 100.0


def load_journal(*rows: tuple[int, float, float], process: int = 0) -> Journal:
    """Rows of (request id, started, ended)."""
    content = bytearray()
    writer = JournalWriter(content.extend, {"r": SENT}, {"process": process})
    writer.write(
        "r",
        [
            (0, key, start, start, end, 200 if end == end else 0, None, 4)  # NaN: no end
            for key, start, end in rows
        ],
    )
    return decode_journal(bytes(content))


def test_a_request_written_twice_keeps_its_end() -> None:
    journal = load_journal((1, 101.0, nan), (2, 101.0, nan), (1, 101.0, 102.5))
    rows = build_requests_table("c", [journal], T0)
    assert rows.schema == pl.Schema(REQUESTS)
    assert rows.select("request_id", "started_s", "ended_s", "status").rows() == [
        (1, 1.0, 2.5, 200),
        (2, 1.0, None, None),
    ]


def test_processes_are_kept_apart() -> None:
    journals = [load_journal((1, 101.0, 102.0)), load_journal((9, 101.0, 102.0), process=1)]
    assert build_requests_table("c", journals, T0).select("request_id", "process").rows() == [
        (1, 0),
        (9, 1),
    ]


def test_nothing_is_an_empty_table_of_the_right_form() -> None:
    assert build_requests_table("c", [], T0).schema == pl.Schema(REQUESTS)
    assert build_handlers_table([], T0, 200.0).schema == pl.Schema(HANDLERS)
    assert build_probe_table([], T0, 200.0).schema == pl.Schema(PROBE)


def test_an_unreadable_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "probe-1-2.journal").write_bytes(b"")
    journals, lost = read_journals(list(tmp_path.iterdir()))
    assert (journals, lost) == ([], ("probe-1-2.journal",))


HEADER = "request_id,at_s,asked_ms,waited_ms,status\n"


@pytest.mark.parametrize("torn", ["", "00000000000000ff,1", "0000"])
def test_the_upstreams_log_loses_only_a_torn_line(tmp_path: Path, torn: str) -> None:
    log = tmp_path / "upstream.csv"
    log.write_text(
        HEADER
        + "00000000000000ab,101.5,1000,1000.4,200\n"
        + ",102.0,1000,1000.1,200\n"
        + "00000000000000ac,99.0,1000,1000.1,200\n"  # before t0
        + torn
    )
    rows = build_upstream_table(log, T0, 200.0)
    assert rows.schema == pl.Schema(UPSTREAM)
    assert rows.rows() == [
        (0xAB, 1.5, 1000.0, 1000.4, "200"),
        (None, 2.0, 1000.0, 1000.1, "200"),
    ]


def test_no_log_is_an_empty_table(tmp_path: Path) -> None:
    assert build_upstream_table(tmp_path / "none.csv", T0, 200.0).is_empty()
