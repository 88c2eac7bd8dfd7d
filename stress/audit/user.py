"""A user of an audit: sends a request, waits for its answer, keeps cookies and the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import randbits
from time import monotonic

import aiohttp
from yarl import URL

from scenarios.units import Second
from stress.audit.requests import Ask

MOST_BYTES = 10_000_000
"""Of an answer; a longer one is left there."""
STREAM = "text/event-stream"
TIMED_OUT, TOO_LONG = "timeout", f"no end after {MOST_BYTES:,} bytes"
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what became of it. Times are by time.monotonic(). ended_s: of the first byte,
    where the answer is a stream; None where the user gave up. status: None without an answer."""

    ask: Ask
    request_id: int
    started_s: float
    ended_s: float | None
    status: int | None = None
    error: str | None = None
    size: int = 0
    streams: bool = False


@dataclass(slots=True)
class AuditUser:
    number: int
    url: str
    timeout_s: Second
    session: aiohttp.ClientSession
    streams: set[Ask] = field(default_factory=set)
    """Those whose answer does not end: read to their first byte. All users share it."""
    waits_for: Exchange | None = None

    async def send(self, ask: Ask) -> Exchange:
        request_id, started_s = randbits(64) or 1, monotonic()
        self.waits_for = Exchange(ask, request_id, started_s, None)
        reading = Reading()
        error: str | None = None
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.exchange(ask, request_id, reading)
        except TimeoutError:
            error = TIMED_OUT
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = type(problem).__name__  # its text may hold what was sent
        self.waits_for = None
        ended_s = None if error == TIMED_OUT else monotonic()
        return Exchange(
            ask, request_id, started_s, ended_s, reading.status, error or reading.error,
            reading.size, reading.streams,
        )  # fmt: skip

    async def exchange(self, ask: Ask, request_id: int, reading: "Reading") -> None:
        headers = [*ask.headers, ("x-request-id", f"{request_id:016x}")]
        url = URL(self.url.rstrip("/") + ask.target, encoded=True)
        async with self.session.request(
            ask.method, url, headers=headers, data=ask.body, allow_redirects=False
        ) as answer:
            reading.status = answer.status
            reading.streams = answer.content_type == STREAM or ask in self.streams
            async for chunk in answer.content.iter_chunked(CHUNK):
                reading.size += len(chunk)
                if reading.size > MOST_BYTES:
                    reading.error = TOO_LONG
                if reading.error or reading.streams:
                    answer.close()
                    return


@dataclass(slots=True)
class Reading:
    """Of an answer, as far as it has come."""

    status: int | None = None
    error: str | None = None
    size: int = 0
    streams: bool = False


@asynccontextmanager
async def open_users(count: int, url: str, timeout_s: Second) -> AsyncIterator[list[AuditUser]]:
    """Each with cookies and a connection of its own."""
    streams: set[Ask] = set()
    users = [AuditUser(number, url, timeout_s, open_session(), streams) for number in range(count)]
    try:
        yield users
    finally:
        for each in users:
            await each.session.close()


def open_session() -> aiohttp.ClientSession:
    """Nothing limits how long a request takes, or is sent twice, but the user."""
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # the service's host is an address
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=2),
    )
    # a GET whose connection was closed would be sent again, behind one row's back
    session._retry_connection = False
    return session
