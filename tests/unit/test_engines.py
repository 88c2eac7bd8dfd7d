"""What oha and wrk are asked, and what is made of their answers."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.summary.aggregate_only import add_faults, add_totals
from analysis.summary.cell import compute_summary
from records.cell import LoadTotals
from records.rows import REQUESTS, conform_to_schema
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Load, Scenario
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from stress.engines import (
    MEASURED,
    WARMING,
    build_engine_command,
    build_oha_argv,
    build_wrk_argv,
    quote_lua_string,
    read_oha_errors,
    read_oha_rows,
    read_wrk_totals,
    undo_wrk_correction,
)
from tests.unit.samples import healthy, record, tables

POST = select_scenarios(("contrast-add-axum",))[0]
URL = "http://127.0.0.1:1/x"


def by(engine: str, scenario: Scenario = POST, **load: object) -> Scenario:
    return replace(scenario, load=replace(scenario.load, engine=engine, **load))  # type: ignore[arg-type]


def test_oha_is_asked_for_what_locust_does(tmp_path: Path) -> None:
    argv = build_oha_argv(by("oha", users=7, keep_alive=False), URL, tmp_path, MEASURED, 4.0)
    pairs = dict(pairwise(argv))
    assert (pairs["-c"], pairs["-z"], pairs["-m"]) == ("7", "4s", "POST")
    assert (pairs["-d"], pairs["-T"]) == (POST.endpoint.body, "application/json")
    assert (pairs["--redirect"], pairs["--worker-threads"]) == ("0", "1")
    assert "--disable-keepalive" in argv
    assert argv[-1] == URL
    assert "--disable-keepalive" not in build_oha_argv(by("oha"), URL, tmp_path, MEASURED, 4.0)


def test_the_warm_up_leaves_no_rows(tmp_path: Path) -> None:
    assert "--db-url" in build_oha_argv(by("oha"), URL, tmp_path, MEASURED, 1.0)
    assert "--db-url" not in build_oha_argv(by("oha"), URL, tmp_path, WARMING, 1.0)


def test_wrk_gets_a_script_that_says_the_same(tmp_path: Path) -> None:
    argv = build_wrk_argv(by("wrk", users=7, keep_alive=False), URL, tmp_path, MEASURED, 4.4)
    pairs = dict(pairwise(argv))
    assert (pairs["-c"], pairs["-d"], pairs["-t"]) == ("7", "4s", "1")
    script = Path(pairs["-s"]).read_text()
    assert 'wrk.method = "POST"' in script
    assert '["connection"] = "close"' in script
    assert '["content-type"] = "application/json"' in script


def test_the_command_goes_to_the_endpoint(tmp_path: Path) -> None:
    command = build_engine_command(by("oha"), "http://127.0.0.1:9", tmp_path, MEASURED, 1.0)
    assert command.argv[-1] == "http://127.0.0.1:9" + POST.endpoint.path
    assert command.role == "load"


@given(st.text(max_size=30))
def test_every_text_is_one_lua_string_of_plain_characters(text: str) -> None:
    quoted = quote_lua_string(text)
    inside = quoted[1:-1]
    assert quoted[0] == quoted[-1] == '"'
    assert all(32 <= ord(character) < 127 for character in inside)
    read, at = bytearray(), 0
    while at < len(inside):  # as Lua's manual has it, section 3.1: \ddd is a byte
        if inside[at] == "\\":
            read.append(int(inside[at + 1 : at + 4]))
            at += 4
        else:
            assert inside[at] != '"'
            read.append(ord(inside[at]))
            at += 1
    assert bytes(read) == text.encode()


def oha_file(path: Path, *rows: tuple[float, float, int, int]) -> Path:
    """With the table that oha 1.16 makes."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE oha (url TEXT, start REAL, start_latency_correction REAL, "
            '"end" REAL, duration REAL, status INTEGER, len_bytes INTEGER, run INTEGER)'
        )
        connection.executemany("INSERT INTO oha VALUES ('/', ?, NULL, ?, 0, ?, ?, 1)", rows)
    return path


def test_rows_of_oha_count_from_t0_and_know_no_user(tmp_path: Path) -> None:
    told = oha_file(tmp_path / "x", (0.5, 0.75, 200, 10), (0.25, 1.0, 503, 4), (0.0, 0.1, 302, 0))
    rows = read_oha_rows(told, "c", 2.0)
    assert rows.schema == REQUESTS
    assert rows["started_s"].to_list() == [2.0, 2.25, 2.5]
    assert rows["ended_s"].to_list() == [2.1, 3.0, 2.75]
    assert rows["error"].to_list() == ["HTTP 302", "HTTP 503", None]
    assert rows["user"].null_count() == rows["request_id"].null_count() == 3
    assert rows["intended_s"].null_count() == 3


def test_an_oha_that_wrote_nothing_is_no_row(tmp_path: Path) -> None:
    assert read_oha_rows(tmp_path / "none", "c", 0.0).is_empty()
    assert read_oha_rows(oha_file(tmp_path / "empty"), "c", 0.0).is_empty()
    assert read_oha_errors(tmp_path / "none") == {}
    assert read_wrk_totals(tmp_path / "none", 1) is None


def test_what_got_no_answer_at_oha_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(json.dumps({"errorDistribution": {"connection refused": 3}}))
    faults = read_oha_errors(tmp_path / "t")
    base = compute_summary(record(), tables(healthy()))
    found = add_faults(base, faults)
    assert (found.requests, found.failures) == (base.requests + 3, base.failures + 3)
    assert found.ok_rps == base.ok_rps
    assert found.success_ratio == pytest.approx(1 - found.failures / found.requests)
    assert found.errors[0].error == "connection refused"


TOTALS = LoadTotals(
    completed=100, failed_statuses=10, lasting_s=2.0,
    faults={"connect": 0, "read": 5, "write": 0, "timeout": 5},
    latencies_us=((1000, 50), (3000, 50)),
)  # fmt: skip


def test_totals_of_wrk_become_a_summary(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(
        '{"requests": 100, "lasting_us": 2000000, "connect": 0, "read": 5, "write": 0, '
        '"timeout": 5, "status": 10, "latencies_us": [[1000, 50], [3000, 50]]}'
    )
    assert read_wrk_totals(tmp_path / "t", 2) == TOTALS
    found = add_totals(compute_summary(record(), tables([])), TOTALS)
    assert (found.requests, found.failures) == (110, 20)
    assert (found.rps, found.ok_rps) == (55.0, 45.0)
    assert (found.mean_ms, found.min_ms, found.max_ms, found.p99_ms) == (2.0, 1.0, 3.0, 3.0)
    assert {(each.error, each.count) for each in found.errors} == {
        ("wrk: status", 10), ("wrk: read", 5), ("wrk: timeout", 5),
    }  # fmt: skip


def with_what_wrk_adds(measured: dict[int, int], interval_us: int) -> dict[int, int]:
    """wrk's `stats_correct`, from what its manual page on coordinated omission says it does."""
    told = dict(measured)
    for value in range(2 * interval_us, max(measured) + 1):
        shorter = value - interval_us
        while shorter > interval_us:
            told[shorter] = told.get(shorter, 0) + told.get(value, 0)
            shorter -= interval_us
    return {value: count for value, count in told.items() if count}


@given(
    measured=st.dictionaries(st.integers(1, 400), st.integers(1, 9), min_size=1, max_size=12),
    users=st.integers(1, 5),
    lasting_us=st.integers(1, 4000),
)
def test_what_wrk_added_is_taken_away_again(
    measured: dict[int, int], users: int, lasting_us: int
) -> None:
    completed = sum(measured.values())
    turns = completed // users
    told = with_what_wrk_adds(measured, lasting_us // turns) if turns and lasting_us // turns else (
        measured
    )  # fmt: skip
    found = undo_wrk_correction(sorted(told.items()), completed, lasting_us, users)
    assert dict(found) == measured


def test_a_histogram_of_another_number_of_requests_is_not_believed() -> None:
    assert undo_wrk_correction([(5, 3)], 4, 1_000_000, 1) == ()


def test_no_answer_at_all_is_no_division_by_zero() -> None:
    none = replace(TOTALS, completed=0, failed_statuses=0, latencies_us=(), faults={})
    found = add_totals(compute_summary(record(), tables([])), none)
    assert (found.requests, found.median_ms, found.failure_ratio) == (0, None, None)


def test_a_cell_of_oha_asks_nobody_who_cannot_know() -> None:
    """No ids, no users: no Little's law, no fates, and no verdict from their absence."""
    rows = tables(healthy())
    told = rows.requests.drop("user", "request_id", "intended_s")
    blind = replace(rows, requests=conform_to_schema(told, REQUESTS))
    load = Load(users=2, duration_s=10.0, engine="oha")
    whole = record()
    found = compute_summary(replace(whole, scenario=replace(whole.scenario, load=load)), blind)
    assert found.ok_rps is not None
    assert (found.users_seen, found.users_longest_wait_median_ms) == (None, None)
    assert (found.fates.app_received, found.fates.upstream_received) == (None, None)
    assert [each.code for each in found.verdicts] == ["OTHER_ENGINE"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (Overrides(engine="oha", arrival_rate=10.0), "--arrival-rate: only Locust can"),
        (Overrides(engine="wrk", think_s=1.0), "--think-time: only Locust can"),
        (Overrides(engine="wrk", requests=5), "--requests: only Locust can"),
        (Overrides(engine="wrk", users=1, load_processes=2), "wrk needs as many --users"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(overrides: Overrides, said: str) -> None:
    with pytest.raises(UserError, match=said):
        apply_overrides((POST,), overrides)


def test_an_engine_takes_the_time_where_the_scenario_counts() -> None:
    (scenario,) = apply_overrides((POST,), Overrides(engine="oha"))
    assert (scenario.load.requests, scenario.load.engine) == (None, "oha")
