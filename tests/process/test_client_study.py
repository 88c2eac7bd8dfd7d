"""The commands of the chapter on clients (docs/clients.md), with small numbers."""

import json
from pathlib import Path

import pytest

from tests.process.support import cells, only_run, study

pytestmark = pytest.mark.slow
SMALL = ("--no-predict", "--no-report", "--upstream", "python", "--port", "0")


def test_who_waits_too_long_for_a_connection_gets_a_504(tmp_path: Path) -> None:
    """3 connections of 400 ms are 7.5 rps; most of 12 users wait longer than their 1 s timeout."""
    done = study(
        "run", "wait-impatient", "--users", "12", "--client-connections", "3", "--delay", "400ms",
        "--client-timeout", "1s", "--duration", "4s", "--out", str(tmp_path), *SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    assert cell["failures"]
    assert isinstance(cell["ok_rps"], float)
    assert cell["ok_rps"] <= 7.5 * 1.15
    assert isinstance(cell["errors"], list)
    assert any("504" in each["error"] for each in cell["errors"])


def test_an_open_loop_sweeps_what_is_in_flight(tmp_path: Path) -> None:
    """CPU per request needs 100 responses and 0.2 s of CPU: 900 responses of 0.3 ms have both."""
    done = study(
        "sweep", "call-async-pyreqwest", "call-async-aiohttp", "--arrival-rate", "300/s",
        "--delay", "25ms,250ms", "--duration", "3s", "--out", str(tmp_path), *SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads((only_run(tmp_path) / "summary.json").read_text())
    found = {each["scenario"]: each["arrival_rate"] for each in summary["sweeps"]}
    assert found == {"call-async-pyreqwest": 300.0, "call-async-aiohttp": 300.0}
    assert all(point["cpu_ms"] for each in summary["sweeps"] for point in each["points"])
    assert "300.0 rps were offered" in done.stdout
