"""httpx, as in the original study. A new client builds a TLS context, even for plain HTTP."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx

from app.systems.clients.base import Get, GetAsync, Library, Limits, Reply


@contextmanager
def open_blocking(limits: Limits) -> Iterator[Get]:
    most = httpx.Limits(max_connections=limits.connections)
    with httpx.Client(timeout=limits.timeout_s, limits=most) as client:

        def get(url: str, headers: dict[str, str]) -> Reply:
            answer = client.get(url, headers=headers)
            return answer.status_code, answer.content

        yield get


@asynccontextmanager
async def open_awaiting(limits: Limits) -> AsyncIterator[GetAsync]:
    most = httpx.Limits(max_connections=limits.connections)
    async with httpx.AsyncClient(timeout=limits.timeout_s, limits=most) as client:

        async def get(url: str, headers: dict[str, str]) -> Reply:
            answer = await client.get(url, headers=headers)
            return answer.status_code, answer.content

        yield get


LIBRARY = Library(
    errors=(httpx.HTTPError,),
    is_timeout=lambda error: isinstance(error, httpx.TimeoutException),
    open_blocking=open_blocking,
    open_awaiting=open_awaiting,
)
