"""The ASGI application: it waits, and says how long it was asked to."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TypedDict

from slow_upstream.checks import parse_wait_ms
from slow_upstream.delays import ResponsePlanner
from slow_upstream.ledger import UpstreamCounters, clean_request_id


class HttpScope(TypedDict):
    """The keys of an ASGI HTTP scope that are read here."""

    type: str
    method: str
    path: str
    query_string: bytes
    headers: Iterable[tuple[bytes, bytes]]


Message = Mapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# uvloop's timers count whole milliseconds from a clock rounded down, so they may fire up to one
# early. An upstream that answers before its time would be wrong in kind; a millisecond late is not.
TIMER_STEP_S = 0.001


class SlowUpstream:
    def __init__(self, fates: ResponsePlanner, ledger: UpstreamCounters, default_ms: int) -> None:
        self.fates = fates
        self.ledger = ledger
        self.default_ms = default_ms

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] not in ("/", "/stats"):
            await respond(send, 404, "Not found: there is only / and /stats")
        elif scope["method"] != "GET":
            await respond(send, 405, "Only GET is allowed", allow=True)
        elif scope["path"] == "/stats":
            stats = json.dumps(asdict(self.ledger.take_snapshot()))
            await respond(send, 200, stats, content_type=b"application/json")
        else:
            await self.respond_after_delay(scope, receive, send)

    async def respond_after_delay(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        try:
            mean_ms = parse_wait_ms(scope["query_string"], self.default_ms)
        except ValueError as error:
            self.ledger.reject()
            await respond(send, 400, str(error))
            return
        fate = self.fates.plan_response(mean_ms)
        wait = self.ledger.record_arrival(find_request_id(scope["headers"]), fate.asked_ms)
        # Counted before it is sent: who has the answer finds it in /stats.
        if not await wait_unless_disconnected(receive, fate.asked_ms / 1000):
            self.ledger.drop(wait)
        elif fate.fails:
            self.ledger.fail(wait)
            await respond(send, 500, f"Planned error after {fate.asked_ms} milliseconds")
        else:
            self.ledger.serve(wait)
            await respond(send, 200, f"Waited for {fate.asked_ms} milliseconds")


def find_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id":
            return clean_request_id(value.decode("latin-1"))
    return ""


async def wait_unless_disconnected(receive: Receive, wait_s: float) -> bool:
    """Wait for the client to go away; the time running out first is the good end."""
    if wait_s == 0:
        return True
    try:
        async with asyncio.timeout(wait_s + TIMER_STEP_S):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return True
    return False


async def respond(
    send: Send,
    status: int,
    text: str,
    *,
    content_type: bytes = b"text/plain; charset=utf-8",
    allow: bool = False,
) -> None:
    body = text.encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode("ascii")),
        # A refused value is repeated in the body: no browser shall take it for a page.
        (b"x-content-type-options", b"nosniff"),
    ]
    if allow:
        headers.append((b"allow", b"GET"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
