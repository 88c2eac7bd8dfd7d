"""Calls that a request offloads outside audits: the thread and the times of each."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from threading import get_native_id
from types import SimpleNamespace

import anyio.to_thread
import pytest
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.thread_calls import MOST_CALLS
from fastapi import FastAPI

from tests.probe.support import get, observe, read_table


def read_calls(folder: Path) -> list[SimpleNamespace]:
    (path,) = folder.glob("probe-*.journal")
    return read_table(path.read_bytes(), "k")


def test_a_call_is_on_record_with_the_thread_that_ran_it(tmp_path: Path) -> None:
    app, threads = FastAPI(), list[int]()

    def work() -> None:
        threads.append(get_native_id())

    @app.get("/pool")
    async def to_pool() -> None:
        await anyio.to_thread.run_sync(work)

    @app.get("/executor")
    async def to_executor() -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)

    requests = observe(app, tmp_path, get("/pool", "/executor")).requests
    calls = read_calls(tmp_path)
    assert [each.visit for each in calls] == [each.visit for each in requests]
    assert [each.thread_id for each in calls] == threads
    assert [each.thread_kind for each in calls] == ["anyio-worker", "executor"]
    for call, request in zip(calls, requests):
        assert request.arrived_s <= call.asked_s <= call.began_s <= call.ended_s <= request.sent_s


def test_an_endpoint_on_a_thread_is_in_its_requests_own_row(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/", response_model=None)
    def endpoint() -> None: ...

    (row,) = observe(app, tmp_path, get("/")).requests
    assert row.thread_kind == "anyio-worker"
    spans = [(each.began_s, each.ended_s) for each in read_calls(tmp_path)]
    assert not any(began <= row.started_s <= ended for began, ended in spans)


def test_what_fails_is_on_record_too(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        with pytest.raises(ValueError, match="none"):
            await anyio.to_thread.run_sync(partial(int, "none"))

    observe(app, tmp_path, get("/"))
    assert len(read_calls(tmp_path)) == 1


def test_of_many_calls_of_a_request_the_first_are_on_record(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        for _ in range(MOST_CALLS + 3):
            await anyio.to_thread.run_sync(int)

    observe(app, tmp_path, get("/", "/"))
    assert len(read_calls(tmp_path)) == 2 * MOST_CALLS


def test_an_audit_records_hand_overs_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        await anyio.to_thread.run_sync(int)

    observe(app, tmp_path, get("/"))
    (path,) = tmp_path.glob("probe-*.journal")
    assert read_table(path.read_bytes(), "k") == []
    assert read_table(path.read_bytes(), "w") != []
