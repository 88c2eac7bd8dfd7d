"""Which code blocked the event loop, from the probe's samples; and summaries of either schema."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from analysis.guide.recorded import read_cells
from analysis.measures.probe_metrics import BlockingSite, find_blocking_sites
from analysis.report.write import load_run_summary, write_reports
from records.rows import PROBE, conform_to_schema
from records.rundir import open_run
from scenarios.errors import UserError

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample-run"
Sample = tuple[int, float, float, str | None, str | None]
"""pid, at_s, heartbeat_age_s, blocked_route, blocked_frame"""


def find(*samples: Sample) -> tuple[BlockingSite, ...]:
    names = ("pid", "at_s", "heartbeat_age_s", "blocked_route", "blocked_frame")
    frame = pl.DataFrame(samples, schema=names, orient="row", infer_schema_length=None)
    return find_blocking_sites(conform_to_schema(frame, PROBE))


def test_a_sample_stands_for_the_time_since_the_one_before_it_in_its_process() -> None:
    sites = find(
        (1, 1.00, 0.005, None, None),
        (1, 1.20, 0.205, "/a", "app/x.py:3 f"),  # a stalled watchdog: one sample for 0.2 s
        (1, 1.21, 0.010, None, None),
        (1, 1.22, 0.150, "/b", "app/y.py:9 g"),
        (2, 1.19, 0.005, None, None),
        (2, 1.24, 0.110, "/b", "app/y.py:9 g"),
        (2, 1.28, 0.310, "/b", "app/y.py:9 g"),
    )
    worst, other = sites
    assert (worst.route, worst.file, worst.line, worst.function) == ("/a", "app/x.py", 3, "f")
    assert worst.seconds == pytest.approx(0.2)
    assert worst.longest_ms == pytest.approx(195)  # older than a beat of 10 ms
    assert other.seconds == pytest.approx(0.01 + 0.05 + 0.04)
    assert other.longest_ms == pytest.approx(300)
    assert (worst.share, other.share) == pytest.approx((2 / 3, 1 / 3))
    assert str(worst) == "/a at app/x.py:3 f"


def test_what_the_probe_could_not_know_is_none() -> None:
    (site,) = find((1, 1.0, 0.2, "/ping", "logging emit"))
    assert (site.file, site.line, site.stack, site.cause) == (None, None, None, None)
    assert (site.function, str(site)) == ("logging emit", "/ping at logging emit")
    (outside,) = find((1, 1.0, 0.2, None, "app/main.py:23 lifespan"))
    assert (outside.route, str(outside)) == (None, "app/main.py:23 lifespan")


def test_a_loop_that_was_never_blocked_has_no_site() -> None:
    assert find((1, 1.0, 0.005, None, None), (1, 1.01, 0.3, None, None)) == ()


def make_schema_1(folder: Path) -> Path:
    """The sample run, as the first version of the toolkit wrote it."""
    shutil.copytree(SAMPLE, folder)
    summary = folder / "summary.json"
    content = json.loads(summary.read_text())
    content["schema"] = 1
    for cell in content["cells"]:
        sites = cell.pop("blocking_sites")
        cell["blocked_by"] = "/async/http/sync at app/clients.py:57 fetch" if sites else None
    content["cells"][0]["verdicts"] = [
        {"code": "OF_LATER", "severity": "error", "message": "m", "advice": "a", "data": {"n": 1}}
    ]
    summary.write_text(json.dumps(content))
    return folder


def test_a_run_directory_of_schema_1_is_reported_in_schema_2(tmp_path: Path) -> None:
    run = open_run(make_schema_1(tmp_path / "old"))
    write_reports(run.path, load_run_summary(run))
    assert (run.path / "summary.json").read_bytes() == (SAMPLE / "summary.json").read_bytes()


def test_recorded_summaries_of_both_schemas_are_readable(tmp_path: Path) -> None:
    new = read_cells(open_run(SAMPLE))
    old = read_cells(open_run(make_schema_1(tmp_path / "old")))
    assert [cell.ok_rps for cell in new] == [cell.ok_rps for cell in old]
    assert any(cell.blocking_sites for cell in new)
    assert not any(cell.blocking_sites for cell in old)
    assert old[0].verdicts[0].code == "OF_LATER"


def test_a_schema_of_later_is_refused(tmp_path: Path) -> None:
    run = open_run(make_schema_1(tmp_path / "old"))
    (run.path / "summary.json").write_text('{"schema": 3, "cells": []}')
    with pytest.raises(UserError, match="not a summary of schema 1 or 2"):
        read_cells(run)
