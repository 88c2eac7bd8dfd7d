"""A whole run with small numbers, end to end."""

import csv
import json
from pathlib import Path

import polars as pl
import pytest

from records.rows import HANDLERS, PROBE, REQUESTS
from tests.process.support import SMALL, cells, codes, only_run, study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
USERS, DELAY_MS = 20, 50.0
TABLE_ONLY = ("--no-predict", "--no-report")
CEILING_RPS = USERS / 0.050


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of four cells that most tests here use."""
    out = tmp_path_factory.mktemp("fair")
    names = ("sync-http-shared", "async-http-shared", "async-http-offload", "sync-sleep")
    done = study("run", *names, *SMALL, "--port", "0", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    (out / "stdout.txt").write_text(done.stdout)
    return out


def test_each_cell_keeps_its_promise(fair: Path) -> None:
    for cell in cells(fair):
        assert cell["failures"] == cell["unfinished"] == 0
        rps, median_ms = cell["ok_rps"], cell["median_ms"]
        assert isinstance(rps, float)
        assert isinstance(median_ms, float)
        # At 50 ms some ms of work count: half the ceiling is what a busy machine still does, and
        # nothing can be above it but for the rows at the window's edges (one a user).
        assert CEILING_RPS / 2 < rps <= CEILING_RPS + USERS / 2
        assert DELAY_MS <= median_ms < 2 * DELAY_MS


def test_fates_add_up(fair: Path) -> None:
    for cell in cells(fair):
        fates = cell["fates"]
        assert isinstance(fates, dict)
        assert fates["sent"] == fates["completed"] == fates["app_received"] > 0
        if fates["upstream_received"] is not None:
            assert fates["upstream_received"] == fates["sent"]
        assert "COUNTS_DISAGREE" not in codes(cell)


def test_threads_are_those_of_the_style(fair: Path) -> None:
    by_name = {cell["scenario"]: cell for cell in cells(fair)}
    pooled, loop = by_name["sync-http-shared"], by_name["async-http-shared"]
    assert pooled["threads_spawned"] == USERS + 1
    assert pooled["threads_unique"] == USERS
    assert pooled["pool_total"] == USERS
    assert loop["threads_spawned"] == loop["threads_unique"] == loop["threads_active_peak"] == 1
    assert by_name["async-http-offload"]["threads_spawned"] == USERS + 1
    assert by_name["async-http-offload"]["threads_unique"] == 1


def test_littles_law_holds(fair: Path) -> None:
    for cell in cells(fair):
        rps, mean_ms = cell["ok_rps"], cell["mean_ms"]
        assert isinstance(rps, float)
        assert isinstance(mean_ms, float)
        # a window of 2 s holds 40 delays: completions at its edges are 1 in 40
        assert rps * mean_ms / 1000 == pytest.approx(USERS, rel=0.05)


def test_the_bystander_pings_once_a_second(fair: Path) -> None:
    for cell in cells(fair):
        bystander = cell["bystander"]
        assert isinstance(bystander, dict)
        assert bystander["failures"] == 0
        assert bystander["pings"] in (1, 2, 3)


def test_the_files_have_the_columns_of_the_design(fair: Path) -> None:
    cell = only_run(fair) / "cells" / "sync-http-shared.1"
    for name, schema in (("requests", REQUESTS), ("handlers", HANDLERS), ("probe", PROBE)):
        assert dict(pl.read_parquet_schema(cell / f"{name}.parquet")) == schema
    assert (cell / "raw" / "server.log").is_file()
    assert list((cell / "raw" / "journals").glob("probe-*.journal"))
    manifest = json.loads((only_run(fair) / "manifest.json").read_text())
    assert manifest["environment"]["packages"]["fastapi"]
    assert manifest["scenarios"][0]["server"]["loop"] == "uvloop"  # auto is resolved


def test_the_manifest_names_no_place_and_no_secret(fair: Path) -> None:
    manifest = json.loads((only_run(fair) / "manifest.json").read_text())
    del manifest["command"]  # what the user typed, `--out` and all
    assert str(Path.home()) not in json.dumps(manifest)
    record = (only_run(fair) / "cells" / "sync-http-shared.1" / "cell.json").read_text()
    assert str(Path(__file__).parents[2]) not in record


def test_every_request_is_recorded_once_and_on_time(fair: Path) -> None:
    rows = pl.read_parquet(only_run(fair) / "cells" / "async-http-shared.1" / "requests.parquet")
    assert rows["request_id"].n_unique() == rows.height
    assert rows["user"].n_unique() == USERS
    assert (rows["started_s"] >= rows["intended_s"]).all()
    first = rows.group_by("user").agg(pl.col("started_s").min()).sort("started_s")["started_s"]
    gaps = first.diff().drop_nulls()
    # even spacing of 20 ms; a greenlet wakes late by some ms on a busy machine, never early
    assert gaps.median() == pytest.approx(0.020, abs=0.010)


def test_the_table_is_eighty_columns_and_says_what_the_summary_says(fair: Path) -> None:
    lines = (fair / "stdout.txt").read_text().splitlines()
    table = lines[: 2 + len(cells(fair))]
    assert max(map(len, table)) <= 80
    for line, cell in zip(table[2:], cells(fair), strict=True):
        assert line.split()[0] == cell["scenario"]
        assert float(line.split()[1].replace(",", "")) == pytest.approx(cell["ok_rps"], abs=0.051)


def test_the_csv_has_a_line_a_cell(fair: Path) -> None:
    with (only_run(fair) / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["scenario"] for row in rows] == [cell["scenario"] for cell in cells(fair)]
    assert rows[0]["predicted"] == ""


@pytest.mark.untimed
def test_uvicorn_two_workers_the_python_upstream_and_two_load_processes(tmp_path: Path) -> None:
    done = study(
        "run", "async-http-shared", *SMALL, "--server", "uvicorn", "--workers", "2",
        "--upstream", "python", "--load-processes", "2", "--client", "aiohttp",
        "--loop", "asyncio", "--http", "h11", "--port", "0", "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["scenario"] == "async-http-shared-aiohttp"
    assert cell["failures"] == cell["unfinished"] == 0
    assert cell["fates"]["sent"] == cell["fates"]["app_received"] == cell["fates"]["completed"]
    # each request went to one of two workers; both had some of the 20 connections, unless the
    # kernel gave all to one, which for 20 is not seen
    assert cell["threads_unique"] in (1, 2)
    # in each worker the loop's thread, and the one in which uvicorn answers its own health ping
    assert cell["threads_spawned"] == 4
    assert cell["pool_total"] == 2 * USERS
    rows = pl.read_parquet(
        only_run(tmp_path) / "cells" / "async-http-shared-aiohttp.1" / "requests.parquet"
    )
    assert set(rows["process"]) == {0, 1}
    assert rows["request_id"].n_unique() == rows.height


@pytest.mark.untimed
def test_http_user_for_a_like_for_like_run(tmp_path: Path) -> None:
    done = study(
        "run", "async-sleep", *SMALL, "--user-class", "requests", "--think-time", "20ms",
        "--port", "0", "--out", str(tmp_path), "--quiet", "--trials", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [cell["trial"] for cell in cells(tmp_path)] == [1, 2]
    assert "async-sleep #2" in done.stdout
    cell = cells(tmp_path)[0]
    assert cell["failures"] == 0
    # 50 ms of sleep and 20 ms of think time: 20 users make at most 286 rps
    assert 100 < float(str(cell["ok_rps"])) < 300
    assert "async-sleep" in done.stdout


@pytest.mark.untimed
def test_two_workers_that_are_killed_together_make_one_cycle(tmp_path: Path) -> None:
    done = study(
        "run", "async-http-sync", "--users", "20", "--delay", "500ms", "--worker-timeout", "2",
        "--workers", "2", *TABLE_ONLY, "--port", "0", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (cell,) = cells(tmp_path)
    cycles = cell["cycles"]
    assert isinstance(cycles, list)
    assert len(cycles) >= 2
    assert all(cycle["end_s"] - cycle["start_s"] > 1.5 for cycle in cycles)


def test_a_worker_killed_in_cycles_is_counted_per_cycle(tmp_path: Path) -> None:
    """20 users × 300 ms block the loop for 6 s; gunicorn's worker timeout is 2 s."""
    done = study(
        "run", "async-http-sync", "--users", "20", "--delay", "300ms", "--worker-timeout", "2",
        *TABLE_ONLY, "--port", "0", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (cell,) = cells(tmp_path)
    assert codes(cell)[0] == "WORKER_DEATHS"
    cycles = cell["cycles"]
    assert isinstance(cycles, list)
    assert len(cycles) == 3
    assert cell["worker_restarts"] >= 4  # type: ignore[operator]
    # each kill resets every connection: all users except those between two requests
    assert all(USERS - 2 <= cycle["failures"] <= USERS for cycle in cycles)
    assert cell["failures"] == sum(cycle["failures"] for cycle in cycles)
    assert "COUNTS_DISAGREE" not in codes(cell)
    assert "gunicorn killed " in done.stdout
