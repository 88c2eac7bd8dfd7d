"""A user of an audited service: an HTTP client that sends each request once.

It uses no retries, redirects or proxies, has its own cookie jar and keeps its connection. It counts
and discards response bodies, except a requested document.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from time import monotonic
from typing import TypeVar

import aiohttp
import uvloop
from aiohttp.abc import AbstractCookieJar
from aiohttp.connector import Connection
from yarl import URL

from records.ids import format_id_header
from scenarios.units import Second
from stress.audit.answer import Answer, ReadLimits
from stress.audit.ask import WEBSOCKET, Ask
from stress.audit.parse_requests import ID_HEADER
from stress.audit.websocket import exchange_messages
from stress.callers import STREAM_TYPES
from stress.interruption import CellInterruptedError

IDLE_S: Second = 4.0
"""Longest idle time of a reused connection: servers close idle ones after 5 s, and a request on a
closing connection would fail."""
CLOSED_FROM = 500
LOOK_S: Second = 0.05
MOST_HEADER_BYTES, MOST_HEADERS = 64 << 10, 1000
"""Limits of a header of a response, and of their number."""
T = TypeVar("T")
DOMAIN = re.compile(r";\s*domain\s*=[^;]*", re.IGNORECASE)
logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # it logs text of the server


class UserCookies(aiohttp.CookieJar):
    """The cookies of a user, whose requests all go to one server.

    It gets the cookies of its real host name, too, and, as a browser sends them to localhost, those
    that need HTTPS.
    """

    def __init__(self, url: str) -> None:
        # unsafe: a host given as an IP address may set cookies, too
        super().__init__(unsafe=True, treat_as_secure_origin=URL(url).origin())

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        without_domain = [DOMAIN.sub("", each) for each in headers]
        super().update_cookies_from_headers(without_domain, response_url)


class AuditResponse(aiohttp.ClientResponse):
    """Leaves its connection to no other request after a status from 500 on: uvicorn closes it after
    an unhandled exception, without a header that says so, and the next request, of an innocent
    route, would fail. aiohttp has no public way to do that. A test checks that this works."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        await super().start(connection)
        if self.content.is_eof():
            self._response_eof()
        return self

    def _response_eof(self) -> None:
        if not self.status:  # `start` has a whole body before it knows the status
            return
        protocol = self._connection and self._connection.protocol
        if protocol is not None and self.status >= CLOSED_FROM:  # an idle one is false
            protocol.force_close()
        super()._response_eof()


def open_session(
    url: str, cookies: AbstractCookieJar | None = None, *, keeps_connections: bool = True
) -> aiohttp.ClientSession:
    """Open a session in a running event loop; the caller closes it. cookies: shared if given."""
    connector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
        if keeps_connections
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    session = aiohttp.ClientSession(
        base_url=URL(url).origin(),
        connector=connector,
        response_class=AuditResponse,
        cookie_jar=UserCookies(url) if cookies is None else cookies,
        auto_decompress=False,
        trust_env=False,
        headers={"Accept": "*/*", "User-Agent": "study-audit"},
        max_line_size=MOST_HEADER_BYTES,
        max_field_size=MOST_HEADER_BYTES,
        max_headers=MOST_HEADERS,
    )
    # aiohttp resends an idempotent request after a closed connection, and has no public option to
    # disable that. A test checks that this works.
    session._retry_connection = False
    return session


async def send(
    session: aiohttp.ClientSession, ask: Ask, answer: Answer, limits: ReadLimits
) -> None:
    """Send a request once, read up to the limits, and fill `answer`. Raises only CancelledError."""
    headers = (*ask.headers, (ID_HEADER, format_id_header(answer.request_id)))
    sent = replace(ask, headers=headers)
    exchange = exchange_messages if ask.method == WEBSOCKET else request
    answer.started_s = monotonic()
    try:
        async with asyncio.timeout(limits.timeout_s) as clock:
            await exchange(session, sent, answer, limits, clock)
    except TimeoutError:
        is_endless = limits.rest_s is not None and answer.status is not None
        answer.error = "endless" if is_endless else "timeout"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        answer.ended_s, answer.error = monotonic(), type(error).__name__
    except asyncio.CancelledError:
        answer.error = "unfinished"
        raise


async def request(
    session: aiohttp.ClientSession,
    ask: Ask,
    answer: Answer,
    limits: ReadLimits,
    clock: asyncio.Timeout,
) -> None:
    async with session.request(
        ask.method,
        URL(ask.target, encoded=True),
        data=ask.body,
        headers=ask.headers,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(),
    ) as response:
        answer.status, answer.kind = response.status, response.content_type
        if ask.endless:
            response.close()
        else:
            await read_body(response, answer, limits, clock)
        answer.ended_s = monotonic()


async def read_body(
    response: aiohttp.ClientResponse, answer: Answer, limits: ReadLimits, clock: asyncio.Timeout
) -> None:
    """Read the body. A stream has `rest_s` from its first byte."""
    if limits.rest_s is not None and answer.kind in STREAM_TYPES:
        clock.reschedule(asyncio.get_running_loop().time() + limits.rest_s)
    chunks = []
    async for chunk in response.content.iter_any():
        answer.size += len(chunk)
        if limits.keep:
            chunks.append(chunk)
        if answer.size > limits.most_bytes:
            answer.error = "too long"
            response.close()
            break
    answer.body = b"".join(chunks)


def run_in_loop(work: Coroutine[None, None, T], check: Callable[[], None]) -> T:
    """Run `work` in a new event loop. check: called often; its CellInterruptedError cancels the
    work and is raised afterwards."""

    async def watch() -> T:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                check()
                await asyncio.wait({task}, timeout=LOOK_S)
            return task.result()
        except CellInterruptedError:
            task.cancel()
            await asyncio.wait({task})
            raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(watch())
