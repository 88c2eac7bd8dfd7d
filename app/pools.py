"""One connection pool for each library, all of one size; none connects before it is asked.

None opens a transaction around a single statement, so that PostgreSQL sees the same from each.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from psycopg import AsyncConnection, Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from app.databases import Databases

PATIENCE_S = 3600.0
"""How long a request may wait for a connection: longer than any load lasts."""


class Pools:
    """`blocking` and `awaiting` are psycopg's, the engines SQLAlchemy's."""

    asyncpg: asyncpg.Pool
    awaiting: AsyncConnectionPool[AsyncConnection[DictRow]]

    def __init__(self, settings: Databases) -> None:
        self.url, self.size = settings.postgres_url, settings.pool
        self.blocking = ConnectionPool[Connection[DictRow]](
            self.url,
            min_size=0,
            max_size=self.size,
            timeout=PATIENCE_S,
            kwargs={"autocommit": True, "row_factory": dict_row},
            open=False,
        )
        # SQLAlchemy adds 10 connections in need: max_overflow=0 makes it as many as the others.
        self.engine = create_engine(
            self.through("psycopg"),
            pool_size=self.size,
            max_overflow=0,
            pool_timeout=PATIENCE_S,
            isolation_level="AUTOCOMMIT",
        )
        self.async_engine = create_async_engine(
            self.through("asyncpg"),
            pool_size=self.size,
            max_overflow=0,
            pool_timeout=PATIENCE_S,
            isolation_level="AUTOCOMMIT",
        )

    def through(self, driver: str) -> str:
        return self.url.replace("postgresql:", f"postgresql+{driver}:", 1)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(self.engine.dispose)
            stack.push_async_callback(self.async_engine.dispose)
            stack.enter_context(self.blocking)
            self.awaiting = await stack.enter_async_context(
                AsyncConnectionPool(
                    self.url,
                    min_size=0,
                    max_size=self.size,
                    timeout=PATIENCE_S,
                    kwargs={"autocommit": True, "row_factory": dict_row},
                    open=False,
                )
            )
            self.asyncpg = await stack.enter_async_context(
                asyncpg.create_pool(self.url, min_size=0, max_size=self.size, reset=as_it_is)
            )
            yield


async def as_it_is(_: object) -> None:
    """asyncpg would ask PostgreSQL to reset a connection each time it comes back."""
