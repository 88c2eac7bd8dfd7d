"""Stacks of the pool threads while calls wait for a thread, and what those threads wait for."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio.to_thread
import pytest
from asgi_probe import thread_stacks
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.blocks import LoopWatch
from asgi_probe.journal import ProbeJournal
from asgi_probe.recorder import Recorder
from asgi_probe.request_record import WorkSpan, work_spans
from asgi_probe.routes import App
from asgi_probe.stacks import read_stack
from asgi_probe.thread_stacks import (
    FIRST_GAP_S,
    HOUR_S,
    MOST_GAP_S,
    OLD_S,
    PAIR_S,
    THREAD_STACKS,
    ThreadStackLog,
)
from asgi_probe.waits import A_THREAD, THE_LOOP, describe_wait, is_idle
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.probe.support import ask, observe, read_table

PATIENCE_S = 10.0


@contextmanager
def stand(wait: Callable[[], object], release: Callable[[], object]) -> Iterator[int]:
    """A waiting thread, by its ident, once its stack no longer changes."""
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert thread.ident is not None
    await_same_stack(thread.ident)
    try:
        yield thread.ident
    finally:
        release()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def await_same_stack(ident: int) -> None:
    looks, before = 0, None
    while looks < 20:
        threading.Event().wait(0.002)
        stack = [(code, line) for code, line, _ in read_stack(ident)]
        looks = looks + 1 if stack == before else 0
        before = stack


def describe(wait: Callable[[], object], release: Callable[[], object]) -> str | None:
    with stand(wait, release) as ident:
        return describe_wait(ident, read_stack(ident))


def test_a_queue_of_connections() -> None:
    connections: queue.Queue[int] = queue.Queue(3)
    assert describe(connections.get, lambda: connections.put(1)) == "Queue of 3"
    unlimited: queue.LifoQueue[int] = queue.LifoQueue()
    assert describe(lambda: unlimited.get(timeout=9), lambda: unlimited.put(1)) == "LifoQueue"


def test_semaphores_and_conditions() -> None:
    bounded = threading.BoundedSemaphore(1)
    bounded.acquire()
    assert describe(bounded.acquire, bounded.release) == "BoundedSemaphore of 1"
    plain = threading.Semaphore(0)
    assert describe(plain.acquire, plain.release) == "Semaphore"
    condition = threading.Condition()

    def wait() -> None:
        with condition:
            condition.wait()

    def notify() -> None:
        with condition:
            condition.notify_all()

    assert describe(wait, notify) == "Condition"


class Service:
    def __init__(self, lock: threading.Lock) -> None:
        self.lock = lock

    def enter(self) -> None:
        with self.lock:
            pass

    def acquire(self) -> None:
        self.lock.acquire(timeout=PATIENCE_S)
        self.lock.release()


GLOBAL = threading.Lock()


def enter_global() -> None:
    with GLOBAL:
        pass


def test_a_lock_has_no_function_of_its_own() -> None:
    lock = threading.Lock()
    service = Service(lock)

    def enter_outer() -> None:
        with lock:
            pass

    for wait in (service.enter, service.acquire, enter_outer):
        lock.acquire()
        assert describe(wait, lock.release) == "lock", wait
    GLOBAL.acquire()
    assert describe(enter_global, GLOBAL.release) == "lock"


def test_an_event_is_kept_by_nobody() -> None:
    event = threading.Event()
    assert describe(event.wait, event.set) is None


def test_work_that_was_handed_over() -> None:
    pending: Future[int] = Future()
    assert describe(pending.result, lambda: pending.set_result(1)) == A_THREAD
    begun: Future[int] = Future()
    begun.set_running_or_notify_cancel()
    assert describe(begun.result, lambda: begun.set_result(1)) is None


def test_work_for_the_loop() -> None:
    loop = asyncio.new_event_loop()
    runner = threading.Thread(target=loop.run_forever, daemon=True)
    runner.start()
    began, ends = threading.Event(), asyncio.run_coroutine_threadsafe(make_event(), loop).result()

    async def stay() -> None:
        began.set()
        await ends.wait()

    def wait() -> None:
        asyncio.run_coroutine_threadsafe(stay(), loop).result()

    found = describe(wait, lambda: loop.call_soon_threadsafe(ends.set))
    loop.call_soon_threadsafe(loop.stop)
    runner.join(PATIENCE_S)
    loop.close()
    assert found == THE_LOOP
    assert began.is_set()


async def make_event() -> asyncio.Event:
    """Before Python 3.10 an event belongs to the loop on which it is created."""
    return asyncio.Event()


def test_a_pool_of_sqlalchemy_with_its_overflow() -> None:
    pool = pytest.importorskip("sqlalchemy.pool")
    connections = pool.QueuePool(SimpleNamespace, pool_size=1, max_overflow=1, reset_on_return=None)
    connections._dialect = SimpleNamespace(
        is_async=False, do_ping=id, do_close=id, do_rollback=id, _do_ping_w_event=id,
        get_driver_connection=id, do_terminate=id, detect_autocommit_setting=id,
    )  # fmt: skip
    kept = [connections.connect(), connections.connect()]
    found = describe(lambda: connections.connect().close(), lambda: kept.pop().close())
    assert found == "QueuePool of 2 (1 of them overflow)"
    kept.pop().close()


def test_a_thread_that_has_gone_on_waits_for_nothing() -> None:
    """The earlier stack no longer fits the thread's current one."""
    connections: queue.Queue[int] = queue.Queue(3)
    with stand(connections.get, lambda: connections.put(1)) as ident:
        before = read_stack(ident)
    event = threading.Event()
    with stand(event.wait, event.set) as other:
        assert describe_wait(other, before) is None


def test_idle_threads_are_no_rows() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        (ident,) = [each.ident or 0 for each in pool._threads]
        await_same_stack(ident)
        assert is_idle(read_stack(ident))


class Pool:
    """Threads in `get` of a queue, each for a request."""

    def __init__(self, folder: Path, threads: int) -> None:
        folder.mkdir(exist_ok=True)
        self.journal = ProbeJournal(folder / "probe-1.journal", {"t": THREAD_STACKS}, {"pid": 1})
        self.path = folder / "probe-1.journal"
        self.recorder = Recorder()
        self.log = ThreadStackLog(self.journal, lambda: [self.recorder])
        self.connections: queue.Queue[int] = queue.Queue(2)
        self._executor = ThreadPoolExecutor(threads)
        watch = LoopWatch(times_handles=False, times_steps=False)
        for number in range(threads):
            record = self.recorder.record_arrival({"type": "http", "path": str(number)}, watch)
            self._executor.submit(self._work, record)

    def _work(self, record: object) -> None:
        span = WorkSpan(record, 0.0)  # type: ignore[arg-type]
        self.connections.get()
        span.ended_s = 1.0

    def __enter__(self) -> Pool:
        for thread in self._executor._threads:
            await_same_stack(thread.ident or 0)
        return self

    def __exit__(self, *_: object) -> None:
        for _each in self._executor._threads:
            self.connections.put(1)
        self._executor.shutdown()
        self.journal.close()
        for thread in self._executor._threads:
            work_spans.pop(thread.ident or 0, None)

    def read_rows(self) -> list[SimpleNamespace]:
        self.journal.flush()
        return read_table(self.path.read_bytes(), "t")


def test_all_threads_are_read_and_described_from_the_second_look_on(tmp_path: Path) -> None:
    with Pool(tmp_path, 4) as pool:
        for now_s in (10.0, 10.1, 10.0 + PAIR_S):
            pool.log.look(now_s, calls_wait=True)
        rows = pool.read_rows()
    first, second = rows[:4], rows[4:]
    assert [each.at_s for each in rows] == [10.0] * 4 + [10.0 + PAIR_S] * 4
    for look, waits_for in ((first, None), (second, "Queue of 2")):
        assert len({each.visit for each in look} | {0}) == 5
        assert len({each.thread_id for each in look}) == 4
        assert {each.waits_for for each in look} == {waits_for}
    assert {frame[3] for frame in json.loads(rows[0].stack)} >= {"wait", "get", "_work"}


def test_the_loop_is_a_row_where_it_waits_for_something_of_the_process(tmp_path: Path) -> None:
    shared: queue.Queue[int] = queue.Queue(5)
    readable, writable = socket.socketpair()
    with Pool(tmp_path, 1) as pool, stand(shared.get, lambda: shared.put(1)) as waiting:
        with stand(lambda: readable.recv(1), lambda: writable.send(b"1")) as idle:
            natives = {each.ident: each.native_id or 0 for each in threading.enumerate()}
            for at_s, ident in ((10.0, waiting), (20.0, idle)):
                watch = SimpleNamespace(native_id=natives[ident])
                pool.recorder.loops = {None: watch}  # type: ignore[dict-item]
                for now_s in (at_s, at_s + PAIR_S):
                    pool.log.look(now_s, calls_wait=True)
        rows = pool.read_rows()
    readable.close()
    writable.close()
    of_loop = [each for each in rows if each.thread_id in (natives[waiting], natives[idle])]
    assert [(each.at_s, each.waits_for) for each in of_loop] == [(10.0 + PAIR_S, "Queue of 5")]


def test_nothing_is_read_without_a_reason(tmp_path: Path) -> None:
    with Pool(tmp_path, 1) as pool:
        arrived_s = next(iter(pool.recorder.in_flight)).arrived_s
        pool.log.look(arrived_s + 0.5, calls_wait=False)
        assert pool.read_rows() == []
        pool.log.look(arrived_s + OLD_S + 0.1, calls_wait=False)
        assert len(pool.read_rows()) == 1


def test_looks_become_sparser_and_start_anew(tmp_path: Path) -> None:
    with Pool(tmp_path, 1) as pool:
        for step in range(3_000):
            pool.log.look(step * 0.01, calls_wait=True)
        pool.log.look(60.0, calls_wait=True)
        pool.log.look(60.0 + PAIR_S, calls_wait=True)
        at_s = [each.at_s for each in pool.read_rows()]
    gaps_s = [later - earlier for earlier, later in zip(at_s, at_s[1:])]
    assert gaps_s[:2] == pytest.approx([PAIR_S, FIRST_GAP_S], abs=0.02)
    later_s = sorted(gaps_s[10:-3])
    assert later_s[0] == pytest.approx(PAIR_S, abs=0.02)
    assert later_s[-1] == pytest.approx(MOST_GAP_S, abs=0.02)
    assert gaps_s[-1] == pytest.approx(PAIR_S)


def test_rows_are_bounded_per_second_and_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process runs for months: the hour's rows come back, and only rows count."""
    monkeypatch.setattr(thread_stacks, "ROWS_PER_HOUR", 10)
    monkeypatch.setattr(thread_stacks, "ROWS_PER_S", 1)
    with Pool(tmp_path, 4) as pool:
        for step in range(200):
            pool.log.look(step * 0.1, calls_wait=True)
        rows = pool.read_rows()
        pool.log.look(3 * HOUR_S, calls_wait=True)
        later = pool.read_rows()[len(rows) :]
    assert len(rows) == 16  # the pair that reaches the bound is the last one
    assert rows[8].at_s - rows[4].at_s >= 8.0
    assert [each.at_s for each in later] == [3 * HOUR_S] * 4


def test_a_reason_that_comes_again_and_again_is_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends before the second sample of its pair, each time."""
    monkeypatch.setattr(thread_stacks, "ROWS_PER_HOUR", 10)
    with Pool(tmp_path, 4) as pool:
        for step in range(50):
            pool.log.look(step * 1.2, calls_wait=True)
        rows = pool.read_rows()
    assert len(rows) == 12  # until the bound is reached


def test_a_loop_that_is_read_and_not_written_uses_up_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_stacks, "ROWS_PER_HOUR", 7)
    readable, writable = socket.socketpair()
    with Pool(tmp_path, 1) as pool:
        with stand(lambda: readable.recv(1), lambda: writable.send(b"1")) as idle:
            natives = {each.ident: each.native_id or 0 for each in threading.enumerate()}
            watch = SimpleNamespace(native_id=natives[idle])
            pool.recorder.loops = {None: watch}  # type: ignore[dict-item]
            for step in range(100):
                pool.log.look(step * 0.1, calls_wait=True)
        rows = pool.read_rows()
    readable.close()
    writable.close()
    assert len(rows) == 8  # whole pairs


class Deadlock:
    """Requests take what nothing returns until the test does."""

    def __init__(self) -> None:
        self.connections: queue.Queue[int] = queue.Queue()
        self.app = Starlette(routes=[Route("/{name}", self.answer)])

    def answer(self, _: Request) -> PlainTextResponse:
        self.connections.get(timeout=PATIENCE_S)
        return PlainTextResponse("answered")

    async def ask(self, app: App) -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 3
        calls = [asyncio.ensure_future(ask(app, f"/{name}")) for name in range(5)]
        while limiter.statistics().tasks_waiting < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(2.5 * PAIR_S)  # time for the watchdog's samples
        for _ in calls:
            self.connections.put(1)
            await asyncio.sleep(0)
        await asyncio.gather(*calls)


def test_an_audit_writes_them_a_study_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Deadlock()
    observe(study.app, tmp_path, study.ask)
    (path,) = tmp_path.glob("probe-*.journal")
    assert b'"t"' not in path.read_bytes()
    folder = tmp_path / "audit"
    folder.mkdir()
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(folder))
    audit = Deadlock()
    observed = observe(audit.app, folder, audit.ask)
    (path,) = folder.glob("probe-*.journal")
    rows = read_table(path.read_bytes(), "t")
    assert {each.waits_for for each in rows} == {None, "Queue"}
    visits = {each.visit for each in observed.requests}
    assert {each.visit for each in rows} < visits
    assert len({each.thread_id for each in rows}) == 3
    calls = {each.handover: each for each in read_table(path.read_bytes(), "w")}
    assert {(calls[each.handover].visit, calls[each.handover].thread_id) for each in rows} == {
        (each.visit, each.thread_id) for each in rows
    }
