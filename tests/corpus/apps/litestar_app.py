"""Litestar: what blocks around its handlers, and its threads."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from litestar import Controller, Litestar, Request, Response, get
from litestar.background_tasks import BackgroundTask
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.response import Stream
from litestar.types import ASGIApp, Receive, Scope, Send
from truth import measure, note_wait

WAIT_S = 0.12


@get("/ping")
async def ping() -> str:
    return "pong"


@get("/items/{number:int}")
async def get_item(number: int) -> int:
    with measure("litestar-item"):
        time.sleep(WAIT_S)  # blocks: litestar-item
    return number


@get("/plain", sync_to_thread=False)
def get_plain() -> str:
    with measure("litestar-plain"):
        time.sleep(WAIT_S)  # blocks: litestar-plain
    return "plain"


async def read_clock() -> float:
    return time.monotonic()


@get("/thread", sync_to_thread=True, dependencies={"asked_s": Provide(read_clock)})
def sleep_in_thread(asked_s: float) -> str:
    """In asyncio's default executor, which has few threads."""
    note_wait("litestar-thread", asked_s)
    time.sleep(WAIT_S)  # holds: thread
    return "slept"  # waits: litestar-thread


class Orders(Controller):
    path = "/orders"

    @get("/{order:str}")
    async def show(self, order: str) -> str:
        with measure("litestar-order"):
            time.sleep(WAIT_S)  # blocks: litestar-order
        return order


async def find_user() -> str:
    with measure("litestar-dependency"):
        time.sleep(WAIT_S)  # blocks: litestar-dependency
    return "user"


@get("/dependency", dependencies={"user": Provide(find_user)})
async def greet(user: str) -> str:
    return user


async def check_key(_: ASGIConnection[Any, Any, Any, Any], __: BaseRouteHandler) -> None:
    with measure("litestar-guard"):
        time.sleep(WAIT_S)  # blocks: litestar-guard


@get("/guard", guards=[check_key])
async def open_door() -> str:
    return "open"


class Tariff:
    """A middleware of one route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with measure("litestar-middleware"):
            time.sleep(WAIT_S)  # blocks: litestar-middleware
        await self.app(scope, receive, send)


@get("/middleware", middleware=[Tariff])
async def show_tariff() -> str:
    return "tariff"


def report_missing(_: Request[Any, Any, Any], error: Exception) -> Response[str]:
    with measure("litestar-handler"):
        time.sleep(WAIT_S)  # blocks: litestar-handler
    return Response(str(error), status_code=404)


@get("/missing", exception_handlers={LookupError: report_missing})
async def fail() -> str:
    raise LookupError("nothing there")


async def send_mail() -> None:
    with measure("litestar-task"):
        time.sleep(WAIT_S)  # blocks: litestar-task


@get("/register")
async def register() -> Response[str]:
    return Response("registered", background=BackgroundTask(send_mail))


async def iterate_chunks() -> AsyncIterator[bytes]:
    yield b"begin"
    with measure("litestar-stream"):
        time.sleep(WAIT_S)  # blocks: litestar-stream
    yield b"end"


@get("/stream")
async def download() -> Stream:
    return Stream(iterate_chunks())


async def load_data(_: Litestar) -> None:
    with measure("litestar-startup"):
        time.sleep(0.4)  # blocks: litestar-startup


app = Litestar(
    route_handlers=[
        ping, get_item, get_plain, sleep_in_thread, Orders, greet, open_door, show_tariff, fail,
        register, download,
    ],
    on_startup=[load_data],
)  # fmt: skip
