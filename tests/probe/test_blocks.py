"""Blocks of asyncio's loop: each stretch with its request, its seconds and its evidence. The
blocking calls last a known time, because their duration is measured."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import starlette
from asgi_probe import Probe
from asgi_probe.clocks import read_thread_cpu_s
from asgi_probe.routes import App, Message, Receive, Scope, Send
from asgi_probe.settings import BEAT_VARIABLE
from asgi_probe.stacks import MOST_FRAMES
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from tests.probe.frozen_time import freeze_time
from tests.probe.reentrant_loop import ReentrantLoop
from tests.probe.support import Calls, ask, get, ignore, observe, read_table

BLOCK_S = 0.1
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps these clocks")


def block() -> None:
    time.sleep(BLOCK_S)  # in the loop's thread, like the planted code


def find_blocks(folder: Path) -> list[SimpleNamespace]:
    """The last row of each stretch, with its stacks."""
    (path,) = folder.glob("probe-*.journal")
    content = path.read_bytes()
    rows = {row.stretch: row for row in read_table(content, "b")}
    stacks = read_table(content, "c")
    for row in rows.values():
        row.seconds = row.ended_s - row.began_s
        row.stacks = [json.loads(each.stack) for each in stacks if each.stretch == row.stretch]
        row.gc_stacks = [
            json.loads(each.stack) for each in stacks if each.stretch == row.stretch and each.in_gc
        ]
        row.lines = {frame[3] for stack in row.stacks for frame in stack}
    return sorted(rows.values(), key=lambda row: row.began_s)


def block_in(app: object, folder: Path, calls: Calls) -> list[SimpleNamespace]:
    """Stretches as long as `block`: a busy machine adds short ones."""
    observe(app, folder, calls)
    return [each for each in find_blocks(folder) if each.seconds > 0.9 * BLOCK_S]


def together(*paths: str) -> Calls:
    async def calls(app: App) -> None:
        await ask(app, "/nowhere")  # imports of the first request
        await asyncio.gather(*(ask(app, path) for path in paths))

    return calls


def build_service() -> FastAPI:
    app = FastAPI()

    @app.get("/innocent")
    async def innocent() -> None: ...

    @app.get("/in-gather")
    async def in_gather() -> None:
        async def child() -> None:
            block()

        await asyncio.gather(child(), asyncio.sleep(0))

    @app.get("/in-task")
    async def in_task() -> None:
        async def child() -> None:
            block()

        await asyncio.create_task(child())

    @app.get("/in-callback")
    async def in_callback() -> None:
        done = asyncio.Event()

        def call() -> None:
            block()
            done.set()

        asyncio.get_running_loop().call_later(0.001, call)
        await done.wait()

    @app.get("/twice")
    async def twice() -> None:
        block()
        await asyncio.sleep(0)
        block()

    return app


@pytest.mark.parametrize("path", ["/in-gather", "/in-task", "/in-callback"])
def test_code_in_a_child_task_or_callback_keeps_its_route(tmp_path: Path, path: str) -> None:
    (found,) = block_in(build_service(), tmp_path, together("/innocent", path, "/innocent"))
    assert (found.route, found.timed) == (path, 1)
    assert BLOCK_S <= found.seconds < 2 * BLOCK_S
    assert found.stacks
    assert all(stack[0][3] == "block" for stack in found.stacks)


def test_on_uvloop_a_child_task_keeps_its_route(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")
    probe, calls = Probe(build_service(), tmp_path), together("/in-task", "/in-gather")
    loop = uvloop.new_event_loop()
    loop.run_until_complete(calls(probe))
    loop.close()
    probe.stop()
    long = [each for each in find_blocks(tmp_path) if each.seconds > 0.8 * BLOCK_S]
    assert sorted(each.route for each in long) == ["/in-gather", "/in-task"]
    assert not any(each.timed for each in long)


@pytest.mark.parametrize("depth", [10, 600])
def test_a_recursion_hides_neither_its_line_nor_the_endpoint(tmp_path: Path, depth: int) -> None:
    app = FastAPI()

    @app.get("/")
    async def recurse() -> None:
        def descend(left: int) -> None:
            descend(left - 1) if left else block()

        descend(depth)

    (found,) = block_in(app, tmp_path, get("/"))
    for stack in found.stacks:
        names = [frame[3] for frame in stack]
        assert names[:2] == ["block", "descend"]
        assert "recurse" in names
        assert len(names) <= MOST_FRAMES


def test_under_base_http_middleware_too(tmp_path: Path) -> None:
    app = build_service()

    async def passing(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    found = block_in(app, tmp_path, together("/innocent", "/twice", "/innocent"))
    assert [each.route for each in found] == ["/twice", "/twice"]
    assert len({each.visit for each in found}) == 1


def test_seconds_belong_to_the_request_that_took_them(tmp_path: Path) -> None:
    """Ten at once: the loop is blocked once, and no innocent request behind it is blamed."""
    paths = ["/innocent", *["/twice", "/innocent"] * 5]
    found = block_in(build_service(), tmp_path, together(*paths))
    assert {each.route for each in found} == {"/twice"}
    assert len(found) == 10
    by_visit: dict[int, float] = {}
    for each in found:
        by_visit[each.visit] = by_visit.get(each.visit, 0.0) + each.seconds
    assert len(by_visit) == 5
    assert all(2 * BLOCK_S <= seconds < 3 * BLOCK_S for seconds in by_visit.values())


@ON_LINUX
def test_a_frozen_time_is_none_of_its_times(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with freeze_time():
            block()
            await asyncio.sleep(0)  # the handle ends while the time is frozen
        await PlainTextResponse("")(scope, receive, send)

    (row,) = block_in(app, tmp_path, get("/"))
    assert row.seconds < 60  # the time limit of a test; the frozen time is decades away


@pytest.mark.parametrize("beat_ms", [10, 1_000])  # then the loop waits for long between two beats
def test_a_handle_that_runs_its_own_loop_blocks_it_only_outside_those_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beat_ms: int
) -> None:
    monkeypatch.setenv(BEAT_VARIABLE, str(beat_ms))
    loop = ReentrantLoop()

    async def wait(work: Callable[[], object]) -> None:
        await asyncio.sleep(2 * BLOCK_S)
        work()
        await asyncio.sleep(2 * BLOCK_S)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        block()
        loop.run_until_complete(wait(int))
        block()
        loop.run_until_complete(wait(block))
        block()
        await PlainTextResponse("")(scope, receive, send)

    probe = Probe(app, tmp_path)
    loop.run_until_complete(ask(probe, "/"))
    loop.close()
    probe.stop()
    rows = [each for each in find_blocks(tmp_path) if each.seconds > 0.9 * BLOCK_S]
    assert [row.route for row in rows] == ["/"] * 4
    # less than a run of the loop inside; a busy machine adds to each block
    assert all(row.seconds < 4 * BLOCK_S for row in rows)
    shown = [row.lines & {"block", "wait", "select"} for row in rows]
    expected: list[set[str]] = [{"block"}, {"block"}, {"block", "wait"}, {"block"}]
    # a sample that is late shows nothing, and at the longer beat there need be none
    assert all(lines <= wanted for lines, wanted in zip(shown, expected))
    assert any(shown) or beat_ms > 10


def test_a_wait_uses_no_cpu_and_a_computation_does(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/wait")
    async def wait() -> None:
        block()

    @app.get("/compute")
    async def compute() -> None:
        until_s = time.thread_time() + BLOCK_S
        while time.thread_time() < until_s:
            pass

    waited, computed = block_in(app, tmp_path, together("/wait", "/compute"))
    assert waited.cpu_s < BLOCK_S / 3
    assert computed.cpu_s > 0.8 * BLOCK_S


@ON_LINUX
def test_another_thread_that_computes_is_the_holder(tmp_path: Path) -> None:
    """A C function holds the GIL and so blocks the loop, at any point of the loop's own code."""
    app = FastAPI()
    dice = random.Random(0)
    numbers = [dice.random() for _ in range(2_000_000)]

    @app.get("/sort")
    def sort() -> None:
        sorted(numbers)  # one C call that never releases the GIL, for several times BLOCK_S

    async def calls(probed: App) -> None:
        hog = asyncio.ensure_future(ask(probed, "/sort"))
        while not hog.done():
            await asyncio.sleep(0.001)
        for _ in range(3):
            await ask(probed, "/sort")

    blocks = block_in(app, tmp_path, calls)
    assert {each.holder_route for each in blocks} - {None} == {"/sort"}
    found = next(each for each in blocks if each.holder_route)
    assert found.holder_cpu_s > found.cpu_s
    assert found.unseen_s > found.cpu_s
    # a sample that comes late on a busy machine finds the thread outside the call, or ended
    stacks = [json.loads(each.holder_stack) for each in blocks if each.holder_stack]
    assert "sort" in {stack[0][3] for stack in stacks}


def test_garbage_collection_is_counted(tmp_path: Path) -> None:
    app = FastAPI()
    garbage: list[list[object]] = [[] for _ in range(400_000)]

    @app.get("/")
    async def collect() -> None:
        until_s = time.monotonic() + 2 * BLOCK_S
        while time.monotonic() < until_s:
            gc.collect()

    found = max(block_in(app, tmp_path, get("/")), key=lambda each: each.seconds)
    assert found.gc_s > found.seconds / 2
    assert garbage


def test_a_collection_that_locks_the_watchdog_out_is_seen_by_its_own_thread(
    tmp_path: Path,
) -> None:
    app = FastAPI()
    garbage: list[list[object]] = []

    @app.get("/")
    async def collect() -> None:
        began_s = time.monotonic()
        while time.monotonic() - began_s < BLOCK_S:  # the last one is long on any machine
            garbage.extend([] for _ in range(400_000))
            began_s = time.monotonic()
            gc.collect()

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(60)  # the loop's thread releases the GIL only when it waits
    try:
        found = max(block_in(app, tmp_path, get("/")), key=lambda each: each.seconds)
    finally:
        sys.setswitchinterval(interval_s)
    assert "collect" in {stack[0][3] for stack in found.gc_stacks}


def test_startup_is_blocked_by_no_request(tmp_path: Path) -> None:
    """The probe itself starts in that handle."""

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        block()
        await send({"type": "lifespan.startup.complete"})

    probe = Probe(app, tmp_path)

    async def start() -> None:
        async def receive() -> Message:
            return {"type": "lifespan.startup"}

        await probe({"type": "lifespan"}, receive, ignore)

    asyncio.run(start())
    probe.stop()
    found = max(find_blocks(tmp_path), key=lambda each: each.seconds)
    assert (found.visit, found.route) == (0, None)
    assert 0.9 * BLOCK_S < found.seconds < 2 * BLOCK_S


def test_a_long_stretch_is_sampled_sparsely(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/")
    async def long() -> None:
        time.sleep(1.2)

    (found,) = block_in(app, tmp_path, get("/"))
    assert 10 <= len(found.stacks) <= 60  # of 120 looks


def find_routes(app: object, folder: Path, *paths: str) -> list[SimpleNamespace]:
    requests: list[SimpleNamespace] = observe(app, folder, get(*paths)).requests
    return requests


async def answer(_: Request) -> Response:
    return PlainTextResponse("x")


def test_two_mounted_apps_are_two_routes(tmp_path: Path) -> None:
    app = Starlette(
        routes=[
            Mount("/first", app=Starlette(routes=[Route("/", answer)])),
            Mount("/second/{tenant}", app=Starlette(routes=[Route("/items/{item}", answer)])),
        ]
    )
    rows = find_routes(app, tmp_path, "/first/", "/second/acme/items/5", "/second/other/items/acme")
    assert [row.route for row in rows] == [
        "/first/", "/second/{tenant}/items/{item}", "/second/{tenant}/items/{item}",
    ]  # fmt: skip


UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("mount", "values"),
    [
        ("/t/{tenant:uuid}", (UUID, UUID.upper(), UUID.replace("-", ""))),
        ("/f/{key:path}/in", ("token/SECRET", "in/in/x", "")),
        ("/n/{year:int}", ("7", "007")),
        ("/n/{share:float}", ("1.5", "1.50", "2")),
        ("/x/{key}", ("x", "5", "a%20b", "a\nb")),  # as other parts of the path
        ("/id/{id}", ("SECRET", "5")),  # the name of the route's parameter too
    ],
)
def test_no_value_of_a_mounts_parameter_is_in_its_route(
    tmp_path: Path, mount: str, values: tuple[str, ...]
) -> None:
    """A converter's value may have another text: 1.5 where the client writes 1.50."""
    named = re.sub(r":\w+", "", mount)
    app = Starlette(routes=[Mount(mount, routes=[Route("/x/{id}", answer)])])
    paths = [f"{re.sub('{.*}', each, mount)}/x/5" for each in values]
    assert {row.route for row in find_routes(app, tmp_path, *paths)} == {f"{named}/x/{{id}}"}


@pytest.mark.skipif(
    int(starlette.__version__.split(".")[0]) < 1, reason="needs a Starlette that keeps the route"
)
def test_mounts_that_the_app_does_not_show_have_no_value_either(tmp_path: Path) -> None:
    """A middleware around a mounted app hides its routes."""
    user = Mount("/u/{user}", routes=[Route("/x", answer)])
    plain = Mount("/v", routes=[Route("/x/{id}", answer)])
    app = Starlette(routes=[Mount("/t", app=GZipMiddleware(Starlette(routes=[user, plain])))])
    rows = find_routes(app, tmp_path, "/t/u/SECRET/x", "/t/v/x/5")
    assert [row.route for row in rows] == ["/t/{path}/x", "/t/v/x/{id}"]


def test_the_mounts_of_a_host_are_known(tmp_path: Path) -> None:
    """The values of a host's parameters are in no path."""
    mount = Mount("/t/{key}", routes=[Route("/x", answer)])
    app = Starlette(routes=[Host("{name}", app=Router(routes=[mount]))])
    observed = observe(app, tmp_path, get("/t/SECRET/x", host="shop"))
    assert [row.route for row in observed.requests] == ["/t/{key}/x"]


def test_what_is_mounted_without_routes_is_one_route(tmp_path: Path) -> None:
    tells: list[bool] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        tells.append("route" in scope)  # older frameworks do not keep it
        await PlainTextResponse("x")(scope, receive, send)

    app = Starlette(routes=[Mount("/{tenant}", routes=[Mount("/files", app=serve)])])
    paths = ("/acme/files/a", "/other/files/b/c")
    rows = find_routes(app, tmp_path, *paths)
    assert {row.route for row in rows} == ({"/{tenant}/files/{path}"} if all(tells) else set(paths))


def test_a_mounted_fastapi_and_a_long_name_are_whole(tmp_path: Path) -> None:
    app, inner = FastAPI(), FastAPI()
    name = "/a-name-that-is-longer-than-thirty-two-characters"

    @inner.get(name + "/{item}")
    async def item(item: int) -> int:
        return item

    app.mount("/v1", inner)
    (row,) = find_routes(app, tmp_path, f"/v1{name}/7")
    assert row.route == f"/v1{name}/{{item}}"
    assert (row.method, row.protocol, row.thread_kind) == ("GET", "http", "loop")
    first_line = item.__code__.co_firstlineno
    assert row.endpoint == f"{__file__}:{first_line} {item.__qualname__}"
    assert row.returned_s >= row.sent_s


def test_an_object_with_an_async_call_is_awaited(tmp_path: Path) -> None:
    class Endpoint:
        async def __call__(self) -> str:
            return "x"

    app = FastAPI()
    app.get("/")(Endpoint())
    (row,) = find_routes(app, tmp_path, "/")
    assert row.thread_kind == "loop"
    assert row.endpoint.endswith("Endpoint.__call__")


async def connect(probed: App) -> None:
    scope: Scope = {
        "type": "websocket", "path": "/rooms/5", "raw_path": b"/rooms/5", "root_path": "",
        "query_string": b"", "headers": [], "scheme": "ws", "subprotocols": [],
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await probed(scope, receive, ignore)


def test_a_websocket_is_a_row_and_its_blocks_are_its_own(tmp_path: Path) -> None:
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        block()
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/rooms/{room}", talk)])

    (row,) = observe(app, tmp_path, connect).requests
    assert (row.route, row.protocol, row.status) == ("/rooms/{room}", "websocket", 101)
    assert row.thread_kind == "loop"
    found = max(find_blocks(tmp_path), key=lambda each: each.seconds)
    assert (found.route, found.visit) == ("/rooms/{room}", row.visit)


def test_a_websocket_that_is_refused_has_the_status_of_its_response(tmp_path: Path) -> None:
    async def refuse(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        for more in (True, False):
            await send({"type": "websocket.http.response.body", "body": b"x", "more_body": more})

    (row,) = observe(refuse, tmp_path, connect).requests
    assert row.status == 401
    assert row.arrived_s <= row.sent_s <= row.returned_s


@ON_LINUX
def test_the_clock_of_a_gone_thread_is_refused(tmp_path: Path) -> None:
    gone = threading.Thread(target=tmp_path.exists)
    gone.start()
    gone.join()
    assert gone.native_id is not None
    # the kernel may take a moment to forget it
    deadline_s = time.monotonic() + 5
    while not is_nan(read_thread_cpu_s(gone.native_id)):
        assert time.monotonic() < deadline_s
    assert read_thread_cpu_s(threading.get_native_id()) >= 0


def is_nan(value: float) -> bool:
    return value != value


@pytest.fixture(autouse=True)
def collect_first() -> Iterator[None]:
    """A collection of garbage from other tests would block the loop itself."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
