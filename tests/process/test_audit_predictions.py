"""The cured service's audit measures what the first audit predicted for the cure."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from tests.process.support import only_run, run_here
from tests.process.test_scripts import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]
BLOCKING, AWAITING = "time.sleep(0.1)", "await asyncio.sleep(0.1)"
SERVICE = f"""
import asyncio, time
from fastapi import FastAPI

api = FastAPI()

@api.get("/report")
async def report() -> str:
    {BLOCKING}
    return "a report"

@api.get("/items")
async def list_items() -> str:
    await asyncio.sleep(0.05)
    return "items"
"""
ROUTES = ("/items", "/report")
OFF = 0.25
"""Tolerance of the model (analysis/theory/audit/check.py)."""


def audit(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "main.py").write_text(text)
    command = (sys.executable, "-m", "uvicorn", "main:api", "--port", str(free_port()))
    asked = [word for route in ROUTES for word in ("--request", f"GET {route}")]
    words = ("--users", "8", "--duration", "4s", "--out", str(folder / "out"), *asked)
    done = run_here(("audit", *words, "--", *command), folder)
    assert done.returncode == 0, done.stderr
    return only_run(folder / "out")


def measure_together(run: Path) -> Mapping[str, tuple[float, float]]:
    """By route, while all are called together: the median in ms, and requests per second."""
    rows = pl.read_parquet(run / "cells" / "audit" / "asked.parquet")
    rows = rows.filter(pl.col("phase").str.starts_with("all routes"))
    span_s = pl.lit(max(rows["ended_s"]) - min(rows["started_s"]))
    took_ms = 1000 * (pl.col("ended_s") - pl.col("started_s")).median()
    found = rows.group_by("route").agg(took_ms, rps=pl.len() / span_s)
    return {route: (median_ms, rps) for route, median_ms, rps in found.iter_rows()}


def test_a_predicted_cure_is_measured(tmp_path: Path) -> None:
    """With and without the block: the number of served requests. Without it: the latency. (With it,
    a median is 0, 1 or 2 blocks by chance.)"""
    blocked = audit(tmp_path / "blocked", SERVICE)
    cured = audit(tmp_path / "cured", SERVICE.replace(BLOCKING, AWAITING))
    (finding,) = json.loads((blocked / "findings.json").read_text())["findings"]
    predicted = finding["predicted"]
    assert (finding["code"], predicted["reason"]) == ("LOOP_BLOCKED", None)
    before, after = measure_together(blocked), measure_together(cured)
    for side, seen in ((predicted["before"], before), (predicted["after"], after)):
        said_rps, seen_rps = sum(each["rps"] for each in side), sum(rps for _, rps in seen.values())
        assert said_rps == pytest.approx(seen_rps, rel=OFF)
    assert {each["route"]: each["p50_ms"] for each in predicted["after"]} == pytest.approx(
        {route: median_ms for route, (median_ms, _) in after.items()}, rel=OFF
    )
    assert all(after[route][1] > 2 * before[route][1] for route in ROUTES)
    done = run_here(("predict", "--from", str(blocked), "--users", "80"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the first cause of waiting is LOOP_BLOCKED at main.py:9 (/report)" in " ".join(
        done.stdout.split()
    )
