"""niquests, a fork of requests that can block or be awaited. Like requests, it waits for a free
connection without a timeout. `Turns` adds one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from niquests import AsyncSession, RequestException, Session, Timeout

from app.systems.clients.base import Get, GetAsync, Library, Limits, Reply
from app.systems.clients.turns import AsyncTurns, Turns


@contextmanager
def open_blocking(limits: Limits) -> Iterator[Get]:
    turns, timeout_s = Turns(limits), limits.timeout_s
    with Session(pool_maxsize=limits.connections) as session:

        def get(url: str, headers: dict[str, str]) -> Reply:
            with turns.take():
                answer = session.get(url, headers=headers, timeout=timeout_s)
                return answer.status_code or 0, answer.content or b""

        yield get


@asynccontextmanager
async def open_awaiting(limits: Limits) -> AsyncIterator[GetAsync]:
    turns, timeout_s = AsyncTurns(limits), limits.timeout_s
    async with AsyncSession(pool_maxsize=limits.connections) as session:

        async def get(url: str, headers: dict[str, str]) -> Reply:
            async with turns.take():
                answer = await session.get(url, headers=headers, timeout=timeout_s)
                return answer.status_code or 0, answer.content or b""

        yield get


LIBRARY = Library(
    errors=(RequestException, TimeoutError),
    is_timeout=lambda error: isinstance(error, (Timeout, TimeoutError)),
    open_blocking=open_blocking,
    open_awaiting=open_awaiting,
)
