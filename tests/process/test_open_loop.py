"""Open loop against real servers: nothing throttles it, and it measures a server's whole stall."""

import os
import signal
from pathlib import Path
from time import sleep

import polars as pl
import pytest

from tests.process.support import cells, codes, only_run, running, study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
STALL_S = 0.5
OPEN = (
    "--arrival-rate",
    "200/s",
    "--delay",
    "10ms",
    "--duration",
    "4s",
    "--no-predict",
    "--no-report",
)
CLOSED = ("--users", "2", "--think-time", "10ms", "--delay", "10ms", "--duration", "4s",
          "--no-predict", "--no-report")  # fmt: skip


def stalled(out: Path, *arguments: str) -> dict[str, object]:
    """A cell whose worker is stopped for half a second in the middle of the window."""
    with running(out, "run", "async-sleep", *arguments, "--out", str(out), "--port", "0") as run:
        run.wait_for_phase("window")
        worker = max(
            (each for each in run.family() if "gunicorn" in " ".join(each.cmdline())),
            key=lambda each: each.create_time(),
        )
        os.kill(worker.pid, signal.SIGSTOP)
        sleep(STALL_S)  # the planted fault itself, not a wait for a condition
        os.kill(worker.pid, signal.SIGCONT)
        assert run.finish() == 0, run.text()
    (cell,) = cells(out)
    return cell


def milliseconds(cell: dict[str, object], key: str) -> float:
    value = cell[key]
    assert isinstance(value, float)
    return value


def test_a_stall_is_in_the_open_loops_p99_and_hidden_from_the_closed_ones(tmp_path: Path) -> None:
    """Coordinated omission: two waiting users send no request, and so measure no stall."""
    opened = stalled(tmp_path / "open", *OPEN)
    closed = stalled(tmp_path / "closed", *CLOSED)
    # an eighth of the requests was due in the stall; the last of the worst 1 % of all came in its
    # first 40 ms, and waited the rest of it
    assert milliseconds(opened, "p99_ms") >= 0.9 * 1000 * STALL_S
    assert milliseconds(closed, "p99_ms") < 0.5 * 1000 * STALL_S  # two of about 350 were affected
    assert milliseconds(closed, "max_ms") >= 0.9 * 1000 * STALL_S
    loop = opened["open_loop"]
    assert isinstance(loop, dict)
    assert loop["offered_rps"] == pytest.approx(200, rel=0.02)  # edges of the window


def test_nothing_limits_how_many_are_under_way(tmp_path: Path) -> None:
    """400 per second, one second each, a pool of 10: hundreds wait, and all are sent on time."""
    done = study(
        "run", "sync-sleep", "--arrival-rate", "400/s", "--delay", "1s", "--pool", "10",
        "--duration", "3s", "--no-predict", "--no-report", "--out", str(tmp_path), "--port", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    assert "OVERLOADED" in codes(cell)
    assert "(" in done.stdout  # its percentiles stand in brackets
    requests = pl.read_parquet(only_run(tmp_path) / "cells" / "sync-sleep.1" / "requests.parquet")
    lateness = (requests["started_s"] - requests["intended_s"]).max()
    assert isinstance(lateness, float)
    assert lateness < 1.0  # a hidden limit of ten would delay the last one for minutes
    spacing = requests["intended_s"].diff().drop_nulls()
    assert spacing.max() == pytest.approx(1 / 400, abs=1e-6)  # float rounding
    under_way = requests.height - requests.filter(pl.col("ended_s").is_not_null()).height
    assert under_way > 1000


@pytest.mark.untimed
def test_two_load_processes_send_at_even_distances(tmp_path: Path) -> None:
    """The processes take turns: both halves of the schedule start at the same time."""
    done = study(
        "run", "async-sleep", "--arrival-rate", "100/s", "--delay", "10ms", "--duration", "3s",
        "--load-processes", "2", "--no-predict", "--no-report", "--out", str(tmp_path),
        "--port", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    assert cell["users"] is None
    assert "COUNTS_DISAGREE" not in codes(cell)
    loop = cell["open_loop"]
    assert isinstance(loop, dict)
    assert loop["offered_rps"] == pytest.approx(100, rel=0.02)  # edges of the window
    requests = pl.read_parquet(only_run(tmp_path) / "cells" / "async-sleep.1" / "requests.parquet")
    due = requests.sort("intended_s")
    assert due["process"].n_unique() == 2
    assert due["process"].diff().drop_nulls().abs().to_list() == [1] * (due.height - 1)  # in turns
    gaps = due["intended_s"].diff().drop_nulls()
    # float rounding: on one machine both start at the same time of the same clock
    assert gaps.to_list() == pytest.approx([1 / 100] * len(gaps), abs=1e-6)
