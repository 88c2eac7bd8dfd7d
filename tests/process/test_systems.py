"""Every system of the source documents, run like its users run it."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from records.rundir import CellDir
from stress.machine import find_free_port
from stress.plan import Command
from stress.processes import Process
from stress.stack import is_answering
from tests.process.support import ROOT, cells, codes, only_run, study, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
UNTIMED = pytest.mark.untimed
SHORT = ("--duration", "1s", "--no-predict", "--no-report", "--port", "0")
OF_EACH_KIND = (
    "users-async-sqlalchemy", "contrast-add-def", "cpu-process", "ping-log-file", "tasks-add-pool",
    "async-file",
)  # fmt: skip
"""One scenario per app, per database, and per resource that a cell creates. The contract's tests
cover the requests of the other scenarios, and other tests cover that they exist."""
COMPILED = {
    "axum": ("contrast-add-axum", "axum-http-shared"),
    "gin": ("users-gin", "gin-http-shared"),
}
TOOLCHAIN = {"axum": "cargo", "gin": "go"}


@pytest.fixture(scope="module", autouse=True)
def nothing_of_ours_is_left() -> Iterator[None]:
    """Servers, databases and terminals end with their cells."""
    yield
    names = {"postgres", "oha", "py-spy"}
    assert [
        each for each in psutil.Process().children(recursive=True) if each.name() in names
    ] == []


def runs_without_a_failure(out: Path, *names: str) -> list[dict[str, Any]]:
    asked = ("--users", "10", "--spawn-rate", "100")
    done = study("run", *names, *SHORT, *asked, "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = cells(out)
    assert {cell["scenario"] for cell in found} == set(names)
    for cell in found:
        assert (cell["failures"], cell["unfinished"]) == (0, 0), cell
        assert cell["requests"] > 0  # type: ignore[operator]
        assert not {"COUNTS_DISAGREE", "LITTLE_MISMATCH"} & set(codes(cell)), cell["verdicts"]
    return found


@UNTIMED
def test_one_of_each_kind_runs_and_fails_nobody(tmp_path: Path) -> None:
    runs_without_a_failure(tmp_path, *OF_EACH_KIND)
    left = [path.name for path in tmp_path.rglob("*") if path.name in ("database", "file.bin")]
    assert left == []  # the cell's data is deleted
    logs = list(tmp_path.rglob("access.txt"))
    assert logs
    assert "GET /ping" in logs[0].read_text()


@UNTIMED
@pytest.mark.parametrize("kind", COMPILED)
def test_a_compiled_server_runs_in_their_place(tmp_path: Path, kind: str) -> None:
    if shutil.which(TOOLCHAIN[kind]) is None:
        pytest.skip(f"no {TOOLCHAIN[kind]} on the PATH")
    done = study(
        "run", *COMPILED[kind], *SHORT, "--users", "10", "--spawn-rate", "100", "--delay", "20ms",
        "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for cell in cells(tmp_path):
        assert (cell["failures"], cell["unfinished"]) == (0, 0), cell
        assert cell["pool_total"] is None  # it has no probe
        assert cell["threads_spawned"] >= 1  # type: ignore[operator]
        assert "COUNTS_DISAGREE" not in codes(cell)
        fates: Any = cell["fates"]
        assert fates["app_received"] is None
        if "http" in str(cell["scenario"]):  # its upstream gives each request an id
            assert fates["upstream_received"] >= cell["requests"]
            assert (fates["upstream_missing"], fates["upstream_repeated"]) == (0, 0)


@UNTIMED
def test_without_the_toolchains_the_others_still_run(tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("sh", "cksum", "find", "sort", "xargs", "tr", "uname", "cat", "dirname", "mkdir"):
        (bare / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    where = {"PATH": str(bare), "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": ""}
    out = tmp_path / "out"
    done = study(
        "run", "users-async-sync", "users-axum", "users-gin", *SHORT, "--out", str(out), env=where
    )
    if os.geteuid() == 0:  # then PostgreSQL needs setpriv
        assert done.returncode in (0, 3), done.stderr
    else:
        assert done.returncode == 0, done.stderr
    assert "left out users-axum: build.sh: no cargo on the PATH" in done.stderr
    assert "left out users-gin: build.sh: no go on the PATH" in done.stderr
    alone = study("run", "ping-axum", *SHORT, "--out", str(tmp_path / "none"), env=where)
    assert alone.returncode == 3
    assert "install Rust" in alone.stderr
    assert "Traceback" not in alone.stderr


@UNTIMED
def test_a_connection_a_request_breaks_and_a_pool_does_not(tmp_path: Path) -> None:
    """200 users need 200 of PostgreSQL's 100 connections."""
    done = study(
        "run", "tasks-per-request", "tasks-pool", "--users", "200", "--spawn-rate", "200",
        "--duration", "3s", "--no-predict", "--no-report", "--port", "0", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    broken, pooled = cells(tmp_path)
    assert broken["failures"] > 0  # type: ignore[operator]
    assert any("too many clients already" in each["error"] for each in broken["errors"])  # type: ignore[attr-defined]
    assert broken["worker_restarts"] == 0
    assert pooled["failures"] == 0
    assert pooled["ok_rps"] > broken["ok_rps"]  # type: ignore[operator]
    (contrast,) = json.loads((only_run(tmp_path) / "contrast.json").read_text())["contrasts"]
    assert [each["contender"] for each in contrast["results"]] == ["per-request", "pool"]


def test_a_slow_terminal_holds_the_loop_up(tmp_path: Path) -> None:
    done = study(
        "run", "ping-uvicorn", "ping-log-terminal", "--users", "10", "--spawn-rate", "100",
        "--duration", "3s", "--no-predict", "--no-report", "--port", "0", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plain, logged = cells(tmp_path)
    lines_a_second = 65_536 / 55  # the shortest line: INFO, address and port, the request, 200 OK
    # a window may begin with the pipe's own 64 KiB empty: a second's worth of 3
    assert logged["ok_rps"] < 4 / 3 * lines_a_second  # type: ignore[operator]
    assert plain["ok_rps"] > logged["ok_rps"]  # type: ignore[operator]
    assert logged["loop_lag_p99_ms"] > plain["loop_lag_p99_ms"]  # type: ignore[operator]
    worst = logged["blocking_sites"][0]  # type: ignore[index]
    assert worst["route"] == "/ping"
    assert worst["function"].startswith("logging")


def test_the_ramp_tells_from_where_on_it_grew_no_more(tmp_path: Path) -> None:
    done = study(
        "run", "ping-asyncio-h11", "--users", "20", "--spawn-rate", "4", "--duration", "2s",
        "--no-predict", "--no-report", "--port", "0", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    growth: Any = cell["growth"]
    assert len(growth["levels"]) == 20
    assert growth["levels"][0][1] > 0
    assert "in the ramp, one user alone got" in done.stdout


def test_an_overload_is_as_long_as_its_test_and_the_formula_says_how_long(tmp_path: Path) -> None:
    """Two threads serve exactly 20 per second, of 60 that arrive, in order."""
    done = study(
        "run", "sync-sleep", "--pool", "2", "--delay", "100ms", "--arrival-rate", "60/s",
        "--duration", "6s",
        "--no-predict", "--no-report", "--port", "0", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    loop: Any = cell["open_loop"]
    assert "OVERLOADED" in codes(cell)
    # the first two seconds' warm-up, and a service more or less at the window's edges
    assert loop["formula_median_ms"] == pytest.approx(cell["median_ms"], rel=0.1)
    assert "t (1 - served / offered)" in " ".join(done.stdout.split())


# --- other programs make the load


def test_another_engine_measures_what_it_can(tmp_path: Path) -> None:
    if shutil.which("oha") is None:
        pytest.skip("no oha on the PATH")
    done = study(
        "run", "contrast-add-async", "sync-sleep", "--engine", "oha", "--users", "10", "--delay",
        "200ms", "--duration", "4s", "--no-predict", "--port", "0", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    slept, added = cells(tmp_path)
    assert slept["ok_rps"] == pytest.approx(50, rel=0.2)  # 10 users / 200 ms, a wake-up, the edges
    # never before the sleep ends; a busy machine wakes late, but far less than a second
    assert 200 <= slept["median_ms"] < 300  # type: ignore[operator]
    assert added["failures"] == 0
    assert added["rps"] > 100  # type: ignore[operator]  # each of them wrote a row
    for cell in (slept, added):
        assert "OTHER_ENGINE" in codes(cell)
        assert cell["users_seen"] is None
    assert not list(tmp_path.rglob("*.sqlite"))
    assert (only_run(tmp_path) / "report.html").exists()


@UNTIMED
def test_failures_are_failures_with_another_engine_too(tmp_path: Path) -> None:
    """The upstream's client gives up after a millisecond: each response is a 504."""
    if shutil.which("oha") is None:
        pytest.skip("no oha on the PATH")
    done = study(
        "run", "async-http-shared", "--engine", "oha", "--users", "5", "--delay", "200ms",
        "--client-timeout", "1ms", "--duration", "1s", "--no-predict", "--no-report", "--port", "0",
        "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    assert cell["requests"] > 0  # type: ignore[operator]
    assert (cell["failure_ratio"], cell["ok_rps"]) == (1.0, 0.0)


# --- what is looked at, and whose server


@UNTIMED
def test_a_profile_is_drawn_and_linked(tmp_path: Path) -> None:
    done = study(
        "run", "users-sync", "--profile", "--duration", "2s", "--no-predict", "--port", "0",
        "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    assert "PROFILED" in codes(cell)
    directory = only_run(tmp_path)
    record = CellDir(directory / "cells" / "users-sync.1").load_record()
    assert record.profile is not None
    if record.profile.fault is not None:
        pytest.skip(f"this system lets nobody look on: {record.profile.fault}")
    picture = (directory / "cells" / "users-sync.1" / "profile.svg").read_text()
    assert "<svg" in picture
    assert "sync_users" in picture
    assert 'href="cells/users-sync.1/profile.svg"' in (directory / "report.html").read_text()


@contextmanager
def a_server_of_the_users(folder: Path) -> Iterator[int]:
    """Started like the user would, without a probe or any other part of the project."""
    from stress.databases import create_sqlite_database

    port = find_free_port(0)
    argv = (
        sys.executable, "-m", "uvicorn", "app.systems.contrast:app", "--host", "127.0.0.1",
        "--port", str(port), "--log-level", "warning",
    )  # fmt: skip
    command = Command("server", argv, ROOT, create_sqlite_database(folder).env)
    process = Process("server", folder / "own.log").start(command)
    try:
        wait_for(lambda: is_answering(port), "the user's own server")
        yield port
        assert process.get_exit_code() is None  # only the test ends it
    finally:
        process.end()


@UNTIMED
def test_servers_of_the_users_are_set_side_by_side_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with a_server_of_the_users(tmp_path) as port:
        done = study(
            "run", "contrast",
            "--target", f"plain=http://127.0.0.1:{port}/sync",
            "--target", f"loop=http://127.0.0.1:{port}/async",
            "--endpoint", "GET /echo/x", "--endpoint", 'POST /echo {"a": 1}',
            "--users", "5", "--requests", "200", "--no-predict", "--port", "0", "--out", str(out),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    content = json.loads((only_run(out) / "contrast.json").read_text())
    assert {each["subject"] for each in content["contrasts"]} == {"GET /echo/x", "POST /echo"}
    for each in content["contrasts"]:
        assert [result["contender"] for result in each["results"]] == ["plain", "loop"]
    for cell in cells(out):
        assert (cell["requests"], cell["failures"]) == (200, 0)
        assert cell["bystander"]["failures"] == 0  # type: ignore[index]
    assert (only_run(out) / "charts" / "contrast.png").stat().st_size > 1000
