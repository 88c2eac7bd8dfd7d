"""aiohttp, which can only be awaited."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from app.systems.clients.base import GetAsync, Library, Limits, Reply


@asynccontextmanager
async def open_awaiting(limits: Limits) -> AsyncIterator[GetAsync]:
    # aiohttp's `connect` covers both the wait for a free connection and connecting.
    timeout = aiohttp.ClientTimeout(connect=limits.timeout_s, sock_read=limits.timeout_s)
    connector = aiohttp.TCPConnector(limit=limits.connections)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def get(url: str, headers: dict[str, str]) -> Reply:
            async with session.get(url, headers=headers) as answer:
                return answer.status, await answer.read()

        yield get


LIBRARY = Library(
    errors=(aiohttp.ClientError, TimeoutError),
    is_timeout=lambda error: isinstance(error, TimeoutError),
    open_awaiting=open_awaiting,
)
