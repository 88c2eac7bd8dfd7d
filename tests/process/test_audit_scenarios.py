"""`study audit` of the project's app finds what its scenarios describe: which requests wait for a
thread, which calls hold the threads, and which requests do not wait."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from scenarios.model import Database
from stress.interruption import Interruption
from stress.machine import find_free_port
from stress.stack import Stack
from stress.start_stack import start_database
from tests.corpus.matching import Report, parse_findings
from tests.process.support import ROOT, only_run, run_here

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(170)]
WAITS = ("POOL_WAIT", "EXECUTOR_WAIT")


def audit(out: Path, users: int, routes: Sequence[str], app: str = "app.main:app") -> list[Report]:
    """Calls GET routes of the project's app, slowed down by APP_DELAY_MS, on asyncio's own loop:
    uvloop resolves names outside the executor."""
    asked = [word for route in routes for word in ("--request", f"GET {route}")]
    options = ("--users", str(users), "--duration", "3s", "--out", str(out))
    server = ("uvicorn", app, "--port", str(find_free_port(0)), "--loop", "asyncio")
    done = run_here(("audit", *asked, *options, "--", sys.executable, "-m", *server), ROOT)
    assert done.returncode == 0, done.stderr
    return parse_findings(json.loads((only_run(out) / "findings.json").read_text()))


def find_waits(reports: Sequence[Report]) -> Mapping[tuple[str, str | None, str | None], set[str]]:
    """By code, route and stage: the routes that hold the most threads at that time."""
    found: dict[tuple[str, str | None, str | None], set[str]] = {}
    for each in reports:
        if each.code in WAITS:
            worst = {str(holder.route) for holder in each.holders[:1]}
            found.setdefault((each.code, each.route, each.phase), set()).update(worst)
    return found


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APP_DELAY_MS", "500")
    return tmp_path / "out"


def test_full_pool_a_def_health_and_a_def_dependency_wait_behind_the_endpoint_that_sleeps(
    out: Path,
) -> None:
    routes = ("/sync/sleep", "/sync/health", "/guarded/sync", "/health", "/guarded")
    found = find_waits(audit(out, 100, routes))
    assert found == {
        ("POOL_WAIT", "/sync/sleep", "endpoint"): {"/sync/sleep"},
        ("POOL_WAIT", "/sync/health", "endpoint"): {"/sync/sleep"},
        ("POOL_WAIT", "/guarded/sync", "dependency"): {"/sync/sleep"},
    }


def test_executor_a_file_and_a_name_wait_behind_to_thread_and_the_loop_is_free(
    out: Path,
) -> None:
    routes = ("/async/sleep/to-thread", "/async/json", "/async/resolve", "/ping")
    reports = audit(out, 50, routes)
    found = find_waits(reports)
    assert {(code, route) for code, route, _ in found} == {
        ("EXECUTOR_WAIT", "/async/sleep/to-thread"),
        ("EXECUTOR_WAIT", "/async/json"),
        ("EXECUTOR_WAIT", "/async/resolve"),
    }
    assert set().union(*found.values()) == {"/async/sleep/to-thread"}


def test_background_def_tasks_begin_faster_than_they_end_and_a_def_endpoint_waits(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_DELAY_MS", "200")
    reports = audit(out, 50, ("/background/sync", "/background/async", "/sync/ping"))
    backlogs = {each.route for each in reports if each.code == "BACKGROUND_BACKLOG"}
    assert backlogs == {"/background/sync"}
    found = find_waits(reports)
    assert found["POOL_WAIT", "/sync/ping", "endpoint"] == {"/background/sync"}
    assert not any(route == "/background/async" for _, route, _ in found)


def test_background_a_task_that_blocks_blocks_the_loop_after_the_answer(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_DELAY_MS", "200")
    reports = audit(out, 10, ("/background/async/sync", "/ping"))
    (found,) = [each for each in reports if each.code == "LOOP_BLOCKED" and each.cause == "wait"]
    assert (found.route, found.phase) == ("/background/async/sync", "background")
    assert not find_waits(reports)


def test_stream_each_piece_of_a_def_generator_asks_for_a_thread(out: Path) -> None:
    """Twenty users share 40 threads: offloading has a cost, but no request waits for a thread."""
    reports = audit(out, 20, ("/stream/sync", "/stream/async"))
    assert not find_waits(reports)
    assert "THREADS_PINNED" not in {each.code for each in reports}


def test_tasks_per_request_each_request_connects_to_the_database(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out.parent / "journals").mkdir()
    own = Stack(0, out.parent, None)
    own.database = start_database(own, Database("postgresql", life="per-request"), Interruption())
    try:
        for name, value in own.database.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("APP_DATABASE_LIFE", "per-request")
        reports = audit(out, 10, ("/tasks", "/ping"), "app.systems.tasks:app")
    finally:
        own.close()
    (found,) = [each for each in reports if each.code == "CLIENT_PER_REQUEST"]
    assert (found.route, found.phase, found.cause) == ("/tasks", "dependency", "connection")
    assert (found.file, found.function) == ("app/systems/tasks.py", "open_connection")
    assert found.call == "psycopg.AsyncConnection.connect"
