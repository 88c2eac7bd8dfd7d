"""The probe in front of tiny apps, in-process; concurrency is proven by events, not by sleeps."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
import httpx
import polars as pl
import pytest
from asgi_probe import Probe
from asgi_probe.middleware import Message, Receive, Send
from asgi_probe.request_record import Scope, classify_thread, is_endpoint_call
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from records.build_tables import build_handlers_table, build_probe_table, read_journals

Calls = Callable[[httpx.AsyncClient], Awaitable[None]]


def observe(app: object, folder: Path, calls: Calls) -> tuple[pl.DataFrame, pl.DataFrame, Probe]:
    """Runs the calls against the probed app; returns what the probe wrote down."""
    probe = Probe(app, folder, Path(__file__).parent)  # type: ignore[arg-type]

    async def run() -> None:
        transport = httpx.ASGITransport(probe)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await calls(client)

    asyncio.run(run())
    probe.stop()
    journals, lost = read_journals(sorted(folder.glob("probe-*.journal")))
    assert lost == ()
    return build_handlers_table(journals, 0.0, 1e12), build_probe_table(journals, 0.0, 1e12), probe


def get(*paths: str, **headers: str) -> Calls:
    async def calls(client: httpx.AsyncClient) -> None:
        for path in paths:
            await client.get(path, headers=headers)

    return calls


def test_a_def_endpoint_runs_on_a_thread_of_the_pool(tmp_path: Path) -> None:
    ran_on: list[int] = []
    app = FastAPI()

    @app.get("/items/{number}")
    def item(number: int) -> int:
        ran_on.append(threading.get_native_id())
        return number

    rows, _, _ = observe(app, tmp_path, get("/items/5", **{"x-request-id": "00000000000000ab"}))
    (row,) = rows.to_dicts()
    assert row["thread_id"] == ran_on[0] != threading.get_native_id()
    assert row["thread_kind"] == "anyio-worker"
    assert row["route"] == "/items/{number}"
    assert row["request_id"] == 0xAB
    assert row["status"] == 200
    times = [row[name] for name in ("arrived_s", "queued_s", "started_s", "ended_s", "sent_s")]
    assert times == sorted(times)


def test_an_async_endpoint_runs_on_the_loop(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "x"

    rows, samples, _ = observe(app, tmp_path, get("/"))
    (row,) = rows.to_dicts()
    assert row["thread_kind"] == "loop"
    assert row["thread_id"] == threading.get_native_id()
    assert row["queued_s"] is None
    assert row["request_id"] is None
    assert samples["threads_loop"].max() == 1


def test_starlette_endpoints_are_told_apart_too(tmp_path: Path) -> None:
    def blocking(_: Request) -> Response:
        return PlainTextResponse("x")

    async def awaiting(_: Request) -> Response:
        return PlainTextResponse("x")

    app = Starlette(routes=[Route("/b", blocking), Route("/a", awaiting)])
    rows, _, _ = observe(app, tmp_path, get("/b", "/a"))
    assert rows["thread_kind"].to_list() == ["anyio-worker", "loop"]


def test_a_sync_dependency_waits_for_the_pool_as_well(tmp_path: Path) -> None:
    """An async endpoint behind one trivial sync Depends stands in the same queue."""
    app = FastAPI()
    release = threading.Event()
    holding = threading.Event()

    @app.get("/hold")
    def hold() -> None:
        holding.set()
        release.wait(10)

    def trivial() -> int:
        return 1

    @app.get("/depends")
    async def depends(_: Annotated[int, Depends(trivial)]) -> None: ...

    async def calls(client: httpx.AsyncClient) -> None:
        from anyio.to_thread import current_default_thread_limiter

        pool = current_default_thread_limiter()
        pool.total_tokens = 1
        held = asyncio.create_task(client.get("/hold"))
        while not holding.is_set():
            await asyncio.sleep(0)
        queued = asyncio.create_task(client.get("/depends"))
        while not pool.statistics().tasks_waiting:
            await asyncio.sleep(0)
        await watched(probe_samples)
        release.set()
        await asyncio.gather(held, queued)

    probe_samples = asyncio.Event()

    async def watched(_: asyncio.Event) -> None:
        """Three watchdog periods: one look at the full pool is certain, however late a thread."""
        await asyncio.sleep(0.1)

    rows, samples, _ = observe(app, tmp_path, calls)
    by_route = {row["route"]: row for row in rows.to_dicts()}
    assert by_route["/depends"]["thread_kind"] == "loop"
    assert by_route["/depends"]["pool_wait_s"] > 0.05
    assert by_route["/hold"]["thread_kind"] == "anyio-worker"
    assert samples["pool_waiting"].max() == 1
    assert samples["pool_total"].max() == 1


def test_a_background_task_is_not_the_endpoint(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def root(tasks: BackgroundTasks) -> None:
        tasks.add_task(int)

    rows, _, _ = observe(app, tmp_path, get("/"))
    assert rows["thread_kind"].to_list() == ["loop"]


def test_an_offloaded_call_leaves_the_handler_on_the_loop(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        await anyio.to_thread.run_sync(int)

    rows, _, _ = observe(app, tmp_path, get("/"))
    (row,) = rows.to_dicts()
    assert row["thread_kind"] == "loop"
    assert row["pool_wait_s"] > 0


def test_what_blocks_the_loop_is_named(tmp_path: Path) -> None:
    """The block lasts until the watchdog has seen it: a condition, not a length of time."""
    app = FastAPI()
    seen = threading.Event()

    @app.get("/block")
    async def block() -> None:
        until_seen(tmp_path, seen)

    rows, samples, _ = observe(app, tmp_path, get("/block"))
    assert rows.height == 1
    held = samples.drop_nulls("blocked_route")
    assert set(held["blocked_route"]) == {"/block"}
    assert all("test_probe.py:" in frame for frame in held["blocked_frame"])
    assert any("until_seen" in frame for frame in held["blocked_frame"])
    assert samples["heartbeat_age_s"].max() > 0.1  # type: ignore[operator]


LIBRARY = """
from time import sleep

async def app(scope, receive, send):
    for _ in range(500):
        if is_seen():
            break
        sleep(0.01)  # blocks the loop's thread, as the culprit would
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


def test_a_library_is_named_where_no_line_of_the_users_holds_the_loop(tmp_path: Path) -> None:
    """As a server that writes its log to a slow terminal. The looks into the journal are ours."""
    library: dict[str, Any] = {"__name__": "some_library"}
    exec(compile(LIBRARY, "/elsewhere/some_library.py", "exec"), library)

    def is_seen() -> bool:
        journals = tmp_path.glob("probe-*.journal")
        return any(b"some_library app" in path.read_bytes() for path in journals)

    library["is_seen"] = is_seen
    _, samples, _ = observe(library["app"], tmp_path, get("/"))
    assert "some_library app" in set(samples["blocked_frame"])


def until_seen(folder: Path, seen: threading.Event) -> None:
    for _ in range(500):
        if any(b"until_seen" in path.read_bytes() for path in folder.glob("probe-*.journal")):
            return
        seen.wait(0.01)  # blocks the loop's thread, as the culprit would
    raise AssertionError("the watchdog did not see the block within 5 s")


def test_a_request_that_never_ends_is_a_row_too(tmp_path: Path) -> None:
    app = FastAPI()
    begun = asyncio.Event()

    @app.get("/")
    async def root() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def calls(client: httpx.AsyncClient) -> None:
        asking = asyncio.create_task(client.get("/"))
        await begun.wait()
        for _ in range(500):  # until a snapshot of it is on disk; at most 5 s
            if any(b'"loop"' in path.read_bytes() for path in tmp_path.glob("probe-*.journal")):
                break
            await asyncio.sleep(0.01)
        copied.extend(path.read_bytes() for path in tmp_path.glob("probe-*.journal"))
        asking.cancel()

    copied: list[bytes] = []
    observe(app, tmp_path, calls)
    from records.journal import decode_journal

    (row,) = decode_journal(copied[0]).tables["h"].to_dicts()
    assert row["ended_s"] is None
    assert row["thread_kind"] == "loop"


def test_where_it_cannot_know_it_says_null(tmp_path: Path) -> None:
    async def raw(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    rows, _, _ = observe(raw, tmp_path, get("/x"))
    (row,) = rows.to_dicts()
    assert (row["thread_kind"], row["thread_id"], row["started_s"]) == (None, None, None)
    assert (row["route"], row["status"]) == ("/x", 204)


def test_it_looks_through_base_http_middleware(tmp_path: Path) -> None:
    app = FastAPI()

    async def passing(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)

    @app.get("/")
    def root() -> None: ...

    rows, _, _ = observe(app, tmp_path, get("/"))
    assert rows["thread_kind"].to_list() == ["anyio-worker"]


def test_an_error_of_the_app_passes_through(tmp_path: Path) -> None:
    async def broken(_: Scope, __: Receive, ___: Send) -> None:
        raise LookupError("the app's own")

    async def calls(client: httpx.AsyncClient) -> None:
        with pytest.raises(LookupError, match="the app's own"):
            await client.get("/")

    rows, _, probe = observe(broken, tmp_path, calls)
    assert rows["status"].to_list() == [None]
    assert not probe.recorder.off


def test_a_fault_of_the_probe_switches_it_off_and_the_app_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "still here"

    missing = tmp_path / "not there"

    async def calls() -> list[str]:
        probe = Probe(app, missing)
        transport = httpx.ASGITransport(probe)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            texts = [(await client.get("/")).text for _ in range(3)]
        assert probe.recorder.off
        return texts

    assert asyncio.run(calls()) == ['"still here"'] * 3
    assert caplog.text.count("the probe is switched off") == 1


def test_a_fault_in_the_watchdog_is_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("asgi_probe.watchdog.Watchdog._sample_loop", broken)
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "x"

    async def calls(client: httpx.AsyncClient) -> None:
        for _ in range(500):  # at most 5 s
            assert (await client.get("/")).status_code == 200
            if "switched off" in caplog.text:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the fault was not noticed")

    observe(app, tmp_path, calls)


def test_other_protocols_pass_untouched(tmp_path: Path) -> None:
    seen: list[object] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def nothing() -> Message:
        return {}

    async def ignore(_: Message) -> None: ...

    async def run() -> None:
        probe = Probe(app, tmp_path)
        await probe({"type": "websocket"}, nothing, ignore)
        await probe({"type": "lifespan"}, nothing, ignore)
        probe.stop()

    asyncio.run(run())
    assert seen == ["websocket", "lifespan"]


def test_the_end_of_the_lifespan_writes_what_is_left(tmp_path: Path) -> None:
    """uvicorn dies of the signal that ended it: atexit is not reached."""
    app = FastAPI()

    @app.get("/")
    async def root() -> None: ...

    async def run() -> None:
        probe = Probe(app, tmp_path)
        messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
        transport = httpx.ASGITransport(probe)
        served = asyncio.Event()

        async def receive() -> Message:
            message = next(messages)
            if message["type"] == "lifespan.shutdown":
                await served.wait()
            return dict(message)

        async def ignore(_: Message) -> None: ...

        living = asyncio.create_task(ignored(probe({"type": "lifespan"}, receive, ignore)))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await client.get("/")
        served.set()
        await living

    async def ignored(life: Awaitable[None]) -> None:
        await life

    asyncio.run(run())
    journals, _ = read_journals(sorted(tmp_path.glob("probe-*.journal")))
    assert build_handlers_table(journals, 0.0, 1e12)["status"].to_list() == [200]


def test_names_tell_threads_apart() -> None:
    assert classify_thread("AnyIO worker thread") == "anyio-worker"
    assert classify_thread("asyncio_3") == "executor"
    assert classify_thread("Thread-1") == "other"


def test_which_call_is_the_endpoint() -> None:
    from functools import partial

    def endpoint(_: int = 0) -> None: ...

    def outer(*_: object, **__: object) -> None: ...

    assert is_endpoint_call(endpoint, endpoint)
    assert is_endpoint_call(partial(endpoint, 1), endpoint)
    assert is_endpoint_call(partial(outer, function=endpoint, arguments={}), endpoint)
    assert not is_endpoint_call(outer, endpoint)
    assert not is_endpoint_call(partial(outer, 1), endpoint)
    assert not is_endpoint_call(endpoint, None)
