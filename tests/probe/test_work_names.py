"""Names of the work of pool threads, independent of how a framework wraps it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace

import anyio
import anyio.to_thread
import pytest
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.limiters import taken
from asgi_probe.routes import App
from asgi_probe.work_names import describe_work
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.params import Depends as DependsParameter
from starlette.responses import FileResponse, StreamingResponse

from tests.probe.handover_support import Gate, find_row, find_rows, record, wait_until_queued
from tests.probe.support import ask, get


@pytest.fixture(autouse=True)
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))


def name(function: Callable[..., object], *given: object) -> str:
    return (describe_work(function, given) or "").split(" ")[-1]


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def __iter__(self) -> Counter:
        return self

    def __next__(self) -> int:
        return self.count

    def add(self, _: int) -> None: ...

    def __call__(self) -> None: ...


def decorate(function: Callable[[], None]) -> Callable[[], None]:
    @wraps(function)
    def call() -> None:
        function()

    return call


@decorate
def decorated() -> None: ...


def generate() -> Iterator[int]:
    yield 1


def test_wrappers_are_looked_through() -> None:
    assert name(partial(partial(Counter().add), 2)) == "Counter.add"
    assert name(copy_context().run, partial(generate)) == "generate"
    assert name(partial(copy_context().run, decorated)) == "decorated"
    assert name(next, generate()) == "generate"
    assert name(contextmanager(generate)().__enter__) == "generate"
    assert name(next, Counter()) == "Counter.__next__"
    assert name(Counter().add, 1) == "Counter.add"
    assert name(Counter()) == "Counter.__call__"
    assert name(Counter) == "Counter.__init__"


def test_what_is_written_in_c_has_the_name_of_its_module(tmp_path: Path) -> None:
    assert name(sorted) == "builtins.sorted"
    assert name(int, "1") == "builtins.int"
    assert name([].append, 1) == "builtins.list.append"
    assert name(next, iter([1])) == "builtins.list_iterator"
    with (tmp_path / "file").open("wb") as file:
        assert name(file.write, b"") == "_io.BufferedWriter.write"


def test_an_object_that_breaks_when_it_is_looked_at_has_no_name() -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> object:
            raise ValueError(name)

        def __call__(self) -> None: ...

    endless = partial(int)
    for _ in range(1_000):
        endless = partial(endless)  # partial of a partial is one
    nested: object = Hostile()
    assert describe_work(nested, ()) is None  # type: ignore[arg-type]
    assert name(endless) == "builtins.int"


def test_each_stage_of_a_request_has_the_name_of_its_own_code(tmp_path: Path) -> None:
    app = FastAPI()
    file = tmp_path / "file.txt"
    file.write_text("x")

    def depend() -> Iterator[int]:
        yield 1

    def plain() -> int:
        return 1

    @app.get("/")
    def answer(
        tasks: BackgroundTasks, _: int = Depends(depend), __: int = Depends(plain)
    ) -> dict[str, int]:
        tasks.add_task(work_after)
        return {}

    def work_after() -> None: ...

    def produce() -> Iterator[str]:
        yield "a"
        yield "b"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(produce())

    @app.get("/file")
    async def send_file() -> FileResponse:
        return FileResponse(file)

    rows = record(app, tmp_path, get("/", "/stream", "/file"))
    assert len(find_rows(rows, "depend")) == 2  # it is entered, and left
    assert {row.visit for row in find_rows(rows, "depend")} == {find_row(rows, "answer").visit}
    assert find_row(rows, "plain").asked_s < find_row(rows, "answer").asked_s
    assert find_row(rows, "work_after").asked_s > find_row(rows, "answer").ended_s
    chunks = find_rows(rows, "produce")
    assert len(chunks) == 3  # the last call finds the end, which is not a failure
    assert not any(row.failed for row in rows)
    of_file = [row.work for row in rows if row.visit > chunks[0].visit]
    assert any(work.endswith("open") for work in of_file)
    assert not any("anyio" in work or "partial" in work for work in of_file)


def test_the_place_that_asks_is_of_the_stage(tmp_path: Path) -> None:
    app = FastAPI()

    def depend() -> int:
        return 1

    @app.get("/")
    async def answer(_: int = Depends(depend)) -> None:
        await anyio.to_thread.run_sync(decorated)

    rows = record(app, tmp_path, get("/", "/"))
    dependencies, own = find_rows(rows, "depend"), find_rows(rows, "decorated")
    assert '"solve_dependencies"' in dependencies[0].asker
    assert '"answer"' not in dependencies[0].asker
    line = answer.__code__.co_firstlineno
    assert f'"{__file__}", {line + 2}, "answer", {line}]' in own[0].asker
    assert own[0].asker == own[1].asker


has_limits = pytest.mark.skipif(
    "max_concurrency" not in getattr(DependsParameter, "__dataclass_fields__", {}),
    reason="this FastAPI has no such limit",
)


@has_limits
def test_a_request_may_have_two_tokens_of_a_dependencys_limit(tmp_path: Path) -> None:
    app = FastAPI()

    async def depend() -> AsyncIterator[None]:
        yield

    limited = Depends(depend, use_cache=False, max_concurrency=2)  # type: ignore[call-arg,unused-ignore]

    async def depend_on_it(_: None = limited) -> None: ...

    @app.get("/")
    async def answer(_: None = limited, __: None = Depends(depend_on_it)) -> None: ...

    rows = [row for row in record(app, tmp_path, get("/")) if row.queue.startswith("limiter")]
    assert len(rows) == 2
    assert [row for row in rows if row.ended_s is None] == []
    assert taken == {}


@has_limits
def test_a_limit_of_a_dependency_is_a_queue(tmp_path: Path) -> None:
    gate = Gate()
    app = FastAPI()

    def depend() -> None:
        gate.enter()

    @app.get("/")
    async def answer(_: None = Depends(depend, max_concurrency=1)) -> None: ...  # type: ignore[call-arg,unused-ignore]

    async def calls(probed: App) -> None:
        first = asyncio.create_task(ask(probed, "/"))
        await gate.wait_until_entered()
        second = asyncio.create_task(ask(probed, "/"))
        for _ in range(200):  # until it stands before the limit
            await asyncio.sleep(0)
        gate.leave.set()
        await asyncio.gather(first, second)

    rows = record(app, tmp_path, calls)
    first, second = (row for row in rows if row.queue.startswith("limiter"))
    assert (first.work, first.began_s, first.thread_id, first.capacity) == (None, None, 0, 1)
    works = find_rows(rows, "depend")
    assert first.queued_s is None
    assert second.queued_s < works[0].ended_s <= first.ended_s <= second.granted_s
    assert first.granted_s <= works[0].asked_s <= works[0].ended_s <= first.ended_s


def test_limiters_of_the_app_are_queues_of_their_own(tmp_path: Path) -> None:
    gate = Gate()

    async def hold(limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            await anyio.to_thread.run_sync(gate.enter)

    async def calls(probed: App) -> None:
        await ask(probed, "/none")
        limiter = anyio.CapacityLimiter(1)
        first = asyncio.create_task(hold(limiter))
        await gate.wait_until_entered()
        second = asyncio.create_task(anyio.to_thread.run_sync(int, limiter=limiter))
        await wait_until_queued(limiter)
        gate.leave.set()
        await asyncio.gather(first, second)

    rows = record(FastAPI(), tmp_path, calls)
    taken, entered, queued = rows
    assert taken.queue.startswith("limiter ")
    assert (entered.queue, queued.queue) == ("anyio", taken.queue)
    assert (taken.work, taken.thread_id, taken.queued_s) == (None, 0, None)
    assert taken.granted_s <= entered.asked_s <= entered.ended_s <= taken.ended_s
    assert queued.queued_s < taken.ended_s <= queued.granted_s


def test_a_limiter_for_each_call_is_one_queue(tmp_path: Path) -> None:
    """FastAPI creates one like this to leave each generator."""

    async def calls(probed: App) -> None:
        await ask(probed, "/none")
        for _ in range(50):
            await anyio.to_thread.run_sync(int, limiter=anyio.CapacityLimiter(1))
        kept = [anyio.CapacityLimiter(1) for _ in range(2)]
        for each in kept:
            await anyio.to_thread.run_sync(str, limiter=each)

    rows = record(FastAPI(), tmp_path, calls)
    assert len({row.queue for row in find_rows(rows, "int")}) == 1
    assert len({row.queue for row in find_rows(rows, "str")}) == 2


def test_the_default_limiter_by_name_is_the_pool(tmp_path: Path) -> None:
    async def calls(probed: App) -> None:
        await ask(probed, "/none")
        limiter = anyio.to_thread.current_default_thread_limiter()
        await anyio.to_thread.run_sync(int, limiter=limiter)

    (row,) = record(FastAPI(), tmp_path, calls)
    assert row.queue == "anyio"


def test_asgirefs_wrapper_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    class SyncToAsync:
        def __init__(self, func: Callable[[], None]) -> None:
            self.func = func

        def thread_handler(self, *_: object) -> None: ...

    SyncToAsync.__module__ = "asgiref.sync"
    monkeypatch.setitem(sys.modules, "asgiref.sync", SimpleNamespace(SyncToAsync=SyncToAsync))
    assert name(partial(SyncToAsync(decorated).thread_handler, 1, 2)) == "decorated"
