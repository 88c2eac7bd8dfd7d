"""pyreqwest: one engine in Rust that can block or be awaited. Its connections live on their own
thread; `max_connections` bounds the requests in flight, and therefore the connections."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from pyreqwest.client import ClientBuilder, SyncClientBuilder
from pyreqwest.exceptions import RequestError, RequestTimeoutError

from app.systems.clients.base import Get, GetAsync, Library, Limits, Reply


@contextmanager
def open_blocking(limits: Limits) -> Iterator[Get]:
    timeout = timedelta(seconds=limits.timeout_s)
    builder = SyncClientBuilder().max_connections(limits.connections).pool_timeout(timeout)
    with builder.connect_timeout(timeout).read_timeout(timeout).build() as client:

        def get(url: str, headers: dict[str, str]) -> Reply:
            answer = client.get(url).headers(headers).build().send()
            return answer.status, answer.bytes().to_bytes()

        yield get


@asynccontextmanager
async def open_awaiting(limits: Limits) -> AsyncIterator[GetAsync]:
    timeout = timedelta(seconds=limits.timeout_s)
    builder = ClientBuilder().max_connections(limits.connections).pool_timeout(timeout)
    async with builder.connect_timeout(timeout).read_timeout(timeout).build() as client:

        async def get(url: str, headers: dict[str, str]) -> Reply:
            answer = await client.get(url).headers(headers).build().send()
            return answer.status, (await answer.bytes()).to_bytes()

        yield get


LIBRARY = Library(
    errors=(RequestError,),
    is_timeout=lambda error: isinstance(error, RequestTimeoutError),
    open_blocking=open_blocking,
    open_awaiting=open_awaiting,
)
