"""The probe in front of tiny apps, in-process; events prove concurrency, not sleeps. Runs on every
Python that the probe supports (probe/check.sh), so it needs only pytest and FastAPI."""

import asyncio
import inspect
import json
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import anyio.to_thread
import asgi_probe
import pytest
from asgi_probe import Probe
from asgi_probe.attach_report import DIRECTORY_VARIABLE, AttachReport
from asgi_probe.blocks import LoopWatch
from asgi_probe.journal import ProbeJournal
from asgi_probe.recorder import Recorder
from asgi_probe.request_record import HANDLERS, classify_thread, is_endpoint_call
from asgi_probe.routes import App, Message, Receive, Scope, Send
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.probe.handover_support import Gate
from tests.probe.support import ask, get, ignore, observe, read_rows, read_table


def test_a_def_endpoint_runs_on_a_thread_of_the_pool(tmp_path: Path) -> None:
    ran_on: list[int] = []
    app = FastAPI()

    @app.get("/items/{number}")
    def item(number: int) -> int:
        ran_on.append(threading.get_native_id())
        return number

    calls = get("/items/5", **{"x-request-id": "00000000000000ab"})
    (row,) = observe(app, tmp_path, calls).requests
    assert row.thread_id == ran_on[0] != threading.get_native_id()
    assert row.thread_kind == "anyio-worker"
    assert row.route == "/items/{number}"
    assert row.request_id == 0xAB
    assert row.status == 200
    assert row.arrived_s <= row.queued_s <= row.started_s <= row.ended_s <= row.sent_s


@pytest.mark.parametrize("own", ["7b0b3a3e-6e1c-4f38-a06a-0a1f2a3b4c5d", "00000000000000cd", ""])
def test_an_audit_s_id_wins_over_the_user_s_own(own: str, tmp_path: Path) -> None:
    headers = {"x-study-request-id": "00000000000000ab", "x-request-id": own}
    for given in (headers, dict(reversed(headers.items()))):
        folder = tmp_path / next(iter(given))
        folder.mkdir()
        (row,) = observe(FastAPI(), folder, get("/", **given)).requests
        assert row.request_id == 0xAB


@pytest.mark.parametrize(
    "last",
    [
        {"type": "http.response.body"},
        {"type": "http.response.pathsend", "path": "/a"},  # Granian offers it, Starlette uses it
        {"type": "http.response.zerocopysend", "file": 3},
    ],
    ids=lambda each: str(each["type"]),
)
def test_each_kind_of_last_part_ends_the_response(last: Message, tmp_path: Path) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send(last)

    (row,) = observe(app, tmp_path, get("/")).requests
    assert row.ended_s <= row.sent_s


def test_an_async_endpoint_runs_on_the_loop(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "x"

    seen = observe(app, tmp_path, get("/"))
    (row,) = seen.requests
    assert row.thread_kind == "loop"
    assert row.thread_id == threading.get_native_id()
    assert row.queued_s is None
    assert row.request_id == 0
    assert {sample.threads_loop for sample in seen.samples} == {1}


def test_starlette_endpoints_are_told_apart_too(tmp_path: Path) -> None:
    def blocking(_: Request) -> Response:
        return PlainTextResponse("x")

    async def awaiting(_: Request) -> Response:
        return PlainTextResponse("x")

    app = Starlette(routes=[Route("/b", blocking), Route("/a", awaiting)])
    seen = observe(app, tmp_path, get("/b", "/a"))
    assert [row.thread_kind for row in seen.requests] == ["anyio-worker", "loop"]


def test_a_sync_dependency_waits_for_the_pool_as_well(tmp_path: Path) -> None:
    """An async endpoint behind one trivial sync Depends waits in the same queue."""
    app = FastAPI()
    gate = Gate()

    app.get("/hold")(gate.enter)

    def trivial() -> int:
        return 1

    @app.get("/depends")
    async def depends(_: Annotated[int, Depends(trivial)]) -> None: ...

    async def calls(probed: App) -> None:
        pool = anyio.to_thread.current_default_thread_limiter()
        pool.total_tokens = 1
        held = asyncio.create_task(ask(probed, "/hold"))
        await gate.wait_until_entered()
        queued = asyncio.create_task(ask(probed, "/depends"))
        while not pool.statistics().tasks_waiting:
            await asyncio.sleep(0)
        # Ten watchdog periods: at least one sample sees the full pool, however late a thread is.
        await asyncio.sleep(0.1)
        gate.leave.set()
        await asyncio.gather(held, queued)

    seen = observe(app, tmp_path, calls)
    by_route = {row.route: row for row in seen.requests}
    assert by_route["/depends"].thread_kind == "loop"
    assert by_route["/depends"].pool_wait_s > 0.05
    assert by_route["/hold"].thread_kind == "anyio-worker"
    assert max(sample.pool_waiting for sample in seen.samples) == 1
    assert max(sample.pool_total for sample in seen.samples) == 1


def test_a_background_task_is_not_the_endpoint(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def root(tasks: BackgroundTasks) -> None:
        tasks.add_task(int)

    (row,) = observe(app, tmp_path, get("/")).requests
    assert row.thread_kind == "loop"


def test_an_offloaded_call_leaves_the_handler_on_the_loop(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        await anyio.to_thread.run_sync(int)

    (row,) = observe(app, tmp_path, get("/")).requests
    assert row.thread_kind == "loop"
    assert row.pool_wait_s > 0


def test_what_blocks_the_loop_is_named(tmp_path: Path) -> None:
    """The block lasts until the watchdog has seen it: a condition, not a duration."""
    app = FastAPI()

    @app.get("/block")
    async def block() -> None:
        wait_until_written(tmp_path, b"wait_until_written")

    seen = observe(app, tmp_path, get("/block"))
    assert len(seen.requests) == 1
    blocked = [sample for sample in seen.samples if sample.blocked_route]
    assert {sample.blocked_route for sample in blocked} == {"/block"}
    assert all("test_probe.py:" in sample.blocked_frame for sample in blocked)
    assert any("wait_until_written" in sample.blocked_frame for sample in blocked)
    assert max(sample.heartbeat_age_s for sample in seen.samples) > 0.1


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
    """Like a server that logs to a slow terminal. The test reads the journal in between."""
    library: dict[str, object] = {
        "__name__": "some_library",
        "is_seen": lambda: is_written(tmp_path, b"some_library app"),
    }
    exec(compile(LIBRARY, "/elsewhere/some_library.py", "exec"), library)
    seen = observe(library["app"], tmp_path, get("/"))
    assert "some_library app" in {sample.blocked_frame for sample in seen.samples}


def is_written(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in folder.glob("probe-*.journal"))


def wait_until_written(folder: Path, text: bytes) -> None:
    pause = threading.Event()
    for _ in range(500):
        if is_written(folder, text):
            return
        pause.wait(0.01)  # blocks the loop's thread, like the planted code
    raise AssertionError("the watchdog did not see the block within 5 s")


def test_a_request_that_never_ends_is_a_row_too(tmp_path: Path) -> None:
    app = FastAPI()
    begun = threading.Event()
    copied: list[bytes] = []

    @app.get("/")
    async def root() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def calls(probed: App) -> None:
        asking = asyncio.create_task(ask(probed, "/"))
        while not begun.is_set():
            await asyncio.sleep(0)
        for _ in range(500):  # until a snapshot of it is on disk; at most 5 s
            if is_written(tmp_path, b'"loop"'):
                break
            await asyncio.sleep(0.01)
        copied.extend(path.read_bytes() for path in tmp_path.glob("probe-*.journal"))
        asking.cancel()

    observe(app, tmp_path, calls)
    (row,) = read_table(copied[0], "h")
    assert row.ended_s is None
    assert row.thread_kind == "loop"


def test_where_it_cannot_know_it_says_nothing(tmp_path: Path) -> None:
    async def raw(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    (row,) = observe(raw, tmp_path, get("/x")).requests
    assert (row.thread_kind, row.thread_id, row.started_s) == (None, 0, None)
    assert (row.route, row.status) == ("/x", 204)


def test_an_odd_status_or_id_does_not_end_the_recording(tmp_path: Path) -> None:
    """uvicorn sends 200.0 as 200; the id is a client's. Neither fits into its column."""
    statuses: list[object] = [200.0, 99_999, -1, "200", HTTPStatus.NOT_FOUND, 200]
    pending = list(statuses)

    async def raw(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": pending.pop(0), "headers": []})
        await send({"type": "http.response.body", "body": b""})

    calls = get(*["/"] * len(statuses), **{"x-request-id": "-00000000000000f"})
    rows = observe(raw, tmp_path, calls).requests
    assert [(row.status, row.request_id) for row in rows] == [
        (each, 0) for each in (200, 0, 0, 0, 404, 200)
    ]


def test_it_looks_through_base_http_middleware(tmp_path: Path) -> None:
    app = FastAPI()

    async def passing(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)

    @app.get("/")
    def root() -> None: ...

    (row,) = observe(app, tmp_path, get("/")).requests
    assert row.thread_kind == "anyio-worker"


def test_an_error_of_the_app_passes_through(tmp_path: Path) -> None:
    async def broken(_: Scope, __: Receive, ___: Send) -> None:
        raise LookupError("the app's own")

    async def calls(probed: App) -> None:
        with pytest.raises(LookupError, match="the app's own"):
            await ask(probed, "/")

    seen = observe(broken, tmp_path, calls)
    assert [row.status for row in seen.requests] == [0]
    assert not seen.probe.recorder.off


async def stay(_: Scope, __: Receive, ___: Send) -> None:
    await asyncio.sleep(0)


async def close_elsewhere(app: App) -> None:
    """Begin a request and close its coroutine in another context, as the garbage collector does
    with what a closed loop has left."""
    call = ask(app, "/")
    copy_context().run(call.send, None)
    call.close()


def test_a_request_that_is_closed_in_another_context_departs(tmp_path: Path) -> None:
    seen = observe(stay, tmp_path, close_elsewhere)
    assert len(seen.requests) == 1
    assert not seen.probe.recorder.in_flight


def test_in_the_plug_in_it_departs_too() -> None:
    from asgi_probe.testing.requests import recorder, wrap_call

    asyncio.run(close_elsewhere(partial(wrap_call(lambda _, *given: stay(*given)), stay)))
    assert not recorder.in_flight


def test_the_readmes_app_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands: its folder does not exist, and its port may be in use."""
    text = (Path(asgi_probe.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Use it as a library\n\n```python\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, App] = {}
    exec(section.partition("```")[0], names)
    probed = names["probed"]
    assert isinstance(probed, Probe)
    asyncio.run(ask(probed, "/"))
    probed.stop()
    assert len(read_rows(tmp_path / "journals")[0]) == 1


def test_an_app_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    probe = Probe(FastAPI(), Path("a/b"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    asyncio.run(ask(probe, "/"))
    probe.stop()
    assert len(read_rows(tmp_path / "a/b")[0]) == 1
    assert list((tmp_path / "other").iterdir()) == []


def test_a_folder_that_was_removed_does_not_affect_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert Probe(FastAPI()).recorder.off
    own = Probe(FastAPI(), Path("journals"))
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "audit"))
    for probe in (Probe(FastAPI()), own):
        assert asyncio.run(ask(probe, "/")).status == 404
        probe.stop()
    assert len(read_rows(tmp_path / "audit")[0]) == 1


def test_a_fault_of_the_probe_switches_it_off_and_the_app_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "still here"

    (tmp_path / "file").touch()
    probe = Probe(app, tmp_path / "file" / "no folder")

    async def calls() -> list[bytes]:
        return [(await ask(probe, "/")).body for _ in range(3)]

    assert asyncio.run(calls()) == [b'"still here"'] * 3
    assert probe.recorder.off
    assert caplog.text.count("the probe is switched off") == 1


def test_the_report_says_where_it_broke_and_not_what_the_error_said(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.report = AttachReport(tmp_path, recorder, "", "by hand")
    try:
        raise KeyError("s3cr3t-value")
    except KeyError as error:
        recorder.switch_off(error)
    (file,) = tmp_path.iterdir()
    line = inspect.getsourcelines(test_the_report_says_where_it_broke_and_not_what_the_error_said)[
        1
    ]
    assert json.loads(file.read_text())["stopped"] == f"KeyError in test_probe.py:{line + 4}"
    assert "s3cr3t" not in file.read_text()


def test_a_request_that_departs_while_the_others_are_written_does_not_end_the_probe(
    tmp_path: Path,
) -> None:
    """The watchdog's thread still has it in its list when the loop has shortened its scope."""
    recorder = Recorder()
    journal = ProbeJournal(tmp_path / "probe.journal", {"h": HANDLERS}, {"pid": 1})
    recorder.start_journal(journal)
    scope: Scope = {"type": "http", "path": "/x", "method": "GET", "headers": []}
    record = recorder.record_arrival(scope, LoopWatch(times_handles=False, times_steps=False))
    recorder.record_departure(record)
    journal.flush()
    before = (tmp_path / "probe.journal").stat().st_size
    recorder.in_flight[record] = None
    recorder.write_snapshot(journal, is_last=True)
    journal.flush()
    assert not recorder.off
    assert (tmp_path / "probe.journal").stat().st_size == before
    journal.close()


def test_a_fault_in_the_watchdog_is_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("asgi_probe.loop_monitor.LoopMonitor._pack_sample", broken)
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "x"

    async def calls(probed: App) -> None:
        for _ in range(500):  # at most 5 s
            assert (await ask(probed, "/")).status == 200
            if "switched off" in caplog.text:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the fault was not noticed")

    observe(app, tmp_path, calls)


async def receive_nothing() -> Message:
    return {}


def test_other_protocols_pass_untouched(tmp_path: Path) -> None:
    seen: list[object] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def run() -> None:
        probe = Probe(app, tmp_path)
        await probe({"type": "websocket"}, receive_nothing, ignore)
        await probe({"type": "lifespan"}, receive_nothing, ignore)
        probe.stop()

    asyncio.run(run())
    assert seen == ["websocket", "lifespan"]


def test_the_end_of_the_lifespan_writes_what_is_left(tmp_path: Path) -> None:
    """The signal that ended uvicorn kills the process, so atexit functions do not run."""
    app = FastAPI()

    @app.get("/")
    async def root() -> None: ...

    async def run() -> None:
        probe = Probe(app, tmp_path)
        messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
        served = asyncio.Event()

        async def receive() -> Message:
            message = next(messages)
            if message["type"] == "lifespan.shutdown":
                await served.wait()
            return dict(message)

        living = asyncio.ensure_future(probe({"type": "lifespan"}, receive, ignore))
        await ask(probe, "/")
        served.set()
        await living

    asyncio.run(run())
    requests, _ = read_rows(tmp_path)
    assert [row.status for row in requests] == [200]


def test_names_tell_threads_apart() -> None:
    class Unnamed(threading.Thread):
        @property
        def name(self) -> str:
            raise LookupError

        @name.setter
        def name(self, _: str) -> None: ...

    assert classify_thread(threading.Thread(name="AnyIO worker thread")) == "anyio-worker"
    assert classify_thread(threading.Thread(name="asyncio_3")) == "executor"
    assert classify_thread(threading.Thread(name="Thread-1")) == "other"
    assert classify_thread(Unnamed()) == "other"


def test_which_call_is_the_endpoint() -> None:
    def endpoint(_: int = 0) -> None: ...

    def outer(*_: object, **__: object) -> None: ...

    assert is_endpoint_call(endpoint, endpoint)
    assert is_endpoint_call(partial(endpoint, 1), endpoint)
    assert is_endpoint_call(partial(outer, function=endpoint, arguments={}), endpoint)
    assert not is_endpoint_call(outer, endpoint)
    assert not is_endpoint_call(partial(outer, 1), endpoint)
    assert not is_endpoint_call(endpoint, None)
    assert not is_endpoint_call(partial(outer, function=Array()), endpoint)


class Array:
    """Compares each of its items, as numpy's arrays do."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> "Array":  # type: ignore[override]
        return self

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")
