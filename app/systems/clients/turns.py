"""A timeout on the wait for a free connection, for libraries that have none."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import BoundedSemaphore

from app.systems.clients.base import Limits


class ConnectionWaitTimeout(TimeoutError):
    pass


class Turns:
    """A turn per connection. A request that gets no turn in time raises ConnectionWaitTimeout."""

    def __init__(self, limits: Limits) -> None:
        self.free, self.timeout_s = BoundedSemaphore(limits.connections), limits.timeout_s

    @contextmanager
    def take(self) -> Iterator[None]:
        if not self.free.acquire(timeout=self.timeout_s):
            raise ConnectionWaitTimeout
        try:
            yield
        finally:
            self.free.release()


class AsyncTurns:
    """`Turns` for an event loop."""

    def __init__(self, limits: Limits) -> None:
        self.free, self.timeout_s = asyncio.BoundedSemaphore(limits.connections), limits.timeout_s

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.free.acquire()
        except TimeoutError:
            raise ConnectionWaitTimeout from None
        try:
            yield
        finally:
            self.free.release()
