"""Endpoints whose signature hides a wait: for a thread when other requests hold them all, for
asyncio's default executor, or for work that runs after the response."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import anyio
from anyio.to_thread import current_default_thread_limiter
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from app.systems.routing import RouteAdder

CHUNKS = 100


def add_health_endpoints(add: RouteAdder) -> None:
    @add("/health")
    async def health() -> Response:
        """Report the thread pool. It needs no thread, so it responds even when the pool is full."""
        pool = current_default_thread_limiter().statistics()
        figures = {
            "total": pool.total_tokens,
            "borrowed": pool.borrowed_tokens,
            "waiting": pool.tasks_waiting,
        }
        return JSONResponse({"status": "ok", "pool": figures})

    @add("/sync/health")
    def sync_health() -> Response:
        return JSONResponse({"status": "ok"})


def add_guarded_endpoints(add: RouteAdder) -> None:
    """Add equal endpoints with different dependencies. A `def` dependency needs a thread."""

    async def who_asks() -> str:
        return "a user"

    def sync_who_asks() -> str:
        return "a user"

    @add("/guarded", who_asks)
    async def guarded() -> Response:
        return PlainTextResponse("let in")

    @add("/guarded/sync", sync_who_asks)
    async def guarded_sync() -> Response:
        return PlainTextResponse("let in")


def add_executor_endpoints(add: RouteAdder, delay_s: float) -> None:
    """Add endpoints on asyncio's default executor: at most 32 threads, apart from anyio's pool."""

    @add("/async/sleep/to-thread")
    async def async_sleep_to_thread() -> Response:
        await asyncio.to_thread(time.sleep, delay_s)
        return PlainTextResponse("slept")

    @add("/async/resolve")
    async def async_resolve() -> Response:
        found = await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        return PlainTextResponse(f"{len(found)} addresses")


def add_background_endpoints(add: RouteAdder, delay_s: float) -> None:
    """Add endpoints that respond at once and work after the response."""

    @add("/background/sync")
    async def background_sync() -> Response:
        return PlainTextResponse("soon", background=BackgroundTask(time.sleep, delay_s))

    @add("/background/async")
    async def background_async() -> Response:
        return PlainTextResponse("soon", background=BackgroundTask(anyio.sleep, delay_s))

    @add("/background/async/sync")
    async def background_async_sync() -> Response:
        async def sleep() -> None:
            time.sleep(delay_s)

        return PlainTextResponse("soon", background=BackgroundTask(sleep))


def add_stream_endpoints(add: RouteAdder) -> None:
    """Add endpoints that stream CHUNKS pieces. A `def` generator costs a thread call per piece."""

    @add("/stream/async")
    async def stream_async() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(CHUNKS):
                yield b"a piece of it\n"

        return StreamingResponse(chunks(), media_type="text/plain")

    @add("/stream/sync")
    async def stream_sync() -> Response:
        def chunks() -> Iterator[bytes]:
            for _ in range(CHUNKS):
                yield b"a piece of it\n"

        return StreamingResponse(chunks(), media_type="text/plain")
