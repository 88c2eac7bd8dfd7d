"""The command line for oha, and the reading of its output."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from analysis.summary.cell import compute_summary
from records.rows import REQUESTS, conform_to_schema
from records.rundir import CellDir
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Load, Scenario
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from stress.load.oha import (
    MEASURED,
    ROWS_FILE,
    WARMING,
    OhaPhaseRunner,
    build_oha_command,
    read_oha_errors,
    read_oha_rows,
)
from stress.runtime import CellRun
from tests.unit.samples import healthy, record, tables

POST = select_scenarios(("contrast-add-axum",))[0]
URL = "http://127.0.0.1:1"


def by(engine: str, scenario: Scenario = POST, **load: object) -> Scenario:
    return replace(scenario, load=replace(scenario.load, engine=engine, **load))  # type: ignore[arg-type]


def ask_oha(scenario: Scenario, folder: Path, phase: str) -> tuple[str, ...]:
    return build_oha_command(scenario, URL, folder, phase, 4.0).argv


def test_oha_is_asked_for_what_locust_does(tmp_path: Path) -> None:
    argv = ask_oha(by("oha", users=7, keep_alive=False), tmp_path, MEASURED)
    pairs = dict(pairwise(argv))
    assert (pairs["-c"], pairs["-z"], pairs["-m"]) == ("7", "4s", "POST")
    assert (pairs["-d"], pairs["-T"]) == (POST.endpoint.body, "application/json")
    assert (pairs["--redirect"], pairs["--worker-threads"]) == ("0", "1")
    assert "--disable-keepalive" in argv
    assert argv[-1] == URL + POST.endpoint.path
    assert "--disable-keepalive" not in ask_oha(by("oha"), tmp_path, MEASURED)


def test_the_warm_up_leaves_no_rows(tmp_path: Path) -> None:
    assert "--db-url" in ask_oha(by("oha"), tmp_path, MEASURED)
    assert "--db-url" not in ask_oha(by("oha"), tmp_path, WARMING)


def oha_file(path: Path, *rows: tuple[float, float, int, int]) -> Path:
    """With oha 1.16's table."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE oha (url TEXT, start REAL, start_latency_correction REAL, "
            '"end" REAL, duration REAL, status INTEGER, len_bytes INTEGER, run INTEGER)'
        )
        connection.executemany("INSERT INTO oha VALUES ('/', ?, NULL, ?, 0, ?, ?, 1)", rows)
    return path


def test_rows_of_oha_count_from_t0_and_know_no_user(tmp_path: Path) -> None:
    shown = oha_file(tmp_path / "x", (0.5, 0.75, 200, 10), (0.25, 1.0, 503, 4), (0.0, 0.1, 302, 0))
    rows = read_oha_rows(shown, "c", 2.0)
    assert rows.schema == REQUESTS
    assert rows["started_s"].to_list() == [2.0, 2.25, 2.5]
    assert rows["ended_s"].to_list() == [2.1, 3.0, 2.75]
    assert rows["error"].to_list() == ["HTTP 302", "HTTP 503", None]
    assert rows["user"].null_count() == rows["request_id"].null_count() == 3
    assert rows["intended_s"].null_count() == 3


def test_an_oha_that_wrote_nothing_is_no_row(tmp_path: Path) -> None:
    assert read_oha_rows(tmp_path / "none", "c", 0.0).is_empty()
    assert read_oha_rows(oha_file(tmp_path / "empty"), "c", 0.0).is_empty()
    assert read_oha_errors(tmp_path) == {}
    # killed: oha makes its files at its start
    (tmp_path / "made").touch()
    (tmp_path / "window-oha.json").touch()
    assert read_oha_rows(tmp_path / "made", "c", 0.0).schema == REQUESTS
    assert read_oha_errors(tmp_path) == {}


def test_damaged_rows_of_oha_are_no_missing_ones(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(UserError, match="damaged: "):
        read_oha_rows(tmp_path / "damaged", "c", 0.0)


def test_a_body_of_many_gigabytes_has_its_size(tmp_path: Path) -> None:
    large = oha_file(tmp_path / "x", (0.5, 0.75, 200, 9_000_000_000))
    assert read_oha_rows(large, "c", 0.0)["bytes"].to_list() == [9_000_000_000]


def test_what_got_no_answer_at_oha_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "window-oha.json").write_text(
        json.dumps({"errorDistribution": {"connection refused": 3}})
    )
    faults = read_oha_errors(tmp_path)
    base = compute_summary(record(), tables(healthy()))
    found = compute_summary(replace(record(), faults=faults), tables(healthy()))
    assert (found.requests, found.failures) == (base.requests + 3, base.failures + 3)
    assert found.ok_rps == base.ok_rps
    assert found.success_ratio == pytest.approx(1 - found.failures / found.requests)
    assert found.errors[0].error == "connection refused"


def test_a_cell_of_oha_asks_nobody_who_cannot_know() -> None:
    """No ids, no users: no Little's law, no request accounting, and no verdict from that."""
    rows = tables(healthy())
    shown = rows.requests.drop("user", "request_id", "intended_s")
    blind = replace(rows, requests=conform_to_schema(shown, REQUESTS))
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
        (Overrides(engine="oha", arrival_rate=10.0), "--arrival-rate: only Locust supports it"),
        (Overrides(engine="oha", think_s=1.0), "--think-time: only Locust supports it"),
        (Overrides(engine="oha", requests=5), "--requests: only Locust supports it"),
        (Overrides(engine="oha", users=1, load_processes=2), "oha needs at least as many --users"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(overrides: Overrides, said: str) -> None:
    with pytest.raises(UserError, match=said):
        apply_overrides((POST,), overrides)


def test_an_engine_takes_the_time_where_the_scenario_counts() -> None:
    (scenario,) = apply_overrides((POST,), Overrides(engine="oha"))
    assert (scenario.load.requests, scenario.load.engine) == (None, "oha")


@pytest.mark.parametrize(("sizes", "ends"), [((5, 9, 9), False), ((5, 9, 12), True), ((0,), False)])
def test_oha_may_store_its_rows_as_long_as_they_grow(
    sizes: tuple[int, ...], ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sizes: of its file after each wait in which it has not ended."""
    left = list(sizes)

    def wait(*_: object) -> bool:
        if left:
            (runner.cell.directory.raw / f"{MEASURED}-{ROWS_FILE}").write_bytes(bytes(left.pop(0)))
            return False
        return True

    runner = object.__new__(OhaPhaseRunner)
    runner.cell = CellRun(POST, 1, CellDir(tmp_path))
    runner.cell.directory.raw.mkdir()
    monkeypatch.setattr(OhaPhaseRunner, "_wait_until", wait)
    assert runner._await_end() is ends
