"""httpx2, the maintained successor of httpx. It also scans its whole pool for every request."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2

from app.systems.clients.base import Get, GetAsync, Library, Limits, Reply


@contextmanager
def open_blocking(limits: Limits) -> Iterator[Get]:
    most = httpx2.Limits(max_connections=limits.connections)
    with httpx2.Client(timeout=limits.timeout_s, limits=most) as client:

        def get(url: str, headers: dict[str, str]) -> Reply:
            answer = client.get(url, headers=headers)
            return answer.status_code, answer.content

        yield get


@asynccontextmanager
async def open_awaiting(limits: Limits) -> AsyncIterator[GetAsync]:
    most = httpx2.Limits(max_connections=limits.connections)
    async with httpx2.AsyncClient(timeout=limits.timeout_s, limits=most) as client:

        async def get(url: str, headers: dict[str, str]) -> Reply:
            answer = await client.get(url, headers=headers)
            return answer.status_code, answer.content

        yield get


LIBRARY = Library(
    errors=(httpx2.HTTPError,),
    is_timeout=lambda error: isinstance(error, httpx2.TimeoutException),
    open_blocking=open_blocking,
    open_awaiting=open_awaiting,
)
