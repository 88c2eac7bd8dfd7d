"""One user of an audited service: an HTTP client that sends each request once.

No retries, no redirects, no proxies; a cookie jar of its own, and its connection kept. What an
answer holds is counted and dropped, but for a document that is asked for.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

import aiohttp
import uvloop
from yarl import URL

from records.ids import format_id_header
from scenarios.units import Second
from stress.audit.ask import Ask
from stress.interruption import CellInterruptedError

MOST_BYTES = 16 << 20
CONNECTION_ERRORS = ("ClientConnectorError", "ClientConnectorDNSError")
IDLE_S: Second = 4.0
"""A connection that was idle for longer is not used again: servers close theirs after 5 s, and a
request that meets the closing would fail."""
LOOK_S: Second = 0.05
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """timeout_s: to the last byte. rest_s: where it is first seen whether an answer ends: from the
    first to the last byte of a stream. keep: whether the body is wanted."""

    timeout_s: Second
    most_bytes: int = MOST_BYTES
    rest_s: Second | None = None
    keep: bool = False


@dataclass(slots=True)
class Answer:
    """Times by time.monotonic(). ended_s: None while it has not ended. error: a word without an
    address or a value."""

    request_id: int
    started_s: float = 0.0
    ended_s: float | None = None
    status: int | None = None
    error: str | None = None
    size: int = 0
    kind: str = ""
    body: bytes = b""

    @property
    def is_refused(self) -> bool:
        """Whether no connection came about: its time says nothing of a service."""
        return self.status is None and self.error in CONNECTION_ERRORS


def open_session(url: str) -> aiohttp.ClientSession:
    """In a running event loop; the caller closes it."""
    session = aiohttp.ClientSession(
        base_url=URL(url).origin(),
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S),
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # an address without a name has cookies too
        auto_decompress=False,
        trust_env=False,
        headers={"Accept": "*/*", "User-Agent": "study-audit"},
    )
    # aiohttp repeats an idempotent request whose connection was closed under it, and has no public
    # option against it. Here a send is a send; a test watches.
    session._retry_connection = False
    return session


async def send(
    session: aiohttp.ClientSession, ask: Ask, answer: Answer, limits: ReadLimits
) -> None:
    """Send once, read to the end or the limit, and fill the answer in. Only a cancellation is
    raised."""
    headers = [*ask.headers, ("x-request-id", format_id_header(answer.request_id))]
    answer.started_s = monotonic()
    try:
        async with asyncio.timeout(limits.timeout_s) as clock:
            async with session.request(
                ask.method,
                URL(ask.target, encoded=True),
                data=ask.body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(),
            ) as response:
                answer.status, answer.kind = response.status, response.content_type
                if ask.endless:
                    response.close()
                else:
                    await read_body(response, answer, limits, clock)
                answer.ended_s = monotonic()
    except TimeoutError:
        is_endless = limits.rest_s is not None and answer.status is not None
        answer.error = "endless" if is_endless else "timeout"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        answer.ended_s, answer.error = monotonic(), type(error).__name__
    except asyncio.CancelledError:
        answer.error = "unfinished"
        raise


async def read_body(
    response: aiohttp.ClientResponse, answer: Answer, limits: ReadLimits, clock: asyncio.Timeout
) -> None:
    """A stream has less time, counted from its first byte."""
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


STREAM_TYPES = frozenset({"text/event-stream", "multipart/x-mixed-replace"})


def run_in_loop(work: Coroutine[None, None, T], check: Callable[[], None]) -> T:
    """In an event loop of its own. check: called often; the CellInterruptedError that it raises
    comes out when the work has been cancelled."""

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
