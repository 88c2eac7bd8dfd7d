"""Calls offloaded to anyio's pool in audits: when each waited and for what, and when it ran. Events
start and end the waits."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import time
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from types import FrameType, SimpleNamespace

import anyio
import anyio.to_thread
import pytest
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.handovers import AskerTexts, log
from asgi_probe.limiters import asking, instrument_limiters, taken, waiting
from asgi_probe.routes import App, Receive, Scope, Send
from fastapi import BackgroundTasks, FastAPI

from tests.probe.handover_support import (
    Gate,
    find_row,
    find_rows,
    leave_one_token,
    read_handovers,
    record,
    wait_until_queued,
)
from tests.probe.support import ask, get, observe, read_table

BLOCK_S = 0.05


@pytest.fixture(autouse=True)
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))


async def answer(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_a_def_endpoint_is_one_handover_of_its_request(tmp_path: Path) -> None:
    ran_on: list[int] = []
    app = FastAPI()

    @app.get("/")
    def root() -> None:
        ran_on.append(threading.get_native_id())

    row = find_row(record(app, tmp_path, get("/")), "root")
    line = root.__code__.co_firstlineno
    assert row.work == f"{__file__}:{line} {root.__qualname__}"
    assert (row.queue, row.capacity, row.failed) == ("anyio", 40, 0)
    assert (row.visit > 0, row.thread_id) == (True, ran_on[0])
    assert row.queued_s is None
    assert row.granted_s <= row.began_s <= row.ended_s
    assert row.cpu_s >= 0
    assert '"run_in_threadpool"' in row.asker
    assert "asgi_probe" not in row.asker


def test_without_an_audit_there_is_no_such_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DIRECTORY_VARIABLE)
    app = FastAPI()

    @app.get("/")
    def root() -> None: ...

    observe(app, tmp_path, get("/"))
    (path,) = tmp_path.glob("probe-*.journal")
    assert b'"w"' not in path.read_bytes()


def test_a_call_that_finds_no_token_stands_in_the_queue(tmp_path: Path) -> None:
    gate = Gate()

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        limiter = leave_one_token()
        first = asyncio.create_task(anyio.to_thread.run_sync(gate.enter))
        await gate.wait_until_entered()
        second = asyncio.create_task(anyio.to_thread.run_sync(int))
        await wait_until_queued(limiter)
        gate.leave.set()
        await asyncio.gather(first, second)

    rows = record(answer, tmp_path, calls)
    entered, queued = find_row(rows, "enter"), find_row(rows, "int")
    assert entered.queued_s is None
    assert entered.began_s < queued.queued_s < entered.ended_s < queued.granted_s
    assert (queued.work, queued.capacity, queued.visit) == ("builtins.int", 1, 0)
    assert (waiting, asking, taken) == ({}, {}, {})


def test_a_blocked_loop_is_no_wait_for_a_token(tmp_path: Path) -> None:
    """Such as "pool wait 995 ms with 1 of 40 tokens in use"."""
    app = FastAPI()

    @app.get("/")
    def root() -> None: ...

    async def block() -> None:
        time.sleep(BLOCK_S)

    async def calls(probed: App) -> None:
        asked = asyncio.create_task(ask(probed, "/"))
        while not asking and not asked.done():
            await asyncio.sleep(0)
        await asyncio.gather(block(), asked)

    row = find_row(record(app, tmp_path, calls), "root")
    assert row.queued_s is None
    assert row.began_s - row.asked_s >= BLOCK_S


def test_a_token_is_there_when_it_is_released_not_when_the_loop_goes_on(tmp_path: Path) -> None:
    gate = Gate()

    async def block_after_work() -> None:
        await anyio.to_thread.run_sync(gate.enter)
        time.sleep(BLOCK_S)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        leave_one_token()
        first = asyncio.create_task(block_after_work())
        await gate.wait_until_entered()
        second = asyncio.create_task(anyio.to_thread.run_sync(int))
        await wait_until_queued()
        gate.leave.set()
        await asyncio.gather(first, second)

    row = find_row(record(answer, tmp_path, calls), "int")
    assert row.granted_s is not None
    assert row.began_s - row.granted_s >= BLOCK_S


def test_no_more_run_than_there_are_tokens(tmp_path: Path) -> None:
    """A call is queued exactly when all tokens are taken."""

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        leave_one_token().total_tokens = 3
        await asyncio.gather(*(anyio.to_thread.run_sync(int) for _ in range(60)))

    rows = find_rows(record(answer, tmp_path, calls), "int")
    assert len(rows) == 60
    for row in rows:
        others = [each for each in rows if each is not row]
        running = [each for each in others if each.granted_s <= row.granted_s < each.ended_s]
        assert len(running) < 3
    assert sum(row.queued_s is None for row in rows) == 3
    queued = [row for row in rows if row.queued_s is not None]
    assert sorted(queued, key=lambda row: row.queued_s) == sorted(
        queued, key=lambda row: row.granted_s
    )


def test_a_wait_that_is_given_up_has_an_end(tmp_path: Path) -> None:
    gate = Gate()

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        leave_one_token()
        first = asyncio.create_task(anyio.to_thread.run_sync(gate.enter))
        await gate.wait_until_entered()
        second = asyncio.create_task(anyio.to_thread.run_sync(int))
        await wait_until_queued()
        second.cancel()
        await asyncio.wait([second])
        gate.leave.set()
        await first

    row = find_row(record(answer, tmp_path, calls), "int")
    assert (row.failed, row.granted_s, row.began_s, row.thread_id) == (1, None, None, 0)
    assert row.queued_s <= row.ended_s
    assert (waiting, asking) == ({}, {})


def test_work_that_goes_on_after_its_caller_gave_up_is_not_failed(tmp_path: Path) -> None:
    gate, left = Gate(), threading.Event()

    def stay() -> None:
        gate.enter()
        left.set()

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        with anyio.move_on_after(10) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(abandon)
                await gate.wait_until_entered()
                scope.cancel()
        gate.leave.set()
        while not left.is_set():
            await asyncio.sleep(0)
        await anyio.to_thread.run_sync(int)

    async def abandon() -> None:
        await anyio.to_thread.run_sync(stay, abandon_on_cancel=True)

    row = find_row(record(answer, tmp_path, calls), "stay")
    assert row.ended_s > row.began_s
    assert not row.failed


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_given_up_nothing_stays_open(seed: int, tmp_path: Path) -> None:
    """Calls on 2 tokens, directly and under limiters of the app, cancelled at any time."""
    chance = random.Random(seed)

    async def call(limiter: anyio.CapacityLimiter) -> None:
        if chance.random() < 0.5:
            await anyio.to_thread.run_sync(int, limiter=limiter)
        async with limiter:
            await anyio.to_thread.run_sync(str)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        leave_one_token().total_tokens = 2
        limiters = [anyio.CapacityLimiter(1) for _ in range(3)]
        tasks = [asyncio.create_task(call(chance.choice(limiters))) for _ in range(100)]
        for task in chance.sample(tasks, 50):
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            task.cancel()
        _, lost = await asyncio.wait(tasks, timeout=5)  # some versions of anyio lose a waiter
        for task in lost:
            task.cancel()
        await asyncio.wait(tasks)
        assert log.open == {}

    rows = record(answer, tmp_path, calls)
    assert all(row.ended_s is not None for row in rows)
    assert any(row.failed for row in rows)
    assert all((row.began_s is None) == (row.work is None) for row in rows if not row.failed)
    assert (waiting, asking, taken) == ({}, {}, {})


def test_a_limiter_that_was_made_before_the_loop_is_one_queue(tmp_path: Path) -> None:
    early = anyio.CapacityLimiter(1)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        async with early:
            await asyncio.sleep(0)
        await anyio.to_thread.run_sync(int, limiter=early)

    taken_row, row = record(answer, tmp_path, calls)
    assert taken_row.queue == row.queue
    assert row.queue.startswith("limiter ")


SHARED = anyio.CapacityLimiter(1)


class Kitchen:
    def __init__(self) -> None:
        self.stove = anyio.CapacityLimiter(1)

    async def cook(self) -> None:
        await anyio.to_thread.run_sync(int, limiter=self.stove)


def test_a_limiter_is_named_as_the_module_or_the_object_that_asks_it_does(tmp_path: Path) -> None:
    async def calls(probed: App) -> None:
        await ask(probed, "/")
        await anyio.to_thread.run_sync(int, limiter=SHARED)
        first, second = Kitchen(), Kitchen()
        for each in (first, second, first):
            await each.cook()

    assert [row.queue for row in record(answer, tmp_path, calls)] == [
        f"limiter {__name__}.SHARED", "limiter Kitchen.stove", "limiter Kitchen.stove 2",
        "limiter Kitchen.stove",
    ]  # fmt: skip


def test_a_name_is_searched_only_for_a_queue_that_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI makes a limiter for each dependency that yields: a search of all modules each time
    would cost more than the request."""
    searched: list[int] = []

    def search(limiter: object) -> str:
        searched.append(id(limiter))
        return ""

    monkeypatch.setattr("asgi_probe.limiters.find_limiter_name", search)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        for _ in range(5):
            await anyio.to_thread.run_sync(int, limiter=anyio.CapacityLimiter(1))
            gc.collect()

    rows = find_rows(record(answer, tmp_path, calls), "int")
    assert len({row.queue for row in rows}) == len(searched) == 1


def test_the_pool_of_another_loop_is_another_queue(tmp_path: Path) -> None:
    async def hand_over() -> None:
        await anyio.to_thread.run_sync(int)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        other = threading.Thread(target=lambda: asyncio.run(hand_over()))
        other.start()
        await hand_over()
        other.join()

    rows = find_rows(record(answer, tmp_path, calls), "int")
    assert sorted(row.queue == "anyio" for row in rows) == [False, True]


def test_an_error_is_noted_and_passed_on(tmp_path: Path) -> None:
    def fail() -> None:
        raise LookupError("the app's own")

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        with pytest.raises(LookupError, match="the app's own"):
            await anyio.to_thread.run_sync(fail)

    row = find_row(record(answer, tmp_path, calls), "fail")
    assert row.failed
    assert row.began_s <= row.ended_s


async def wait_until_written(folder: Path, is_written: Callable[[bytes], bool]) -> bytes:
    """The journal when it first has the text; waits at most 10 s."""
    (path,) = folder.glob("probe-*.journal")
    for _ in range(1_000):
        content = path.read_bytes()
        if is_written(content):
            return content
        await asyncio.sleep(0.01)
    raise AssertionError("the watchdog did not write it")


def read_pool_wait_s(content: bytes) -> float:
    waits = (row.pool_wait_s for row in read_table(content, "h") if row.route == "/wait")
    return float(max(waits, default=0.0))


def test_a_wait_counts_while_it_lasts(tmp_path: Path) -> None:
    """The wait appears among the offloaded calls and in its request's pool wait, where it grows."""
    gate = Gate()
    copied: list[bytes] = []
    app = FastAPI()

    @app.get("/enter")
    def enter() -> None:
        gate.enter()

    @app.get("/wait")
    def wait_for_token() -> None: ...

    def has_queued(content: bytes) -> bool:
        rows = find_rows(read_handovers(content), "wait_for_token")
        return any(row.queued_s is not None for row in rows) and read_pool_wait_s(content) > 0

    def has_grown(content: bytes) -> bool:
        return read_pool_wait_s(content) > read_pool_wait_s(copied[0])

    async def calls(probed: App) -> None:
        await ask(probed, "/none")
        leave_one_token()
        first = asyncio.create_task(ask(probed, "/enter"))
        await gate.wait_until_entered()
        second = asyncio.create_task(ask(probed, "/wait"))
        copied.append(await wait_until_written(tmp_path, has_queued))
        copied.append(await wait_until_written(tmp_path, has_grown))
        gate.leave.set()
        await asyncio.gather(first, second)

    observe(app, tmp_path, calls)
    for content in copied:
        row = find_row(read_handovers(content), "wait_for_token")
        assert (row.granted_s, row.ended_s) == (None, None)


def test_a_pool_wait_that_was_given_up_counts(tmp_path: Path) -> None:
    gate = Gate()
    app = FastAPI()

    @app.get("/enter")
    def enter() -> None:
        gate.enter()

    @app.get("/wait")
    def wait_for_token() -> None: ...

    async def calls(probed: App) -> None:
        leave_one_token()
        first = asyncio.create_task(ask(probed, "/enter"))
        await gate.wait_until_entered()
        second = asyncio.create_task(ask(probed, "/wait"))
        await wait_until_queued()
        await asyncio.sleep(BLOCK_S)
        second.cancel()
        await asyncio.wait([second])
        gate.leave.set()
        await first

    requests = {row.route: row for row in observe(app, tmp_path, calls).requests}
    assert requests["/wait"].pool_wait_s >= BLOCK_S


def test_a_wait_after_the_answer_is_none_of_the_routes(tmp_path: Path) -> None:
    gate = Gate()
    app = FastAPI()

    @app.get("/task")
    async def give_task(tasks: BackgroundTasks) -> None:
        tasks.add_task(int)

    async def calls(probed: App) -> None:
        await ask(probed, "/none")
        leave_one_token()
        first = asyncio.create_task(anyio.to_thread.run_sync(gate.enter))
        await gate.wait_until_entered()
        second = asyncio.create_task(ask(probed, "/task"))
        await wait_until_queued()
        gate.leave.set()
        await asyncio.gather(first, second)

    seen = observe(app, tmp_path, calls)
    (request,) = (row for row in seen.requests if row.route == "/task")
    assert request.pool_wait_s == 0
    (path,) = tmp_path.glob("probe-*.journal")
    row = find_row(read_handovers(path.read_bytes()), "int")
    assert row.visit == request.visit
    assert row.queued_s >= request.sent_s


def test_another_backend_of_anyio_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    other = type("Other", (), {})
    known = set(vars(other))
    for backend in (None, SimpleNamespace(), SimpleNamespace(CapacityLimiter=other)):
        monkeypatch.setitem(sys.modules, "anyio._backends._asyncio", backend)
        instrument_limiters()
    assert set(vars(other)) == known


def test_beyond_the_most_only_what_has_ended_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asgi_probe.handovers.MOST_OPEN", 1)
    gate = Gate()

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        first = asyncio.create_task(anyio.to_thread.run_sync(gate.enter))
        await gate.wait_until_entered()
        await anyio.to_thread.run_sync(int)
        assert [each.call for each in log.open] == [(gate.enter, ())]
        gate.leave.set()
        await first

    rows = record(answer, tmp_path, calls)
    assert all(row.ended_s for row in rows)
    assert len(rows) == 2


def test_a_fault_in_reading_who_asks_is_not_the_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, __: object) -> str:
        raise RuntimeError("planted")

    monkeypatch.setattr("asgi_probe.handovers.AskerTexts.read", fail)
    app, statuses = FastAPI(), []

    @app.get("/")
    def root() -> None: ...

    async def calls(probed: App) -> None:
        statuses.extend([(await ask(probed, "/")).status for _ in range(2)])

    assert record(app, tmp_path, calls) == []
    assert statuses == [200, 200]


def test_a_fault_ends_the_recording_and_the_app_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("asgi_probe.handovers.pack", fail)
    answers: list[bytes] = []
    app = FastAPI()

    @app.get("/")
    def root() -> str:
        return "still here"

    async def calls(probed: App) -> None:
        answers.extend([(await ask(probed, "/")).body for _ in range(3)])

    observe(app, tmp_path, calls)
    assert answers == [b'"still here"'] * 3
    assert caplog.text.count("no longer recorded") == 1


def test_a_call_at_the_recursion_limit_ends_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out itself."""
    read, failing = AskerTexts.read, chain([True], repeat(False))

    def read_once_too_deep(self: AskerTexts, frame: FrameType | None) -> str | None:
        if next(failing):
            raise RecursionError
        return read(self, frame)

    monkeypatch.setattr(AskerTexts, "read", read_once_too_deep)
    app = FastAPI()

    @app.get("/")
    def root() -> None: ...

    assert len(find_rows(record(app, tmp_path, get("/", "/")), "root")) == 1
