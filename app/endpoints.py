"""The endpoints, side by side: within a group, they differ in only a few words.

FastAPI runs a `def` endpoint on a thread of anyio's pool and an `async def` endpoint on the event
loop. While an `async def` endpoint awaits, the loop serves other requests. While it blocks, the
loop serves no request. An `offload` endpoint moves the same blocking call to a thread.
"""

import json
import time
from pathlib import Path

import aiofiles
import anyio
from anyio.to_thread import run_sync
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.clients import UpstreamClient
from app.settings import DOCUMENT
from app.systems.routing import RouteAdder


def add_http_endpoints(add: RouteAdder, upstream: UpstreamClient) -> None:
    @add("/sync/http")
    def sync_http() -> Response:
        return PlainTextResponse(upstream.fetch())

    @add("/async/http")
    async def async_http() -> Response:
        return PlainTextResponse(await upstream.fetch_async())

    @add("/async/http/sync")
    async def async_http_sync() -> Response:
        return PlainTextResponse(upstream.fetch())

    @add("/async/http/offload")
    async def async_http_offload() -> Response:
        return PlainTextResponse(await run_sync(upstream.fetch))


def add_json_endpoints(add: RouteAdder) -> None:
    @add("/sync/json")
    def sync_json() -> Response:
        with DOCUMENT.open() as file:
            return JSONResponse(json.loads(file.read()))

    @add("/async/json")
    async def async_json() -> Response:
        async with aiofiles.open(DOCUMENT) as file:
            return JSONResponse(json.loads(await file.read()))

    @add("/async/json/sync")
    async def async_json_sync() -> Response:
        with DOCUMENT.open() as file:
            return JSONResponse(json.loads(file.read()))


def add_file_endpoints(add: RouteAdder, path: Path) -> None:
    """Add endpoints that read a file and parse nothing. A read releases the GIL."""

    @add("/sync/file")
    def sync_file() -> Response:
        return PlainTextResponse(f"{len(path.read_bytes())} bytes")

    @add("/async/file")
    async def async_file() -> Response:
        async with aiofiles.open(path, "rb") as file:
            return PlainTextResponse(f"{len(await file.read())} bytes")

    @add("/async/file/sync")
    async def async_file_sync() -> Response:
        return PlainTextResponse(f"{len(path.read_bytes())} bytes")

    @add("/async/file/offload")
    async def async_file_offload() -> Response:
        return PlainTextResponse(f"{len(await run_sync(path.read_bytes))} bytes")


def add_sleep_endpoints(add: RouteAdder, delay_s: float) -> None:
    @add("/sync/sleep")
    def sync_sleep() -> Response:
        time.sleep(delay_s)
        return PlainTextResponse("slept")

    @add("/async/sleep")
    async def async_sleep() -> Response:
        await anyio.sleep(delay_s)
        return PlainTextResponse("slept")

    @add("/async/sleep/sync")
    async def async_sleep_sync() -> Response:
        time.sleep(delay_s)
        return PlainTextResponse("slept")


def add_small_endpoints(add: RouteAdder) -> None:
    @add("/ping")
    async def ping() -> Response:
        return PlainTextResponse("pong")

    @add("/sync/ping")
    def sync_ping() -> Response:
        return PlainTextResponse("pong")
