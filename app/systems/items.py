"""Items in a SQLite file, with a blocking and an awaiting connection pool of the same size.

aiosqlite gives each connection its own thread, which makes the blocking calls.
"""

import sqlite3
from asyncio import LifoQueue as AwaitedQueue
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from queue import LifoQueue as BlockingQueue

import aiosqlite

from app.systems.databases import DatabaseSettings

ALIVE = "SELECT 1"
LIST = "SELECT item_id, name, price_cents FROM items ORDER BY item_id LIMIT ?"
CREATE = "INSERT INTO items (name, price_cents) VALUES (?, ?) RETURNING item_id, name, price_cents"
SETTING = "PRAGMA synchronous = NORMAL"
PATIENCE_S = 5.0
"""How long a connection waits for another connection's write to finish."""
Values = Sequence[int | str]
Row = tuple[int, str, int]


class SqlitePools:
    """Two pools; each slot holds None until its first use, then a connection."""

    def __init__(self, settings: DatabaseSettings) -> None:
        # The file must exist: without a mode, SQLite would create an empty one.
        self.uri = f"{Path(settings.sqlite).absolute().as_uri()}?mode=rw"
        self.blocking = BlockingQueue[sqlite3.Connection | None]()
        self.awaiting = AwaitedQueue[aiosqlite.Connection | None]()
        for _ in range(settings.pool):
            self.blocking.put(None)
            self.awaiting.put_nowait(None)

    def execute(self, statement: str, values: Values = ()) -> list[Row]:
        connection = self.blocking.get()
        try:
            connection = connection or self.connect()
            return list(connection.execute(statement, values))
        finally:
            self.blocking.put(connection)

    async def execute_async(self, statement: str, values: Values = ()) -> list[Row]:
        connection = await self.awaiting.get()
        try:
            connection = connection or await self.connect_async()
            return [tuple(row) for row in await connection.execute_fetchall(statement, values)]
        finally:
            self.awaiting.put_nowait(connection)

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.uri, PATIENCE_S, isolation_level=None, check_same_thread=False, uri=True
        )
        connection.execute(SETTING)
        return connection

    async def connect_async(self) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(
            self.uri, timeout=PATIENCE_S, isolation_level=None, uri=True
        )
        await connection.execute(SETTING)
        return connection

    @asynccontextmanager
    async def open_connections(self) -> AsyncIterator[None]:
        yield
        while not self.blocking.empty():
            if blocking := self.blocking.get():
                blocking.close()
        while not self.awaiting.empty():
            if awaiting := self.awaiting.get_nowait():
                await awaiting.close()
