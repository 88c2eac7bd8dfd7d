"""A server or an interpreter of the user's: its pool, its waits and its secrets are not ours."""

import asyncio
import contextlib
from dataclasses import replace
from math import inf
from pathlib import Path

import polars as pl
import psutil
import pytest

from analysis.measures.probe_metrics import compute_simultaneous_peak
from analysis.summary.cell import check_pool
from analysis.summary.limit import measure_pool
from analysis.theory.scenario_model import build_server_model
from records.cell import WorkerDeath
from records.prediction import Prediction
from scenarios.errors import UserError
from scenarios.model import Endpoint, Load, Scenario, Server
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from stress import interpreter
from stress.bystander import find_error, parse_status, read_body
from stress.load.command import build_load_plan
from tests.unit.samples import record
from tests.unit.test_limit import QUIET
from tests.unit.test_plan import cell

OWN = Scenario(
    "mine", group="mine", question="?", expect="?", why="?", endpoint=Endpoint("/wait", "def"),
    server=Server(app="main:app", workers=2), load=Load(users=80), delay_s=0.2,
)  # fmt: skip
FULL = replace(QUIET, pool_busy_mean=120.0, pool_waiting_peak=20, pool_total=120)


def test_its_pool_is_the_recorded_one() -> None:
    found = measure_pool(FULL, OWN)
    assert found is not None
    assert found.capacity == 120
    prediction = Prediction(cpu_ms=1.0, ok_rps=400.0)
    own = replace(record(), scenario=OWN)
    assert check_pool(prediction, own, 80) is prediction
    assert check_pool(prediction, own, None) is prediction
    withheld = check_pool(prediction, own, 120)
    assert withheld is not None
    assert withheld.ok_rps is None
    assert withheld.reason == "the app's pool has 120 threads, and the model assumed 80"
    awaiting = replace(OWN, endpoint=Endpoint("/wait", "async def"))
    assert check_pool(prediction, replace(own, scenario=awaiting), 120) is prediction


def test_a_worker_that_died_and_its_replacement_are_not_two_pools() -> None:
    prediction = Prediction(cpu_ms=1.0, ok_rps=400.0)
    died = replace(record(), scenario=OWN, deaths=(WorkerDeath(1.0, 1, "killed"),))
    assert check_pool(prediction, died, 120) is prediction
    found = measure_pool(replace(FULL, worker_restarts=1), OWN)
    assert found is not None
    assert found.capacity == 80


def test_a_pool_without_a_limit_has_no_size() -> None:
    rows = pl.DataFrame({"pid": [1], "at_s": [0.0], "pool_total": [inf]})
    assert compute_simultaneous_peak(rows, pl.col("pool_total")) is None


def test_what_it_waits_for_is_measured_with_one_user() -> None:
    """An endpoint that awaits 50 ms was predicted to serve 6,468 requests/s, limited by Python."""
    model = build_server_model(replace(OWN, delay_s=None), cpu_s=0.0005, wait_s=0.05)
    assert model.delay_s == 0.05


def test_the_study_sets_no_delay_there() -> None:
    with pytest.raises(UserError, match="none of the chosen scenarios has a delay"):
        apply_overrides((OWN,), Overrides(delay_s=2.0))


def test_the_beginning_of_a_failed_response_is_not_recorded() -> None:
    assert not build_load_plan(cell(OWN), 1, None).shows_bodies
    assert build_load_plan(cell(replace(OWN, server=Server())), 1, None).shows_bodies


def test_a_wrapper_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper, pid = tmp_path / "python", tmp_path / "pid"
    wrapper.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {pid}\nwait\n")
    wrapper.chmod(0o755)
    monkeypatch.setattr(interpreter, "CHECK_WITHIN_S", 1.0)
    with pytest.raises(UserError, match="did not import the app within 1 s"):
        interpreter.check_interpreter(Server(python=str(wrapper)))
    with contextlib.suppress(psutil.NoSuchProcess):
        left = psutil.Process(int(pid.read_text()))
        left.wait(10)  # the kill is on its way; TimeoutExpired if there was none


@pytest.mark.parametrize("head", [b"Content-Length: 4", b"content-length:4 ", b"X: y"])
def test_a_background_request_needs_no_closed_connection(head: bytes) -> None:
    """A server that keeps it open although it was asked to close it had "no response"."""

    async def read() -> bytes:
        reader = asyncio.StreamReader()
        reader.feed_data(b"bodynext")
        if head.startswith(b"X"):
            reader.feed_eof()
        await asyncio.wait_for(
            read_body(reader, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n"), timeout=10
        )
        reader.feed_eof()
        return await reader.read()

    assert asyncio.run(read()) == (b"" if head.startswith(b"X") else b"next")


@pytest.mark.parametrize("words", [b"99999", b"-1", b"1", b"20.0", b""])
def test_a_background_response_without_a_status_is_garbage(words: bytes) -> None:
    with pytest.raises(ValueError, match=r"status|invalid literal"):
        parse_status(b"HTTP/1.1 " + words + b" No\r\n\r\n")


def test_only_our_apps_must_answer_200_in_the_background() -> None:
    assert find_error(200, True) is None
    assert [find_error(each, True) for each in (204, 404)] == ["HTTP 204", "HTTP 404"]
    assert [find_error(each, False) for each in (204, 307, 401, 404)] == [None] * 4
    assert find_error(503, False) == "HTTP 503"
