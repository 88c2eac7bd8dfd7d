"""Calls submitted to executors in audits: the executor, the wait for a thread, and the outcome."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from asgi_probe import Probe
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.request_record import WorkSpan, current, work_spans
from asgi_probe.routes import App, Receive, Scope, Send

from tests.probe.handover_support import Gate, find_row, find_rows, read_handovers, record
from tests.probe.support import ask, observe


@pytest.fixture(autouse=True)
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2, thread_name_prefix="reports") as pool:
        yield pool


async def answer(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_the_default_executor_of_asyncio(tmp_path: Path) -> None:
    ran_on: list[int] = []

    def work() -> None:
        ran_on.append(threading.get_native_id())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(work)
        await answer(scope, receive, send)

    async def calls(probed: App) -> None:
        await ask(probed, "/")

    row = find_row(record(app, tmp_path, calls), "work")
    assert (row.queue, row.visit > 0, row.thread_id) == ("executor", True, ran_on[0])
    assert row.capacity == ThreadPoolExecutor()._max_workers
    assert row.queued_s is None
    assert row.asked_s == row.granted_s <= row.began_s <= row.ended_s
    assert '"to_thread"' in row.asker
    assert '"app"' in row.asker


def test_a_call_waits_where_all_threads_have_one(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    gates = Gate(), Gate()

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        futures: list[Future[object]] = [executor.submit(each.enter) for each in gates]
        for each in gates:
            await each.wait_until_entered()
        futures.append(executor.submit(int))
        gates[1].leave.set()
        await asyncio.wrap_future(futures[-1])
        gates[0].leave.set()
        await asyncio.gather(*map(asyncio.wrap_future, futures))

    rows = record(answer, tmp_path, calls)
    entered, queued = find_rows(rows, "enter"), find_row(rows, "int")
    assert {(row.queue, row.capacity) for row in rows} == {("executor reports", 2)}
    assert [row.queued_s for row in entered] == [None, None]
    assert queued.queued_s == queued.asked_s
    assert entered[1].ended_s <= queued.granted_s == queued.began_s
    assert queued.ended_s <= entered[0].ended_s


def test_threads_that_are_free_again_are_free(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    async def calls(probed: App) -> None:
        await ask(probed, "/")
        for _ in range(10):
            await asyncio.wrap_future(executor.submit(int))

    rows = record(answer, tmp_path, calls)
    assert [row.queued_s for row in rows] == [None] * 10


def test_what_is_cancelled_or_refused_has_an_end(tmp_path: Path) -> None:
    gate = Gate()
    pool = ThreadPoolExecutor(1, thread_name_prefix="one")

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        first = pool.submit(gate.enter)
        await gate.wait_until_entered()
        assert pool.submit(int).cancel()
        third = pool.submit(str)
        gate.leave.set()
        await asyncio.gather(asyncio.wrap_future(first), asyncio.wrap_future(third))
        pool.shutdown()
        with pytest.raises(RuntimeError):
            pool.submit(float)

    rows = record(answer, tmp_path, calls)
    for name in ("int", "float"):
        row = find_row(rows, name)
        assert (row.failed, row.began_s, row.thread_id) == (1, None, 0)
        assert row.ended_s >= row.asked_s
    assert find_row(rows, "str").queued_s is not None
    assert not find_row(rows, "str").failed


def test_an_executor_for_each_request_is_one_queue(tmp_path: Path) -> None:
    async def calls(probed: App) -> None:
        await ask(probed, "/")
        for _ in range(20):
            with ThreadPoolExecutor(1) as pool:
                await asyncio.wrap_future(pool.submit(int))
            del pool

    (queue,) = {row.queue for row in record(answer, tmp_path, calls)}
    assert queue.startswith("executor ThreadPoolExecutor-")


def test_executors_of_one_prefix_are_two_queues_while_both_live(tmp_path: Path) -> None:
    async def calls(probed: App) -> None:
        await ask(probed, "/")
        with ThreadPoolExecutor(1, "same") as first, ThreadPoolExecutor(1, "same") as second:
            for pool in (first, second, first):
                await asyncio.wrap_future(pool.submit(int))

    rows = record(answer, tmp_path, calls)
    assert [row.queue for row in rows] == ["executor same", "executor same 2", "executor same"]


def test_asgirefs_one_thread_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    single = ThreadPoolExecutor(1)
    sync = SimpleNamespace(SyncToAsync=SimpleNamespace(single_thread_executor=single))
    monkeypatch.setitem(sys.modules, "asgiref.sync", sync)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        await asyncio.get_running_loop().run_in_executor(single, int)

    (row,) = record(answer, tmp_path, calls)
    assert (row.queue, row.capacity) == ("asgiref", 1)
    single.shutdown()


def test_uvloops_default_executor_has_its_name(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")
    probe = Probe(answer, tmp_path)

    async def run() -> None:
        await ask(probe, "/")
        await asyncio.to_thread(int)
        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, str)

    loop = uvloop.new_event_loop()
    loop.run_until_complete(run())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    probe.stop()
    (path,) = tmp_path.glob("probe-*.journal")
    rows = read_handovers(path.read_bytes())
    assert find_row(rows, "int").queue == "executor"
    assert find_row(rows, "str").queue.startswith("executor ThreadPoolExecutor-")


def test_a_study_without_an_audit_knows_whom_a_thread_works_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: ThreadPoolExecutor
) -> None:
    monkeypatch.delenv(DIRECTORY_VARIABLE)
    found: list[tuple[WorkSpan, object]] = []

    def look() -> None:
        found.append((work_spans[threading.get_ident()], current_of_app[0]))

    current_of_app: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        current_of_app.append(current.get())
        await asyncio.get_running_loop().run_in_executor(executor, look)
        await answer(scope, receive, send)

    async def calls(probed: App) -> None:
        await ask(probed, "/")

    observe(app, tmp_path, calls)
    ((span, of_app),) = found
    assert span.record is of_app is not None
    assert span.began_s <= span.ended_s


def test_what_goes_to_another_interpreter_is_left_as_it_is(tmp_path: Path) -> None:
    """Python 3.14 sends the call as bytes, so the probe's wrapper would not arrive."""
    kind = type("Pool", (ThreadPoolExecutor,), {"__module__": "concurrent.futures.interpreter"})

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        with kind(1) as pool:
            await asyncio.wrap_future(pool.submit(int))

    assert record(answer, tmp_path, calls) == []
