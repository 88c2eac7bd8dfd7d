"""The endpoints of app/hidden_waits.py and app/layers.py in-process: the threads each needs."""

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import anyio.to_thread
import httpx
import pytest

from app import layers
from app.main import create_app
from app.settings import read_settings
from tests.component.test_app import answers, client

PLAIN = replace(read_settings({}), delay_ms=1)
BODIES = {
    "/health": None,
    "/sync/health": '{"status":"ok"}',
    "/guarded": "let in",
    "/guarded/sync": "let in",
    "/async/sleep/to-thread": "slept",
    "/background/sync": "soon",
    "/background/async": "soon",
    "/background/async/sync": "soon",
    "/stream/async": "a piece of it\n" * 100,
    "/stream/sync": "a piece of it\n" * 100,
    "/layers/none/ping": "pong",
    "/layers/pure/ping": "pong",
    "/layers/base/ping": "pong",
}
TAKES_TOKENS = {"/sync/health": 1, "/guarded/sync": 1, "/background/sync": 1, "/stream/sync": 101}
"""anyio's calls; a stream's last call finds that there are no more pieces."""


@pytest.mark.parametrize("path", BODIES)
def test_it_answers(path: str) -> None:
    (got,) = asyncio.run(answers(PLAIN, (path,)))
    assert got.status_code == 200
    assert BODIES[path] is None or got.text == BODIES[path]


@pytest.mark.parametrize("path", BODIES)
def test_it_takes_as_many_tokens_as_it_needs(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    original = anyio.to_thread.run_sync

    async def counting(function: Callable[..., object], *args: object, **options: object) -> object:
        nonlocal taken
        taken += 1
        return await original(function, *args, **options)  # type: ignore[arg-type]

    async def asked() -> int:
        async with client(PLAIN) as caller:
            monkeypatch.setattr(anyio.to_thread, "run_sync", counting)
            await caller.get(path)
            return taken

    assert asyncio.run(asked()) == TAKES_TOKENS.get(path, 0)


def test_a_name_is_looked_up_by_asyncios_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    original, threads = socket.getaddrinfo, list[str]()

    def seen(host: str, port: int, *rest: int) -> object:
        threads.append(threading.current_thread().name)
        return original(host, port, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", seen)
    (got,) = asyncio.run(answers(PLAIN, ("/async/resolve",)))
    assert got.text.endswith(" addresses")
    assert [name.startswith("asyncio_") for name in threads] == [True]


@pytest.mark.parametrize("name", ["none", "pure", "base"])
def test_there_are_as_many_layers_as_said(name: str) -> None:
    app = create_app(PLAIN)
    (mounted,) = [
        route.app  # type: ignore[attr-defined]
        for route in app.routes
        if getattr(route, "path", "") == f"/layers/{name}"
    ]
    kind = {"none": object, "pure": layers.PureMiddleware, "base": layers.BaseMiddleware}[name]
    own = [each.cls for each in mounted.user_middleware]
    assert own == [kind] * (0 if name == "none" else layers.LAYERS)


def test_a_background_task_comes_after_the_answer() -> None:
    """The task outlives the response: the raw stream ends before it."""
    sent = list[tuple[str, float]]()

    async def ask() -> float:
        app = create_app(replace(PLAIN, delay_ms=100))
        scope = {
            "type": "http", "method": "GET", "path": "/background/async", "raw_path": b"",
            "query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http",
            "server": ("app", 80), "client": ("me", 1), "root_path": "", "asgi": {"version": "3.0"},
        }  # fmt: skip

        async def receive() -> dict[str, object]:
            await asyncio.sleep(1)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            sent.append((str(message["type"]), monotonic()))

        await app(scope, receive, send)  # type: ignore[arg-type]
        return monotonic()

    ended_s = asyncio.run(ask())
    assert sent[-1][0] == "http.response.body"
    assert ended_s - sent[-1][1] >= 0.09  # a timer of 100 ms may be early by its resolution


def test_the_health_page_tells_the_pool() -> None:
    async def ask() -> httpx.Response:
        async with client(replace(PLAIN, pool=7)) as caller:
            return await caller.get("/health")

    assert asyncio.run(ask()).json()["pool"] == {"total": 7, "borrowed": 0, "waiting": 0}
