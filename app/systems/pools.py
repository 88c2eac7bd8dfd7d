"""One connection pool per library, all of the same size. A pool connects on first use.

No pool opens a transaction around a single statement, so PostgreSQL sees the same from each.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from app.systems.databases import DatabaseSettings

PATIENCE_S = 3600.0
"""The longest wait for a connection: longer than any load lasts."""
CONNECTION: dict[str, object] = {"autocommit": True, "row_factory": dict_row}
REFUSED = "no connection: PostgreSQL is unreachable or has no free connection slots"


class BlockingPool(ConnectionPool[Connection[DictRow]]):
    """A pool that fails the waiting requests when PostgreSQL refuses a connection, as the other
    libraries do; psycopg's pool lets them wait. While the pool has a connection, they wait on."""

    def reconnect_failed(self) -> None:
        with self._lock:
            waiting = [] if self._nconns else list(self._waiting)
            if waiting:
                self._waiting.clear()
        for each in waiting:
            each.fail(OperationalError(REFUSED))


class AwaitingPool(AsyncConnectionPool[AsyncConnection[DictRow]]):
    """`BlockingPool` for an event loop."""

    async def reconnect_failed(self) -> None:
        async with self._lock:
            waiting = [] if self._nconns else list(self._waiting)
            if waiting:
                self._waiting.clear()
        for each in waiting:
            await each.fail(OperationalError(REFUSED))


Pool = TypeVar("Pool", BlockingPool, AwaitingPool)


def create_pool(kind: type[Pool], settings: DatabaseSettings) -> Pool:
    return kind(
        settings.postgres_url,
        min_size=0,
        max_size=settings.pool,
        timeout=PATIENCE_S,
        reconnect_timeout=0,
        kwargs=CONNECTION,
        open=False,
    )


class PostgresPools:
    """All pools: `blocking` and `awaiting` are psycopg's, the engines are SQLAlchemy's."""

    asyncpg: asyncpg.Pool

    def __init__(self, settings: DatabaseSettings) -> None:
        self.url, self.size = settings.postgres_url, settings.pool
        self.blocking = create_pool(BlockingPool, settings)
        self.awaiting = create_pool(AwaitingPool, settings)
        engine_options: dict[str, object] = {
            "pool_size": self.size,
            "max_overflow": 0,  # same size as the others: SQLAlchemy would add up to 10
            "pool_timeout": PATIENCE_S,
            "isolation_level": "AUTOCOMMIT",
        }
        self.engine = create_engine(self.build_driver_url("psycopg"), **engine_options)
        self.async_engine = create_async_engine(self.build_driver_url("asyncpg"), **engine_options)

    def build_driver_url(self, driver: str) -> str:
        return self.url.replace("postgresql:", f"postgresql+{driver}:", 1)

    @asynccontextmanager
    async def open_pools(self) -> AsyncIterator[None]:
        self.asyncpg = asyncpg.create_pool(
            self.url, min_size=0, max_size=self.size, reset=skip_reset
        )
        try:
            with self.blocking:
                async with self.awaiting, self.asyncpg:
                    yield
        finally:
            await self.async_engine.dispose()
            self.engine.dispose()


async def skip_reset(_: object) -> None:
    """Replace asyncpg's reset, a query each time a connection returns to the pool."""
