"""Middleware layers around an endpoint: when each passes on the request and the response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.layer_links import BASE, Link
from asgi_probe.routes import App, Message, Receive, Scope, Send
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from tests.probe.support import Calls, ask, get, observe, read_table

WAIT_S = 0.05
CallNext = Callable[[Request], Awaitable[Response]]


@pytest.fixture(autouse=True)
def audited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))


def find_layers(app: object, folder: Path, calls: Calls) -> list[list[SimpleNamespace]]:
    """By request, the outermost first."""
    observe(app, folder, calls)
    (path,) = folder.glob("probe-*.journal")
    rows = read_table(path.read_bytes(), "l")
    rows.sort(key=lambda row: (row.visit, row.depth))
    visits = {row.visit: [each for each in rows if each.visit == row.visit] for row in rows}
    return list(visits.values())


async def pass_on(request: Request, call_next: CallNext) -> Response:
    return await call_next(request)


async def wait_before(request: Request, call_next: CallNext) -> Response:
    await asyncio.sleep(WAIT_S)
    return await call_next(request)


async def wait_after(request: Request, call_next: CallNext) -> Response:
    response = await call_next(request)
    await asyncio.sleep(WAIT_S)
    return response


class PassOn:
    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class ReadBody(PassOn):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()

        async def again() -> Message:
            return message

        await self.app(scope, again, send)


class WaitInSend(PassOn):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def wait_and_send(message: Message) -> None:
            await asyncio.sleep(WAIT_S)
            await send(message)

        await self.app(scope, receive, wait_and_send)


class CallTwice(PassOn):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def drop(_: Message) -> None: ...

        await self.app(dict(scope), receive, drop)
        await self.app(scope, receive, send)


class AnswerItself(PassOn):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("no", 403)(scope, receive, send)


async def answer(_: Request) -> Response:
    return PlainTextResponse("x")


def build(*layers: Middleware) -> Starlette:
    return Starlette(routes=[Route("/", answer)], middleware=list(layers))


def base(dispatch: Callable[[Request, CallNext], Awaitable[Response]]) -> Middleware:
    return Middleware(BaseHTTPMiddleware, dispatch=dispatch)


def name(function: Callable[..., object]) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno} {function.__qualname__}"


def test_each_layer_is_a_row_and_its_times_follow_each_other(tmp_path: Path) -> None:
    app = build(Middleware(PassOn), base(pass_on))
    (rows,) = find_layers(app, tmp_path, get("/"))
    assert [(row.depth, row.layer, row.kind) for row in rows] == [
        (1, name(PassOn.__call__), "ASGI"), (2, name(pass_on), BASE), (3, "endpoint", "endpoint"),
    ]  # fmt: skip
    for outer, inner in zip(rows, rows[1:]):
        assert (outer.inner_s, outer.answered_s) == (inner.entered_s, inner.passed_s)
        assert outer.entered_s <= inner.entered_s <= inner.passed_s <= outer.passed_s
        assert inner.body_s <= outer.body_s
        assert outer.passed_s <= outer.body_s <= outer.sent_s <= outer.returned_s
        assert inner.returned_s <= outer.returned_s
    assert (rows[-1].inner_s, rows[-1].answered_s) == (None, None)


def wrap_call(old_call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wrap what a class calls, as Sentry does: from its own module, and without `__wrapped__`."""

    async def call(*given: object) -> None:
        await old_call(*given)

    call.__module__ = "library"
    return call


def test_a_layer_is_the_code_of_its_class_and_not_a_librarys_wrapper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would be blamed for what the layer does."""

    class Twice(PassOn): ...

    classes = Twice, CORSMiddleware, ReadBody
    names = [name(each.__call__) for each in classes]
    for each in (*classes, ReadBody):  # two libraries wrap the last one
        monkeypatch.setattr(each, "__call__", wrap_call(each.__call__))
    layers = [Middleware(each) for each in classes]
    (rows,) = find_layers(build(*layers), tmp_path, get("/"))
    assert [row.layer for row in rows] == [*names, "endpoint"]


class Raises:
    """As a proxy of a request does outside of one."""

    def __call__(self) -> None: ...

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


def test_a_wrapper_may_hold_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cell, and an object whose attributes raise: neither is the app's problem."""
    original, proxy = PassOn.__call__, Raises()

    def wrapper(self: PassOn, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not scope:
            print(later, proxy)
        return original(self, scope, receive, send)

    wrapper.__module__ = "library"
    monkeypatch.setattr(PassOn, "__call__", wrapper)
    (rows,) = find_layers(build(Middleware(PassOn)), tmp_path, get("/"))
    assert [row.layer for row in rows] == [name(original), "endpoint"]
    later = 0


def test_fastapi_builds_its_own_stack(tmp_path: Path) -> None:
    app = FastAPI()
    app.middleware("http")(pass_on)
    app.get("/items/{item}")(read_item)
    before = list(app.user_middleware)
    (rows,) = find_layers(app, tmp_path, get("/items/5"))
    assert [row.layer for row in rows] == [name(pass_on), "endpoint"]
    assert app.user_middleware == before


async def read_item(item: int) -> int:
    return item


@pytest.mark.parametrize("app", [FastAPI(), build()])
def test_an_app_without_middleware_gets_no_link(tmp_path: Path, app: Starlette) -> None:
    assert find_layers(app, tmp_path, get("/")) == []
    layer: object = app.middleware_stack
    while layer is not None:
        assert not isinstance(layer, Link)
        layer = getattr(layer, "app", None)


def test_outside_of_an_audit_nothing_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DIRECTORY_VARIABLE)
    observe(build(base(pass_on)), tmp_path, get("/"))
    (path,) = tmp_path.glob("probe-*.journal")
    assert b'"l"' not in path.read_bytes()


def test_a_wait_is_the_layers_that_waits(tmp_path: Path) -> None:
    app = build(base(pass_on), base(wait_before), base(wait_after))
    (rows,) = find_layers(app, tmp_path, get("/"))
    passing, before, after, endpoint = rows
    assert before.inner_s - before.entered_s >= 0.9 * WAIT_S
    assert after.passed_s - after.answered_s >= 0.9 * WAIT_S
    assert after.body_s - endpoint.body_s >= 0.9 * WAIT_S
    for row in (passing, after):
        assert row.inner_s - row.entered_s < WAIT_S / 2
    for row in (passing, before):
        assert row.passed_s - row.answered_s < WAIT_S / 2


def test_what_waits_in_its_send_keeps_those_inside(tmp_path: Path) -> None:
    (outer, inner, endpoint) = find_layers(
        build(Middleware(WaitInSend), base(pass_on)), tmp_path, get("/")
    )[0]
    assert outer.start_wait_s < WAIT_S / 2
    assert inner.start_wait_s >= 0.9 * WAIT_S
    assert endpoint.start_wait_s < WAIT_S / 2  # a stream of BaseHTTPMiddleware takes it


def test_waiting_for_the_clients_body_is_noted_apart(tmp_path: Path) -> None:
    async def call_slowly(app: App) -> None:
        scope: Scope = {
            "type": "http", "method": "POST", "path": "/", "root_path": "", "headers": [],
            "query_string": b"",
        }  # fmt: skip

        async def receive() -> Message:
            await asyncio.sleep(WAIT_S)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_: Message) -> None: ...

        await app(scope, receive, send)

    app = build(Middleware(PassOn), Middleware(ReadBody))
    (rows,) = find_layers(app, tmp_path, call_slowly)
    assert rows[0].client_s == 0
    assert rows[1].client_s >= 0.9 * WAIT_S
    assert rows[1].inner_s - rows[1].entered_s - rows[1].client_s < WAIT_S / 2


def test_a_layer_that_answers_itself_has_nothing_inside(tmp_path: Path) -> None:
    (rows,) = find_layers(build(Middleware(AnswerItself)), tmp_path, get("/"))
    (row,) = rows
    assert (row.inner_s, row.answered_s) == (None, None)
    assert row.entered_s <= row.passed_s <= row.returned_s


def test_a_layer_that_calls_twice_is_not_judged(tmp_path: Path) -> None:
    assert find_layers(build(Middleware(CallTwice)), tmp_path, get("/", "/")) == []


def test_an_error_of_the_endpoint_passes_through(tmp_path: Path) -> None:
    async def fail(_: Request) -> Response:
        raise KeyError("mine")

    app = Starlette(routes=[Route("/", fail)], middleware=[base(pass_on)])

    async def call(probed: App) -> None:
        with pytest.raises(KeyError, match="mine"):
            await ask(probed, "/")

    (rows,) = find_layers(app, tmp_path, call)
    assert [row.passed_s for row in rows] == [None, None]
    assert all(row.returned_s >= row.entered_s for row in rows)


def test_a_mounted_app_has_layers_of_its_own(tmp_path: Path) -> None:
    inner = build(Middleware(PassOn))
    app = Starlette(routes=[Mount("/in", app=inner)], middleware=[base(pass_on)])
    (rows,) = find_layers(app, tmp_path, get("/in/"))
    assert [row.layer for row in rows] == [
        name(pass_on), "mount", name(PassOn.__call__), "endpoint",
    ]  # fmt: skip


def test_background_work_is_inside_of_all_layers(tmp_path: Path) -> None:
    async def end_late(_: Request) -> Response:
        return PlainTextResponse("x", background=BackgroundTask(asyncio.sleep, WAIT_S))

    app = Starlette(routes=[Route("/", end_late)], middleware=[base(pass_on), Middleware(PassOn)])
    (rows,) = find_layers(app, tmp_path, get("/"))
    assert rows[-1].returned_s - rows[-1].sent_s >= 0.9 * WAIT_S
    assert rows[0].returned_s - rows[-1].returned_s < WAIT_S / 2


def use_cpu(seconds: float) -> None:
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass


def test_cpu_belongs_to_the_layer_that_uses_it(tmp_path: Path) -> None:
    async def compute(request: Request, call_next: CallNext) -> Response:
        use_cpu(0.01)
        response = await call_next(request)
        use_cpu(0.02)
        return response

    async def compute_too(_: Request) -> Response:
        use_cpu(0.04)
        return PlainTextResponse("x")

    app = Starlette(
        routes=[Route("/", compute_too)],
        middleware=[base(pass_on), base(compute), Middleware(PassOn)],
    )
    first, *_ = find_layers(app, tmp_path, get("/", "/"))[1:]
    outer, own, cheap, endpoint = (row.cpu_s for row in first)
    assert 0.03 <= own < 0.04
    assert 0.04 <= endpoint < 0.05
    assert 0 < cheap < outer < 0.01


def test_cpu_is_unknown_where_another_request_is_there(tmp_path: Path) -> None:
    async def call(app: App) -> None:
        await asyncio.gather(ask(app, "/"), ask(app, "/"))
        await ask(app, "/")

    visits = find_layers(build(base(wait_before)), tmp_path, call)
    known = [row.cpu_s is not None for rows in visits for row in rows]
    assert known == [False, False, False, False, True, True]
